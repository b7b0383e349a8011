
"use strict";
(() => {
  const PAGE = 100;
  const SVG = "http://www.w3.org/2000/svg";
  const { columns, rows, run, marks } = JSON.parse(document.getElementById("data").textContent);
  const C = Object.fromEntries(columns.map((name, i) => [name, i]));
  const byId = (id) => document.getElementById(id);
  const LABELS = ["", "song", "instrumental score", "neither"];
  const STYLES = ["none", "song", "score", "none"];
  const low = rows.map((r) => r[C.path].toLowerCase());
  const seconds = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;

  // What was marked in this page, by the sound of the track or, where it is not known, by its path. 0 takes away a mark
  // that the page came with.
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
      return Object.fromEntries(Object.entries(found).filter(([, mark]) => [0, 1, 2, 3].includes(mark)));
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

  const KINDS = [
    ["All", () => true],
    ["In doubt", doubtful],
    ["Songs", (r) => labelOf(r) === 1],
    ["Instrumental scores", (r) => labelOf(r) === 2],
    ["Read in part", (r) => r[C.label] > 0 && r[C.status] !== "ok"],
    ["Without a label", (r) => labelOf(r) === 0 || labelOf(r) === 3],
    ["Marked", (r) => markOf(r) > 0],
  ];
  const attention = (r) => (markOf(r) ? 3 : doubtful(r) ? Math.abs(r[C.p] - 0.5) : r[C.label] === 0 ? 1 : 2);
  const HEADS = [
    ["File", (r, i) => low[i]],
    ["Answer", labelOf],
    ["P(song)", (r) => r[C.p] ?? -1],
    ["Voice", (r) => r[C.voice] ?? -1],
    ["Length", (r) => r[C.duration] ?? -1],
    ["Timeline"],
    ["To check", attention],
    ["Mark", markOf],
  ];
  const MARKS = [["Song", 1, "S"], ["Score", 2, "I"], ["Neither", 3, "N"], ["Undo", 0, "U"]];

  // `at` is the track that the keys are about, and `passage` the one of its passages that was played last.
  const state = { kind: 0, text: "", head: 6, down: false, page: 0, found: [], at: -1, passage: -1 };

  function select() {
    const wanted = KINDS[state.kind][1];
    const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    state.found = [];
    for (let i = 0; i < rows.length; i++) {
      if (wanted(rows[i]) && words.every((word) => low[i].includes(word))) state.found.push(i);
    }
    const value = HEADS[state.head][1];
    const keys = new Map(state.found.map((i) => [i, value(rows[i], i)]));
    const sign = state.down ? -1 : 1;
    state.found.sort((a, b) => {
      const x = keys.get(a), y = keys.get(b);
      return x < y ? -sign : x > y ? sign : a - b;
    });
    state.page = 0;
    draw();
  }

  function element(tag, text, className) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function cell(text, className, small) {
    const td = element("td", text, className);
    if (small) td.append(element("small", small));
    return td;
  }

  function strip(text) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "strip");
    svg.setAttribute("viewBox", `0 0 ${text.length} 16`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", "probability of a voice over time");
    let heard = "", curve = "";
    for (let i = 0; i < text.length; i++) {
      if (text[i] === ".") continue;
      heard += `M${i} 0h1v16h-1z`;
      if (text[i] !== "0") curve += `M${i} 16v-${parseInt(text[i], 16) + 1}h1V16z`;
    }
    for (const [d, name] of [[heard, "heard"], [curve, "curve"]]) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", d);
      path.setAttribute("class", name);
      svg.append(path);
    }
    return svg;
  }

  function seek(row, start, text) {
    const button = element("button", text, "seek");
    button.type = "button";
    button.setAttribute("aria-label", `Play ${row[C.path]} from ${seconds(start)}`);
    button.addEventListener("click", () => {
      state.passage = row[C.listen].findIndex(([from]) => from === start);
      play(row, start);
    });
    return button;
  }

  function marker(i, [name, mark, key]) {
    const button = element("button", name, "mark");
    button.type = "button";
    button.disabled = !mark && !markOf(rows[i]);
    button.setAttribute("aria-keyshortcuts", key);
    button.title = `${name} (${key})`;
    if (mark) button.setAttribute("aria-pressed", String(markOf(rows[i]) === mark));
    button.addEventListener("click", () => { go(i); setMark(i, mark); });
    return button;
  }

  function answer(row) {
    const mark = markOf(row), said = LABELS[row[C.label]] || row[C.status].replace("_", " ");
    if (!mark) {
      const doubt = doubtful(row) ? "in doubt" : row[C.label] && row[C.status] !== "ok" ? "read in part" : "";
      return cell(said || "no answer", `answer ${STYLES[row[C.label]]}`, doubt);
    }
    const other = said && row[C.label] !== mark ? `by hand; the model said ${said}` : "by hand";
    return cell(LABELS[mark], `answer ${STYLES[mark]}`, other);
  }

  function tr(i) {
    const row = rows[i], made = document.createElement("tr");
    made.dataset.i = i;
    made.tabIndex = i === state.at ? 0 : -1;
    if (i === state.at) made.setAttribute("aria-current", "true");
    const path = row[C.path], cut = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1;
    made.append(cell(path.slice(cut), "name", path.slice(0, cut)));
    made.append(answer(row));
    made.append(cell(row[C.p] === null ? "" : row[C.p].toFixed(3), "number"));
    made.append(cell(row[C.voice] === null ? "" : `${Math.round(100 * row[C.voice])} %`, "number"));
    made.append(cell(row[C.duration] === null ? "" : seconds(row[C.duration]), "number"));
    const timeline = cell("", "timeline", row[C.message]);
    if (row[C.strip]) timeline.prepend(strip(row[C.strip]));
    made.append(timeline);
    const check = cell("", "check");
    for (const [start, end] of row[C.listen]) check.append(seek(row, start, `${seconds(start)} to ${seconds(end)}`));
    if (!row[C.listen].length && row[C.label] && row[C.url]) check.append(seek(row, 0, "Play"));
    made.append(check);
    const mark = cell("", "marks");
    mark.append(...MARKS.map((one) => marker(i, one)));
    made.append(mark);
    return made;
  }

  function draw() {
    const n = state.found.length, pages = Math.max(1, Math.ceil(n / PAGE)), from = state.page * PAGE;
    const part = state.found.slice(from, from + PAGE);
    byId("rows").replaceChildren(...part.map(tr));
    byId("shown").textContent = n
      ? `${(from + 1).toLocaleString("en")} to ${(from + part.length).toLocaleString("en")} of ${n.toLocaleString("en")} tracks`
      : "No track is like that.";
    byId("page").textContent = `Page ${state.page + 1} of ${pages}`;
    byId("first").disabled = byId("previous").disabled = state.page === 0;
    byId("last").disabled = byId("next").disabled = state.page >= pages - 1;
    [...byId("head").children].forEach((th, i) => {
      if (i === state.head) th.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    });
  }

  function count() {
    const n = (wanted) => rows.filter(wanted).length;
    KINDS.forEach(([name, wanted], k) => {
      byId("kinds").querySelectorAll("span")[k].textContent = `${name} ${n(wanted).toLocaleString("en")}`;
    });
    byId("marked").textContent = `${n(markOf).toLocaleString("en")} marked, ${n(doubtful).toLocaleString("en")} in doubt`;
    byId("kept").textContent = keeps ? "" : "This browser keeps no marks: save them before you leave.";
  }

  function rowOf(i) {
    return byId("rows").querySelector(`tr[data-i="${i}"]`);
  }

  // Make a track the one that the keys are about, on whatever page it is.
  function go(i, focus = false) {
    const place = state.found.indexOf(i);
    if (place < 0) return;
    if (i !== state.at) state.passage = -1;
    const before = rowOf(state.at);
    state.at = i;
    if (Math.floor(place / PAGE) !== state.page) {
      state.page = Math.floor(place / PAGE);
      draw();
    }
    if (before) { before.tabIndex = -1; before.removeAttribute("aria-current"); }
    const row = rowOf(i);
    row.tabIndex = 0;
    row.setAttribute("aria-current", "true");
    if (focus) { row.focus({ preventScroll: true }); row.scrollIntoView({ block: "nearest" }); }
  }

  function step(by) {
    const place = state.found.indexOf(state.at);
    const next = place < 0 ? state.page * PAGE : Math.min(Math.max(place + by, 0), state.found.length - 1);
    if (state.found.length) go(state.found[next], true);
  }

  function nextInDoubt() {
    const n = state.found.length, place = state.found.indexOf(state.at);
    for (let k = 1; k <= n; k++) {
      const i = state.found[(place + k) % n];
      if (doubtful(rows[i])) { go(i, true); return; }
    }
    byId("told").textContent = "No track in doubt is left here.";
  }

  function setMark(i, mark) {
    const row = rows[i], inRow = rowOf(i)?.contains(document.activeElement);
    if (mark === row[C.mark]) delete given[keyOf(row)];
    else given[keyOf(row)] = mark;
    store();
    draw();
    count();
    if (inRow) rowOf(i).focus({ preventScroll: true });
    byId("told").textContent = mark ? `Marked: ${LABELS[mark]}` : "The mark is taken away.";
  }

  function passage() {
    const row = rows[state.at], passages = row[C.listen];
    state.passage = passages.length ? (state.passage + 1) % passages.length : -1;
    play(row, passages.length ? passages[state.passage][0] : 0);
  }

  function playOrPause() {
    const audio = byId("audio");
    if (audio.dataset.url !== rows[state.at][C.url] || byId("player").hidden) passage();
    else if (audio.paused) audio.play().catch(() => {});
    else audio.pause();
  }

  function save() {
    const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const lines = new Map();
    for (const r of rows.filter(markOf)) {
      const cells = [r[C.file] || r[C.path], LABELS[markOf(r)], r[C.duration] ?? "", LABELS[r[C.label]] || r[C.status], r[C.p] ?? "", r[C.sound]];
      lines.set(keyOf(r), `${cells.map((x) => quoted(String(x))).join(",")}\n`);
    }
    const link = element("a");
    link.download = "marks.csv";
    link.href = URL.createObjectURL(new Blob([`${marks.head}\n`, ...lines.values(), marks.others], { type: "text/csv" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    byId("told").textContent = `${lines.size} marks saved.`;
  }

  const ABOUT_TRACK = {
    s: () => setMark(state.at, 1),
    i: () => setMark(state.at, 2),
    n: () => setMark(state.at, 3),
    u: () => setMark(state.at, 0),
    p: () => rows[state.at][C.url] && passage(),
    " ": () => rows[state.at][C.url] && playOrPause(),
  };
  const ANYWHERE = {
    d: nextInDoubt,
    j: () => step(1),
    k: () => step(-1),
    m: save,
    "?": () => { byId("keys").open = !byId("keys").open; },
  };

  function pressed(event) {
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || target.matches("input[type=search]")) return;
    const key = event.key.toLowerCase();
    if (key === " " && !target.matches("tr, body")) return;
    const about = rowOf(state.at) && ABOUT_TRACK[key];
    const does = about || ANYWHERE[key];
    if (!does) return;
    event.preventDefault();
    does();
  }

  function turn(page) {
    state.page = Math.min(Math.max(page, 0), Math.ceil(state.found.length / PAGE) - 1);
    draw();
    byId("shown").scrollIntoView();
  }

  function play(row, start) {
    const audio = byId("audio");
    byId("player").hidden = false;
    byId("playing").textContent = row[C.path];
    byId("trouble").textContent = "";
    const go = () => { audio.currentTime = start; audio.play().catch(() => {}); };
    if (audio.dataset.url === row[C.url] && audio.readyState) { go(); return; }
    audio.dataset.url = row[C.url];
    audio.src = row[C.url];
    audio.addEventListener("loadedmetadata", go, { once: true });
    audio.load();
  }

  for (const i of KINDS.keys()) {
    const label = element("label"), input = element("input");
    input.type = "radio";
    input.name = "kind";
    input.checked = i === 0;
    input.addEventListener("change", () => { state.kind = i; select(); });
    label.append(input, element("span"));
    byId("kinds").append(label);
  }
  for (const [i, [name, value]] of HEADS.entries()) {
    const th = element("th");
    th.scope = "col";
    if (value) {
      const button = element("button", name);
      button.type = "button";
      button.addEventListener("click", () => {
        state.down = state.head === i && !state.down;
        state.head = i;
        select();
      });
      th.append(button);
    } else {
      th.textContent = name;
    }
    byId("head").append(th);
  }
  byId("search").addEventListener("input", (event) => { state.text = event.target.value; select(); });
  document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  byId("first").addEventListener("click", () => turn(0));
  byId("previous").addEventListener("click", () => turn(state.page - 1));
  byId("next").addEventListener("click", () => turn(state.page + 1));
  byId("last").addEventListener("click", () => turn(Infinity));
  byId("audio").addEventListener("error", () => {
    byId("trouble").textContent = "cannot be played: is the file still beside this page?";
  });
  byId("close").addEventListener("click", () => { byId("audio").pause(); byId("player").hidden = true; });
  byId("doubt").addEventListener("click", nextInDoubt);
  byId("save").addEventListener("click", save);
  byId("rows").addEventListener("focusin", (event) => go(Number(event.target.closest("tr").dataset.i)));
  byId("rows").addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row && !event.target.closest("button")) go(Number(row.dataset.i), true);
  });
  document.addEventListener("keydown", pressed);
  count();
  select();
})();
