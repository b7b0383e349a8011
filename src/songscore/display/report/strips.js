// Timelines of tracks and of albums, as SVG.

const SVG = "http://www.w3.org/2000/svg";
const MOST_BLOCKS = 200;

function shape(tag, attributes, title) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (title) {
    const told = document.createElementNS(SVG, "title");
    told.textContent = title;
    made.append(told);
  }
  return made;
}

function picture(width, label) {
  return shape("svg", {
    class: "strip", viewBox: `0 0 ${width} 16`, preserveAspectRatio: "none", role: "img", "aria-label": label,
  });
}

// The timeline of a track: where it was heard, where there are voices without words and speech, and over them the
// probability of a sung voice.
function timelineOf(r) {
  const text = r[C.strip], kinds = r[C.kinds];
  const paths = { heard: "", choir: "", speech: "", sung: "" };
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== ".") paths.heard += `M${i} 0h1v16h-1z`;
    if (kinds[i] === "c") paths.choir += `M${i} 16v-10h1V16z`;
    if (kinds[i] === "p") paths.speech += `M${i} 16v-10h1V16z`;
    if (text[i] !== "." && text[i] !== "0") paths.sung += `M${i} 16v-${parseInt(text[i], 16) + 1}h1V16z`;
  }
  const others = [paths.choir && "voices without words", paths.speech && "speech"].filter(Boolean).join(" and ");
  const share = `sung or rapped in ${Math.round(100 * (r[C.voice] ?? 0))} % of the time`;
  const svg = picture(text.length, others ? `${share}, and ${others}` : share);
  for (const [name, d] of Object.entries(paths)) if (d) svg.append(shape("path", { d, class: name }));
  return svg;
}

// Blue, white and orange, as in the other pictures of songscore.
function colourOf(p) {
  const [from, to, share] = p < 0.5 ? [0, 1, 2 * p] : [1, 2, 2 * p - 1];
  return `rgb(${colours[from].map((c, i) => Math.round(255 * (c + share * (colours[to][i] - c)))).join(",")})`;
}

// What the colours of an album's tracks mean.
function blocksLegend() {
  const scale = [["song", 1], ["either", 0.5], ["instrumental score", 0]].map(([name, p]) => [name, "", colourOf(p)]);
  return [...scale, ["no label", "none"], ["in doubt", "doubt"], ["marked by hand", "hand"]].map(([name, kind, colour]) => {
    const item = element("li"), patch = element("span", undefined, kind);
    if (colour) patch.style.background = colour;
    item.append(patch, name);
    return item;
  });
}

// The tracks of an album side by side, as wide as they are long; in a large album several tracks share a block.
function blocksOf(album) {
  const size = Math.ceil(album.tracks.length / MOST_BLOCKS), known = album.tracks.filter((i) => rows[i][C.duration]);
  const usual = known.length ? album.duration / known.length : 1;
  const lengths = album.tracks.map((i) => rows[i][C.duration] || usual), total = lengths.reduce((a, b) => a + b, 0);
  const svg = picture(1000, `songs: ${countIn(album, (r) => labelOf(r) === SONG)} of ${album.tracks.length}`);
  for (let k = 0, x = 0; k < album.tracks.length; k += size) {
    const tracks = album.tracks.slice(k, k + size), inside = tracks.map((i) => rows[i]);
    const width = (1000 * lengths.slice(k, k + size).reduce((a, b) => a + b, 0)) / total;
    const p = inside.map(probabilityOf).filter((one) => one !== null);
    const fill = p.length ? { fill: colourOf(p.reduce((a, b) => a + b, 0) / p.length) } : { class: "none" };
    svg.append(shape("rect", { x, width, height: 16, "data-i": tracks[0], ...fill }, blockName(inside)));
    if (inside.some(doubtful)) svg.append(shape("rect", { x, width, y: 13, height: 3, class: "doubt" }));
    if (inside.some(markOf)) svg.append(shape("rect", { x, width, height: 3, class: "hand" }));
    x += width;
  }
  return svg;
}

function blockName([first, ...others]) {
  const name = first[C.path].slice(cutOf(first[C.path]));
  if (others.length) return `${name} and ${others.length} more`;
  const p = first[C.p] === null || markOf(first) ? "" : `, P(song) ${first[C.p].toFixed(2)}`;
  return `${name}: ${LABELS[labelOf(first)] || first[C.status].replace("_", " ")}${p}${doubtful(first) ? ", in doubt" : ""}`;
}
