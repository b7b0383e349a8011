// The table: which rows it has, and in which order; only the rows that can be seen are drawn.

const TRACKS = 0, ALBUMS = 1;
const attention = (i) => {
  const r = rows[i];
  return markOf(r) ? 3 : doubtful(r) ? Math.abs(r[C.p] - 0.5) : r[C.label] === 0 ? 1 : 2;
};
const VIEWS = [
  {
    name: "Tracks", noun: "track", row: trackRow, head: 6, down: false,
    heads: [
      ["File", (i) => low[i]],
      ["Answer", (i) => labelOf(rows[i])],
      ["P(song)", (i) => rows[i][C.p] ?? -1, "number"],
      ["Voice", (i) => rows[i][C.voice] ?? -1, "number"],
      ["Length", (i) => rows[i][C.duration] ?? -1, "number"],
      ["Timeline"],
      ["To check", attention],
      ["Mark", (i) => markOf(rows[i])],
    ],
  },
  {
    name: "Albums", noun: "album", row: albumRow, head: 3, down: true,
    heads: [
      ["Album", (a) => albums[a].low],
      ["Tracks", (a) => albums[a].tracks.length, "number"],
      ["Songs", (a) => countIn(albums[a], (r) => labelOf(r) === SONG) / albums[a].tracks.length, "number"],
      ["In doubt", (a) => countIn(albums[a], doubtful), "number"],
      ["Length", (a) => albums[a].duration, "number"],
      ["Its tracks, side by side"],
      ["Open"],
    ],
  },
].map((view) => ({ ...view, at: -1 }));

const SPARE = 6; // rows above and below those that can be seen
const TALLEST = 16e6; // pixels: no browser has a taller page
const PRINTED = 1000; // rows

// `found` are the tracks or albums that are shown, `height` is that of a row, `above` the number of rows above the window.
// A view's `at` is its current track or album, which keys act on; `passage` is the passage of it that was played last.
const state = { view: TRACKS, kind: 0, text: "", album: -1, found: [], height: 0, above: 0, passage: -1 };
const byId = (id) => document.getElementById(id);
const view = () => VIEWS[state.view];

function select() {
  const wanted = KINDS[state.kind][1], words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = (i) => wanted(rows[i]) && words.every((word) => low[i].includes(word));
  if (state.view === ALBUMS) {
    state.found = [...albums.keys()].filter((a) => albums[a].tracks.some(chosen));
  } else {
    state.found = (state.album < 0 ? [...rows.keys()] : [...albums[state.album].tracks]).filter(chosen);
  }
  const value = view().heads[view().head][1], sign = view().down ? -1 : 1;
  const keys = new Map(state.found.map((id) => [id, value(id)]));
  state.found.sort((a, b) => {
    const x = keys.get(a), y = keys.get(b);
    return x < y ? -sign : x > y ? sign : a - b;
  });
  tell();
  byId("rows").replaceChildren();
  state.height = 0;
  if (window.scrollY > tableTop()) window.scrollTo(0, tableTop());
  draw();
}

// How far to scroll until the table begins just below the bar that stays on top of the window.
const tableTop = () => byId("table").getBoundingClientRect().top + window.scrollY - byId("marking").offsetHeight;

function tell() {
  const n = state.found.length, all = n === 1 ? `1 ${view().noun}` : `${n.toLocaleString("en")} ${view().noun}s`;
  byId("shown").textContent = n ? all : `No ${view().noun} matches.`;
  byId("album").hidden = state.album < 0 || state.view === ALBUMS;
  if (state.album >= 0) byId("inside").textContent = albums[state.album].folder;
  byId("voices").hidden = state.view === ALBUMS;
  byId("blocks").hidden = state.view === TRACKS;
  byId("table").className = view().name.toLowerCase();
  byId("table").setAttribute("aria-rowcount", n + 1);
  [...byId("head").children].forEach((th, k) => {
    if (k === view().head) th.setAttribute("aria-sort", view().down ? "descending" : "ascending");
    else th.removeAttribute("aria-sort");
  });
}

function drawHead() {
  byId("head").replaceChildren(...view().heads.map(([name, value, className], k) => {
    const th = element("th", value ? undefined : name, className);
    th.scope = "col";
    th.setAttribute("role", "columnheader");
    if (value) {
      const sort = button(name, "sort", () => {
        view().down = view().head === k && !view().down;
        view().head = k;
        select();
      });
      th.append(sort);
    }
    return th;
  }));
}

function newRow(place) {
  const id = state.found[place], tr = element("tr"), is = id === view().at;
  tr.setAttribute("role", "row");
  tr.setAttribute("aria-rowindex", place + 2);
  tr.dataset.place = place;
  tr.tabIndex = is || (view().at < 0 && place === 0) ? 0 : -1;
  if (is) tr.setAttribute("aria-current", "true");
  tr.append(...view().row(id));
  if (state.height) tr.style.top = `${place * state.height}px`;
  return tr;
}

// Draw the rows that can be seen, and keep those of them that were drawn before. If the layout, and so the height of a
// row, has changed, scroll so that the topmost row stays the same.
function draw() {
  const body = byId("rows"), n = state.found.length, before = state.height, bar = byId("marking").offsetHeight;
  if (!body.firstChild && n) body.append(newRow(0));
  if (n) state.height = parseFloat(getComputedStyle(body.firstChild).height); // exact, wherever the row is
  const most = Math.min(n, Math.floor(TALLEST / (state.height || 1)));
  byId("capped").hidden = most === n;
  body.style.height = `${most * state.height}px`;
  if (before && before !== state.height) {
    body.replaceChildren();
    if (state.above > 0) window.scrollBy(0, body.getBoundingClientRect().top + state.above * state.height - bar);
  }
  const top = body.getBoundingClientRect().top, inside = (y) => Math.min(Math.max(y, 0), most);
  state.above = (bar - top) / state.height;
  const first = inside(Math.floor(-top / state.height) - SPARE);
  fill(first, inside(Math.ceil((window.innerHeight - top) / state.height) + SPARE));
}

function fill(first, last) {
  const body = byId("rows"), have = new Map();
  for (const tr of [...body.children]) {
    const place = Number(tr.dataset.place);
    if ((place >= first && place < last) || tr.contains(document.activeElement)) have.set(place, tr);
    else tr.remove();
  }
  let next = [...body.children].find((tr) => Number(tr.dataset.place) >= last) ?? null;
  for (let place = last - 1; place >= first; place--) {
    next = have.get(place) ?? body.insertBefore(newRow(place), next);
  }
}

const rowAt = (place) => byId("rows").querySelector(`tr[data-place="${place}"]`);

function redraw(place) {
  const before = rowAt(place), inside = before?.contains(document.activeElement), after = before && newRow(place);
  before?.replaceWith(after);
  if (inside) after.focus({ preventScroll: true });
}

// Make a track or album the current one, which keys act on; with `focus`, scroll to it.
function go(id, focus = false) {
  const place = state.found.indexOf(id);
  if (place < 0) return;
  if (id !== view().at) state.passage = -1;
  for (const tr of byId("rows").querySelectorAll("tr[tabindex='0'], tr[aria-current]")) {
    tr.tabIndex = -1;
    tr.removeAttribute("aria-current");
  }
  view().at = id;
  if (focus) show(place);
  const tr = rowAt(place);
  if (!tr) return;
  tr.tabIndex = 0;
  tr.setAttribute("aria-current", "true");
  if (focus) tr.focus({ preventScroll: true });
}

function show(place) {
  const head = byId("head").parentElement, sticks = getComputedStyle(head).position === "sticky";
  const above = byId("marking").offsetHeight + (sticks ? head.offsetHeight : 0);
  const below = window.innerHeight - (byId("player").hidden ? 0 : byId("player").offsetHeight);
  const top = byId("rows").getBoundingClientRect().top + place * state.height;
  if (top < above) window.scrollBy(0, top - above);
  else if (top + state.height > below) window.scrollBy(0, Math.min(top + state.height - below, top - above));
  draw();
}

function step(by) {
  const n = state.found.length, place = state.found.indexOf(view().at);
  if (n) go(state.found[place < 0 ? 0 : Math.min(Math.max(place + by, 0), n - 1)], true);
}

function nextInDoubt() {
  const n = state.found.length, place = state.found.indexOf(view().at);
  const wanted = (id) => (state.view === ALBUMS ? albums[id].tracks.some((i) => doubtful(rows[i])) : doubtful(rows[id]));
  for (let k = 1; k <= n; k++) {
    const id = state.found[(place + k) % n];
    if (wanted(id)) { go(id, true); return; }
  }
  byId("told").textContent = "No more tracks are in doubt here.";
}

function showView(which) {
  if (which === ALBUMS) state.album = -1;
  state.view = which;
  byId("views").querySelectorAll("input")[which].checked = true;
  drawHead();
  select();
}

function openAlbum(a, i = albums[a].tracks[0]) {
  VIEWS[ALBUMS].at = a;
  state.album = a;
  state.text = byId("search").value = "";
  state.kind = 0;
  byId("kinds").querySelector("input").checked = true;
  Object.assign(VIEWS[TRACKS], { head: 0, down: false });
  showView(TRACKS);
  go(i, true);
}

function closeAlbum() {
  if (state.album < 0) return;
  const a = state.album;
  showView(ALBUMS);
  go(a, true);
}

function count() {
  const totals = KINDS.map(() => 0);
  for (const r of rows) KINDS.forEach(([, wanted], k) => { if (wanted(r)) totals[k]++; });
  KINDS.forEach(([name], k) => {
    const label = byId("kinds").querySelectorAll("label")[k], n = totals[k].toLocaleString("en");
    label.lastChild.textContent = `${name} ${n}`;
    label.hidden = !totals[k] && !ALWAYS_SHOWN.includes(name) && k !== state.kind;
  });
  const of = (name) => totals[KINDS.findIndex(([kind]) => kind === name)].toLocaleString("en");
  byId("marked").textContent = `${of("Marked")} marked, ${of("In doubt")} in doubt`;
  byId("kept").textContent = keeps ? "" : "This browser does not keep marks: save them before you leave.";
}
