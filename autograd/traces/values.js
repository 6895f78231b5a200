// How numbers and arrays are shown. A number that is not finite comes as text: "nan", "inf".

function element(tag, attributes = {}, ...children) {
  const made = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child || child === ""));
  return made;
}

const append = (map, key, item) => map.set(key, [...(map.get(key) ?? []), item]);

function number(x, digits = 4) {
  if (typeof x === "boolean") return x ? "True" : "False";
  if (!Number.isFinite(x)) return String(x).replace(/nan/i, "NaN").replace("-", "−");
  const size = Math.abs(x), isCount = Number.isInteger(x) && size < 1e6;
  const short = isCount ? x : +x.toPrecision(digits);
  const text = isCount || (size >= 1e-3 && size < 1e5) ? String(short) : short.toExponential();
  return text.replace("e+", "e").replace(/-/g, "−");
}

// As Python writes it: (32, 10), (3,).
const tuple = (shape) => `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;

const shapeText = (shape) => (shape.length ? tuple(shape) : "one number");

const elements = (value) => value.shape.reduce((product, side) => product * side, 1);

// NaN if the value has an element that is not finite.
const norm = (value) =>
  (value.nans || value.infinities ? NaN : (+value.rms || 0) * Math.sqrt(elements(value)));

// In a box of the graph: the elements if they fit, else their size.
function brief(value) {
  if (elements(value) === 1) return number(value.whole[0]);
  if (value.nans || value.infinities) return value.nans ? "has NaN" : "has inf";
  const text = value.whole && value.whole.map((x) => number(x)).join(", ");
  if (!value.whole || text.length > 14) return `rms ${number(value.rms, 2)}`;
  return `[${text}]`;
}

function valueView(value, label) {
  if (!value) return element("p", { class: "note" }, "The graph did not keep it.");
  const { whole, least, most, nans, infinities } = value;
  const isSame = least === most && !nans && !infinities && !(whole?.length <= 8);
  const view = element("div", { class: "value" });
  if (elements(value) === 1) view.append(element("p", { class: "scalar" }, number(whole[0])));
  else if (isSame) view.append(element("p", { class: "scalar" }, `${number(least)} everywhere`));
  else if (whole) view.append(...tables(value, label));
  else view.append(thumbnail(value, label), histogram(value));
  if (elements(value) === 1) return view;
  view.append(element("p", { class: "note" }, statistics(value, isSame)));
  return view;
}

function statistics(value, isSame) {
  const parts = [tuple(value.shape), value.dtype], count = elements(value);
  if (!isSame && !(value.whole?.length <= 8) && Number.isFinite(value.mean)) {
    parts.push(`from ${number(value.least)} to ${number(value.most)}`);
    parts.push(`mean ${number(value.mean)}`, `rms ${number(value.rms)}`);
  }
  const special = { "exactly zero": value.zeros, NaN: value.nans, infinite: value.infinities };
  for (const [what, found] of Object.entries(special)) {
    if (found) parts.push(`${found.toLocaleString("en")} of ${count.toLocaleString("en")} ${what}`);
  }
  return parts.join(" · ");
}

// Blue below zero, white at zero, orange above; `t` is from -1 to 1. Grey is not finite.
function colour(t, strength) {
  if (!Number.isFinite(t)) return "#999";
  const end = t < 0 ? [0, 90, 181] : [214, 94, 0], share = Math.abs(t) * strength;
  return `rgb(${end.map((c) => Math.round(255 + (c - 255) * share)).join(", ")})`;
}

const largest = (value) => Math.max(Math.abs(value.least) || 0, Math.abs(value.most) || 0);

const scrollable = (label, ...children) =>
  element("div", { class: "table", tabindex: 0, role: "region", "aria-label": label }, ...children);

// A table for each of the last two axes; a vector is one row.
function tables(value, label) {
  const columns = value.shape.at(-1), rows = value.shape.at(-2) ?? 1, size = rows * columns;
  const cell = (x) => element("td", typeof x === "string" ? { class: "bad" }
    : { style: `background: ${colour(x / largest(value) || 0, 0.5)}`, title: x }, number(x));
  const parts = (items, length) => Array.from({ length: items.length / length },
    (_, i) => items.slice(i * length, (i + 1) * length));
  return parts(value.whole, size).flatMap((matrix, i) => {
    const index = outerIndex(i, value.shape.slice(0, -2));
    const body = parts(matrix, columns).map((row) => element("tr", {}, ...row.map(cell)));
    const table = element("table", {}, element("tbody", {}, ...body));
    const title = element("p", { class: "note" }, index);
    return [...(index ? [title] : []), scrollable(`${label} ${index}`, table)];
  });
}

// Where the matrix number `flat` stands in the axes before: [0, 2].
function outerIndex(flat, shape) {
  const index = [];
  for (const side of [...shape].reverse()) {
    index.unshift(flat % side);
    flat = Math.floor(flat / side);
  }
  return index.length ? `[${index.join(", ")}]` : "";
}

// The picture has one pixel for each block of elements of which Python took the mean.
function thumbnail(value, label) {
  const cells = value.thumbnail, most = largest(value) || 1;
  const canvas = element("canvas", { width: cells[0].length, height: cells.length, role: "img",
    "aria-label": `${label} as a picture: ${statistics(value, false)}` });
  canvas.style.width = `${Math.min(176, cells[0].length * 22)}px`;
  canvas.style.height = `${Math.min(176, cells.length * 22)}px`;
  const context = canvas.getContext("2d");
  cells.forEach((row, y) => row.forEach((mean, x) => {
    context.fillStyle = colour(mean / most, 1);
    context.fillRect(x, y, 1, 1);
  }));
  const isPart = value.shape.slice(0, -2).some((side) => side > 1);
  const isMean = cells.length * cells[0].length < elements({ shape: value.shape.slice(-2) });
  const about = [isPart && "the first example", isMean && "means of blocks"].filter(Boolean);
  return element("div", {}, canvas, element("div", { class: "ramp" }),
    ends(number(-most), "0", number(most)), element("p", { class: "note" }, about.join(", ")));
}

const ends = (...texts) =>
  element("div", { class: "ends" }, ...texts.map((text) => element("span", {}, text)));

function histogram(value) {
  const counts = value.histogram, most = Math.max(...counts, 1), width = counts.length * 10;
  const bars = counts.map((count, i) => element("svg:rect",
    { x: i * 10 + 1, width: 9, y: 40 - (count / most) * 40, height: (count / most) * 40 }));
  const range = [number(value.least), number(value.most)];
  const label = `histogram from ${range.join(" to ")}: ${counts.join(", ")}`;
  return element("div", { class: "histogram" },
    element("svg:svg", { viewBox: `0 0 ${width} 41`, role: "img", "aria-label": label },
      ...bars, element("svg:path", { d: `M0,40.5H${width}` })), ends(...range));
}
