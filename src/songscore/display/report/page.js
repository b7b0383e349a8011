// Keys, clicks and taps, and the player.

function setMark(i, mark) {
  const r = rows[i];
  if (mark === r[C.mark]) delete given[keyOf(r)];
  else given[keyOf(r)] = mark;
  store();
  redraw(state.found.indexOf(i));
  count();
  byId("told").textContent = mark ? `Marked: ${LABELS[mark]}` : "The mark is removed.";
}

function save() {
  const { count: n, text } = marksFile(), link = element("a");
  link.download = "marks.csv";
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  byId("told").textContent = n === 1 ? "1 mark saved." : `${n} marks saved.`;
}

function play(r, start) {
  const audio = byId("audio");
  byId("player").hidden = false;
  byId("playing").textContent = r[C.path];
  byId("trouble").textContent = "";
  const begin = () => { audio.currentTime = start; audio.play().catch(() => {}); };
  if (audio.dataset.url === r[C.url] && audio.readyState) { begin(); return; }
  audio.dataset.url = r[C.url];
  audio.src = r[C.url];
  audio.addEventListener("loadedmetadata", begin, { once: true });
  audio.load();
}

function playPassage() {
  const r = rows[view().at], n = r[C.listen].length;
  state.passage = n ? (state.passage + 1) % n : -1;
  play(r, n ? r[C.listen][state.passage][0] : 0);
}

function playOrPause() {
  const audio = byId("audio");
  if (audio.dataset.url !== rows[view().at][C.url] || byId("player").hidden) playPassage();
  else if (audio.paused) audio.play().catch(() => {});
  else audio.pause();
}

const ABOUT_TRACK = {
  s: (i) => setMark(i, SONG),
  i: (i) => setMark(i, SCORE),
  n: (i) => setMark(i, NEITHER),
  u: (i) => setMark(i, 0),
  p: (i) => rows[i][C.url] && playPassage(),
  " ": (i) => rows[i][C.url] && playOrPause(),
};
const ABOUT_ALBUM = { enter: (a) => openAlbum(a) };
const ANYWHERE = {
  d: nextInDoubt,
  j: () => step(1),
  k: () => step(-1),
  m: save,
  a: () => showView(state.view === ALBUMS ? TRACKS : ALBUMS),
  escape: closeAlbum,
  "/": () => byId("search").focus(),
  "?": () => { byId("keys").open = !byId("keys").open; },
};

function onKey(event) {
  const target = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.matches("input[type=search]")) {
    if (event.key === "Enter") step(1);
    return;
  }
  const key = event.key.toLowerCase();
  if ([" ", "enter"].includes(key) && !target.matches("tr, body")) return;
  const about = state.found.includes(view().at) && (state.view === ALBUMS ? ABOUT_ALBUM : ABOUT_TRACK)[key];
  const does = about || ANYWHERE[key];
  if (!does) return;
  event.preventDefault();
  does(view().at);
}

function choices(place, names, choose) {
  names.forEach((name, k) => {
    const label = element("label"), input = element("input");
    input.type = "radio";
    input.name = place;
    input.checked = k === 0;
    input.addEventListener("change", () => choose(k));
    label.append(input, element("span", name));
    byId(place).append(label);
  });
}

function printAll() {
  const n = Math.min(state.found.length, PRINTED);
  if (n < state.found.length) byId("printed").textContent = `The first ${n.toLocaleString("en")} of them are printed.`;
  fill(0, n);
}

let waiting = false;
function soon(act) {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; act(); });
}

choices("kinds", KINDS.map(([name]) => name), (k) => { state.kind = k; select(); });
choices("views", VIEWS.map(({ name }) => name), showView);
byId("search").addEventListener("input", (event) => { state.text = event.target.value; select(); });
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
byId("audio").addEventListener("error", () => {
  byId("trouble").textContent = "cannot be played: is the file still beside this page?";
});
byId("close").addEventListener("click", () => { byId("audio").pause(); byId("player").hidden = true; });
byId("doubt").addEventListener("click", nextInDoubt);
byId("save").addEventListener("click", save);
byId("album").addEventListener("click", closeAlbum);
const idOf = (target) => state.found[target.closest("tr").dataset.place];
byId("rows").addEventListener("focusin", (event) => go(idOf(event.target)));
byId("rows").addEventListener("click", (event) => {
  if (event.target.closest("tr") && !event.target.closest("button, [data-i]")) go(idOf(event.target), true);
});
document.addEventListener("keydown", onKey);
window.addEventListener("scroll", () => soon(draw), { passive: true });
window.addEventListener("beforeprint", printAll);
window.addEventListener("afterprint", () => { byId("printed").textContent = ""; draw(); });
matchMedia("print").addEventListener("change", (event) => { if (event.matches) printAll(); });
new ResizeObserver(() => {
  document.documentElement.style.setProperty("--bar", `${byId("marking").offsetHeight}px`);
}).observe(byId("marking"));
window.addEventListener("resize", () => soon(draw));
byId("blocks").append(...blocksLegend());
count();
showView(TRACKS);
