
"use strict";
(() => {
  const PAGE = 100;
  const SVG = "http://www.w3.org/2000/svg";
  const { columns, rows } = JSON.parse(document.getElementById("data").textContent);
  const C = Object.fromEntries(columns.map((name, i) => [name, i]));
  const byId = (id) => document.getElementById(id);
  const doubtful = (r) => r[C.label] > 0 && !r[C.certain];
  const low = rows.map((r) => r[C.path].toLowerCase());
  const seconds = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;

  const KINDS = [
    ["All", () => true],
    ["In doubt", doubtful],
    ["Songs", (r) => r[C.label] === 1],
    ["Instrumental scores", (r) => r[C.label] === 2],
    ["Read in part", (r) => r[C.label] > 0 && r[C.status] !== "ok"],
    ["Without a label", (r) => r[C.label] === 0],
  ];
  const attention = (r) => (doubtful(r) ? Math.abs(r[C.p] - 0.5) : r[C.label] === 0 ? 1 : 2);
  const HEADS = [
    ["File", (r, i) => low[i]],
    ["Answer", (r) => r[C.label]],
    ["P(song)", (r) => r[C.p] ?? -1],
    ["Voice", (r) => r[C.voice] ?? -1],
    ["Length", (r) => r[C.duration] ?? -1],
    ["Timeline"],
    ["To check", attention],
  ];

  const state = { kind: 0, text: "", head: 6, down: false, page: 0, found: [] };

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
    button.addEventListener("click", () => play(row, start));
    return button;
  }

  function tr(row) {
    const made = document.createElement("tr");
    const path = row[C.path], cut = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1;
    made.append(cell(path.slice(cut), "name", path.slice(0, cut)));
    const label = [row[C.status].replace("_", " "), "song", "instrumental score"][row[C.label]];
    const doubt = doubtful(row) ? "in doubt" : row[C.label] && row[C.status] !== "ok" ? "read in part" : "";
    made.append(cell(label, `answer ${["none", "song", "score"][row[C.label]]}`, doubt));
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
    return made;
  }

  function draw() {
    const n = state.found.length, pages = Math.max(1, Math.ceil(n / PAGE)), from = state.page * PAGE;
    const part = state.found.slice(from, from + PAGE);
    byId("rows").replaceChildren(...part.map((i) => tr(rows[i])));
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

  for (const [i, [name, wanted]] of KINDS.entries()) {
    const label = element("label"), input = element("input");
    input.type = "radio";
    input.name = "kind";
    input.checked = i === 0;
    input.addEventListener("change", () => { state.kind = i; select(); });
    label.append(input, element("span", `${name} ${rows.filter(wanted).length.toLocaleString("en")}`));
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
  select();
})();
