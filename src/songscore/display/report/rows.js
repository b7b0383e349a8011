// One row of the table, of a track or of an album.

const STYLES = ["none", "song", "score", "none"];
const MARKS = [["Song", SONG, "S"], ["Score", SCORE, "I"], ["Neither", NEITHER, "N"], ["Undo", 0, "U"]];

function clock(s) {
  const whole = Math.floor(s), two = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function button(text, className, act) {
  const made = element("button", text, className);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

function cell(text, className, small) {
  const td = element("td", undefined, className);
  td.setAttribute("role", "cell");
  if (text) td.append(element("span", text));
  if (small) td.append(element("small", small));
  return td;
}

function number(text, head) {
  const td = cell(text, "number");
  if (text) td.dataset.head = head;
  return td;
}

function nameCell(path, cut) {
  const td = cell(path.slice(cut), "name"), folder = element("small");
  folder.append(element("bdi", path.slice(0, cut)));
  td.append(folder);
  td.title = path;
  return td;
}

function answer(r) {
  const mark = markOf(r), said = LABELS[r[C.label]] || r[C.status].replace("_", " ");
  if (!mark) {
    const doubt = doubtful(r) ? "in doubt" : r[C.label] && r[C.status] !== "ok" ? "read in part" : "";
    return cell(said || "no answer", `answer ${STYLES[r[C.label]]}`, doubt);
  }
  const other = said && r[C.label] !== mark ? `by hand; the model said ${said}` : "by hand";
  return cell(LABELS[mark], `answer ${STYLES[mark]}`, other);
}

function seek(r, k, text) {
  const start = r[C.listen][k]?.[0] ?? 0, end = r[C.listen][k]?.[1];
  const made = button(text, "seek", () => { state.passage = r[C.listen].length ? k : -1; play(r, start); });
  made.setAttribute("aria-label", `${text}: play ${r[C.path]} from ${clock(start)}`);
  if (end !== undefined) made.title = `${clock(start)} to ${clock(end)}`;
  return made;
}

function marker(i, [name, mark, key]) {
  const made = button(name, "mark", () => { go(i); setMark(i, mark); });
  made.disabled = !mark && !markOf(rows[i]);
  made.setAttribute("aria-keyshortcuts", key);
  made.title = `${name} (${key})`;
  if (mark) made.setAttribute("aria-pressed", String(markOf(rows[i]) === mark));
  return made;
}

function trackRow(i) {
  const r = rows[i], message = r[C.message].replace(`${r[C.path]}: `, "");
  const timeline = cell("", "timeline", message), check = cell("", "check"), mark = cell("", "marks");
  if (r[C.strip]) timeline.prepend(timelineOf(r));
  if (message) timeline.title = message;
  const fits = r[C.duration] < 3600 ? 3 : 2;
  r[C.listen].slice(0, fits).forEach(([start], k) => check.append(seek(r, k, clock(start))));
  if (!r[C.listen].length && r[C.label] && r[C.url]) check.append(seek(r, 0, "Play"));
  mark.append(...MARKS.map((one) => marker(i, one)));
  return [
    nameCell(r[C.path], cutOf(r[C.path])),
    answer(r),
    number(r[C.p] === null ? "" : r[C.p].toFixed(3), "P(song)"),
    number(r[C.voice] === null ? "" : `${Math.round(100 * r[C.voice])} %`, "voice"),
    number(r[C.duration] === null ? "" : clock(r[C.duration]), "length"),
    timeline,
    check,
    mark,
  ];
}

function albumRow(a) {
  const album = albums[a], path = album.folder.slice(0, -1) || "(no folder)";
  const strip = cell("", "timeline"), open = cell("", "check");
  strip.prepend(blocksOf(album));
  strip.addEventListener("click", (event) => {
    const i = event.target.closest?.("[data-i]")?.dataset.i;
    if (i !== undefined) openAlbum(a, Number(i));
  });
  open.append(button("Show tracks", "seek", () => openAlbum(a)));
  const doubt = countIn(album, doubtful);
  return [
    nameCell(path, cutOf(path)),
    number(album.tracks.length.toLocaleString("en"), "tracks"),
    number(countIn(album, (r) => labelOf(r) === SONG).toLocaleString("en"), "songs"),
    number(doubt ? doubt.toLocaleString("en") : "", "in doubt"),
    number(clock(album.duration), "length"),
    strip,
    open,
  ];
}
