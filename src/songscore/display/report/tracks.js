// The tracks of the page, their marks, and their albums; nothing is drawn here.

const { columns, rows, run, marks, colours } = JSON.parse(document.getElementById("data").textContent);
const C = Object.fromEntries(columns.map((name, i) => [name, i]));
const LABELS = ["", "song", "instrumental score", "neither"];
const SONG = 1, SCORE = 2, NEITHER = 3;
const low = rows.map((r) => r[C.path].toLowerCase());
const cutOf = (path) => Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1;

// Marks made in this page, by the digest of the track's sound or, without one, by its path. 0 removes a mark that the
// page came with.
const STORE = `songscore marks ${run}`;
const keyOf = (r) => r[C.sound] || r[C.file] || r[C.path];
const given = load();
let keeps = true;
const markOf = (r) => given[keyOf(r)] ?? r[C.mark];
const labelOf = (r) => markOf(r) || r[C.label];
const doubtful = (r) => !markOf(r) && r[C.label] > 0 && !r[C.certain];

function load() {
  try {
    const found = JSON.parse(localStorage.getItem(STORE) ?? "{}");
    return Object.fromEntries(Object.entries(found).filter(([, mark]) => [0, SONG, SCORE, NEITHER].includes(mark)));
  } catch {
    return {};
  }
}

function store() {
  try {
    localStorage.setItem(STORE, JSON.stringify(given));
    keeps = true;
  } catch {
    keeps = false;
  }
}

// The marks as a file for songscore: those of the tracks in this page, and those of other tracks that it came with.
function marksFile() {
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = new Map();
  for (const r of rows.filter(markOf)) {
    const said = LABELS[r[C.label]] || r[C.status];
    const cells = [r[C.file] || r[C.path], LABELS[markOf(r)], r[C.duration] ?? "", said, r[C.p] ?? "", r[C.sound]];
    lines.set(keyOf(r), `${cells.map((x) => quoted(String(x))).join(",")}\n`);
  }
  return { count: lines.size, text: [`${marks.head}\n`, ...lines.values(), marks.others].join("") };
}

const KINDS = [
  ["All", () => true],
  ["In doubt", doubtful],
  ["Songs", (r) => labelOf(r) === SONG],
  ["Instrumental scores", (r) => labelOf(r) === SCORE],
  ["With speech", (r) => r[C.kinds].includes("p")],
  ["Voices without words", (r) => r[C.kinds].includes("c")],
  ["Read in part", (r) => r[C.label] > 0 && r[C.status] !== "ok"],
  ["Without a label", (r) => labelOf(r) === 0 || labelOf(r) === NEITHER],
  ["Marked", (r) => markOf(r) > 0],
];
const ALWAYS_SHOWN = ["All", "In doubt", "Marked"];

// Probability of a song: 0 or 1 if a person marked the track, otherwise the model's; null without a label.
function probabilityOf(r) {
  const mark = markOf(r);
  if (mark) return mark === NEITHER ? null : Number(mark === SONG);
  return r[C.label] ? r[C.p] : null;
}

const albums = albumsOf();

// The folders, each with its tracks in the order of their names.
function albumsOf() {
  const found = new Map();
  rows.forEach((r, i) => {
    const folder = r[C.path].slice(0, cutOf(r[C.path]));
    if (!found.has(folder)) found.set(folder, { folder, low: folder.toLowerCase(), tracks: [] });
    found.get(folder).tracks.push(i);
  });
  for (const album of found.values()) {
    album.tracks.sort((a, b) => (low[a] < low[b] ? -1 : low[a] > low[b] ? 1 : a - b));
    album.duration = album.tracks.reduce((sum, i) => sum + (rows[i][C.duration] ?? 0), 0);
  }
  return [...found.values()];
}

const countIn = (album, wanted) => album.tracks.reduce((n, i) => n + wanted(rows[i]), 0);
