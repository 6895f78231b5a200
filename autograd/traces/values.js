// How numbers and arrays are shown. A number that is not finite comes as text: "nan", "inf".

function element(tag, attributes = {}, ...children) {
  const made = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function number(x, digits = 4) {
  if (typeof x === "string") return x === "nan" ? "NaN" : x.replace("-", "−");
  if (typeof x === "boolean") return String(x);
  const size = Math.abs(x), short = +x.toPrecision(digits);
  const text = size && (size < 1e-3 || size >= 1e5) ? short.toExponential() : String(short);
  return text.replace(/-/g, "−").replace("e+", "e");
}

// As Python writes it: (32, 10), (3,).
const tuple = (shape) => `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;

const shapeText = (shape) => (shape.length ? tuple(shape) : "one number");

const sizeOf = (value) => value.shape.reduce((product, side) => product * side, 1);

// The norm; NaN if the value has an element that is not finite.
const norm = (value) =>
  value.nans || value.infinities ? NaN : Math.max(0, +value.rms) * Math.sqrt(sizeOf(value));

// In a box of the graph: the elements if they fit, else their size.
function brief(value) {
  if (value.nans || value.infinities) return value.nans ? "has NaN" : "has inf";
  const whole = value.whole && value.whole.map((x) => number(x)).join(", ");
  if (whole !== undefined && whole.length <= 14) return value.shape.length ? `[${whole}]` : whole;
  return `rms ${number(value.rms, 2)}`;
}

// Blue below zero, white at zero, orange above; `t` is from -1 to 1.
const BELOW = [0, 90, 181], ABOVE = [214, 94, 0];

function colour(t, strength = 1) {
  if (!Number.isFinite(t)) return "rgb(70, 70, 70)";
  const end = t < 0 ? BELOW : ABOVE, share = Math.min(1, Math.abs(t)) * strength;
  return `rgb(${end.map((c) => Math.round(255 + (c - 255) * share)).join(", ")})`;
}

const largest = (value) => Math.max(Math.abs(value.least) || 0, Math.abs(value.most) || 0);

function valueView(value, label) {
  if (!value) return element("p", { class: "none" }, "its value was not kept");
  const size = sizeOf(value);
  if (value.whole && size === 1) return element("p", { class: "scalar" }, number(value.whole[0]));
  const view = element("div", { class: "value" });
  const isConstant = value.least === value.most && !value.nans && !value.infinities;
  if (isConstant && !(value.whole?.length <= 8)) {
    view.append(element("p", { class: "scalar" }, `${number(value.least)} everywhere`));
  } else if (value.whole) view.append(...tables(value, label));
  else view.append(element("div", {}, picture(value, label), scale(value)), histogram(value));
  view.append(element("p", { class: "statistics" }, statistics(value)));
  return view;
}

function statistics(value) {
  const parts = [`${shapeText(value.shape)}, ${value.dtype}`];
  const isShort = value.whole && value.whole.length <= 8, isFinite = typeof value.mean === "number";
  if (isFinite && !isShort && value.least !== value.most) {
    parts.push(`from ${number(value.least)} to ${number(value.most)}`);
    parts.push(`mean ${number(value.mean)}`, `rms ${number(value.rms)}`);
  }
  const counts = [[value.zeros, "exactly zero"], [value.nans, "NaN"], [value.infinities, "infinite"]];
  for (const [count, what] of counts) {
    if (count) parts.push(`${count.toLocaleString("en")} of ${sizeOf(value).toLocaleString("en")} ${what}`);
  }
  return parts.join(" · ");
}

// A table for each of the last two axes; a vector is one row.
function tables(value, label) {
  const columns = value.shape.at(-1), rows = value.shape.at(-2) ?? 1, most = largest(value) || 1;
  const found = [];
  for (let start = 0; start < value.whole.length; start += rows * columns) {
    const index = outerIndex(start / (rows * columns), value.shape.slice(0, -2));
    const body = [];
    for (let row = 0; row < rows; row++) {
      const first = start + row * columns;
      body.push(element("tr", {}, ...value.whole.slice(first, first + columns).map((x) =>
        element("td", { style: `background: ${cellColour(x, most)}`, title: String(x) }, number(x)))));
    }
    const name = index.length ? `${label}, at [${index.join(", ")}]` : label;
    if (index.length) found.push(element("p", { class: "index" }, `[${index.join(", ")}]`));
    found.push(element("div", { class: "table", tabindex: 0, role: "region", "aria-label": name },
      element("table", {}, element("tbody", {}, ...body))));
  }
  return found;
}

const cellColour = (x, most) => (typeof x === "string" ? "#f3d9e8" : colour(x / most, 0.5));

function outerIndex(flat, shape) {
  const index = [];
  for (const side of [...shape].reverse()) {
    index.unshift(flat % side);
    flat = Math.floor(flat / side);
  }
  return index;
}

function picture(value, label) {
  const cells = value.thumbnail, most = largest(value) || 1;
  const text = `${label} as a picture: ${statistics(value)}`;
  const canvas = element("canvas", { width: cells[0].length, height: cells.length, role: "img",
    "aria-label": text });
  const tall = Math.min(176, cells.length * 22), wide = Math.min(176, cells[0].length * 22);
  canvas.style.height = `${tall}px`;
  canvas.style.width = `${wide}px`;
  const context = canvas.getContext("2d");
  cells.forEach((row, y) => row.forEach((x, column) => {
    context.fillStyle = colour(typeof x === "string" ? NaN : x / most);
    context.fillRect(column, y, 1, 1);
  }));
  return canvas;
}

function scale(value) {
  const most = number(largest(value)), middle = element("span", {}, "0");
  return element("div", { class: "scale", "aria-hidden": "true" }, element("div", { class: "ramp" }),
    element("div", { class: "ends" }, element("span", {}, `−${most}`), middle, element("span", {}, most)));
}

function histogram(value) {
  const counts = value.histogram, most = Math.max(...counts, 1);
  const bars = counts.map((count, i) => element("svg:rect",
    { x: i * 10 + 1, width: 9, y: 40 - (count / most) * 40, height: (count / most) * 40 }));
  const label = `histogram from ${number(value.least)} to ${number(value.most)}: ${counts.join(", ")}`;
  return element("div", { class: "histogram" },
    element("svg:svg", { viewBox: `0 0 ${counts.length * 10} 41`, role: "img", "aria-label": label },
      ...bars, element("svg:path", { d: `M0,40.5H${counts.length * 10}` })),
    element("div", { class: "ends" }, element("span", {}, number(value.least)),
      element("span", {}, number(value.most))));
}
