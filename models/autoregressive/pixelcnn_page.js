// The page of a PixelCNN: a panel for each run, which may go on with the image in its own way.

const [height, width] = data.shape;
const PIXELS = height * width;
const STRONGEST = 4; // powers of ten from the palest to the darkest gradient
const COMPLETIONS = 8;
let chosen = Math.floor(height / 2) * width + Math.floor(width / 2) - 1;
let pointed = null; // the pixel under the pointer, while it is there
let seed = 0;
let sampling = null;

const pixel = () => pointed ?? chosen;
const given = choice("given", data.images.length / PIXELS + 1, sayImage, reset);
const when = choice("time", data.runs[0].times.length, () => stepOf(timeOf(data.runs[0]).step, data.runs[0].steps), changed);
const timeOf = (run) => run.times[Math.min(when(), run.times.length - 1)];

const panels = data.runs.map((run) => {
  const panel = byId("panel").content.cloneNode(true).querySelector("section");
  byId("runs").append(panel);
  panel.querySelector("h2").textContent = `${run.name}: ${run.settings}`;
  const find = (selector) => panel.querySelector(selector);
  for (const canvas of panel.querySelectorAll("canvas.square")) listen(canvas);
  return { run, find, image: new Float32Array(PIXELS) };
});

function sayImage(i) {
  if (i === data.images.length / PIXELS) return "empty";
  return `test image ${i + 1}${data.classes[i] === undefined ? "" : `, a ${data.classes[i]}`}`;
}

function listen(canvas) {
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const column = Math.floor((width * (event.clientX - box.left)) / box.width);
    const row = Math.floor((height * (event.clientY - box.top)) / box.height);
    return clamp(row, 0, height - 1) * width + clamp(column, 0, width - 1);
  };
  canvas.classList.add("pointed");
  canvas.addEventListener("pointermove", (event) => point(at(event)));
  canvas.addEventListener("pointerleave", () => point(null));
  canvas.addEventListener("pointerdown", (event) => ((chosen = at(event)), drawAll()));
  canvas.addEventListener("keydown", (event) => {
    const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [];
    if (down === undefined) return;
    event.preventDefault();
    const row = clamp(Math.floor(chosen / width) + down, 0, height - 1);
    chosen = row * width + clamp((chosen % width) + right, 0, width - 1);
    pointed = null;
    drawAll();
  });
}

function point(at) {
  if (at === pointed || sampling) return;
  pointed = at;
  drawAll();
}

// The probabilities of the levels of pixel i.
function distributionOf(panel, i) {
  const all = (panel.distributions ??= compute(timeOf(panel.run).distribution, panel.image));
  if (data.levels === 2) return [1 - all[i], all[i]];
  return [...all.subarray(i * data.levels, (i + 1) * data.levels)];
}

// |d logit of pixel i / d pixel|, for every pixel; of a softmax, the sum of its logits.
function seenBy({ run, image }, i) {
  const outputs = data.levels === 2 ? 1 : data.levels;
  const weights = Float32Array.from({ length: outputs * PIXELS }, (_, j) => (j % PIXELS === i ? 1 : 0));
  return compute(timeOf(run).slope, image, weights).map(Math.abs);
}

// Draw after a change of the image or the weights, which changes the distributions.
function changed() {
  for (const panel of panels) panel.distributions = null;
  drawAll();
}

function drawAll() {
  given.say();
  when.say();
  byId("sample").textContent = sampling ? "Stop" : "Sample the rest from here";
  panels.forEach(drawPanel);
}

function drawPanel(panel) {
  const { find, image } = panel;
  const i = pixel();
  cells(find(".image-of"), (j) => {
    const ink = 255 * (1 - image[j]);
    return { fill: j < i ? grey(ink) : grey(170 + ink / 3), mark: j === i };
  });
  const seen = sampling ? null : seenBy(panel, i);
  if (seen) {
    const largest = Math.max(...seen);
    cells(find(".seen"), (j) => ({
      fill: j >= i ? grey(225) : shade(seen[j] / largest),
      mark: j === i,
      cross: j < i && seen[j] === 0,
    }));
  }
  const p = distributionOf(panel, i);
  const blind = seen ? seen.subarray(0, i).filter((v) => v === 0).length : 0;
  const after = seen ? seen.subarray(i).filter((v) => v !== 0).length : 0;
  find(".numbers").textContent =
    `Row ${Math.floor(i / width) + 1}, column ${(i % width) + 1}: ` +
    (seen ? `depends on ${i - blind + after} of the ${i} pixels before it, blind to ${blind}. ` : "") +
    (data.levels === 2 ? `p(ink) = ${p[1].toFixed(3)}.` : "");
  drawLevels(find(".levels"), p);
}

const grey = (v) => `rgb(${v}, ${v}, ${v})`;

// From white at 10^-STRONGEST of the largest, or less, to dark blue.
function shade(share) {
  const t = clamp(1 + Math.log10(share) / STRONGEST, 0.06, 1);
  return share > 0 ? `rgb(${[8, 48, 107].map((c) => 255 + (c - 255) * t).join(", ")})` : "#fff";
}

// A square for each pixel, of which one may be marked, and some may have a cross.
function cells(canvas, look) {
  const scale = window.devicePixelRatio || 1;
  const side = canvas.clientWidth / Math.max(height, width);
  canvas.width = canvas.height = Math.round(canvas.clientWidth * scale);
  const c = canvas.getContext("2d");
  c.setTransform(scale, 0, 0, scale, 0, 0);
  const looks = range(PIXELS).map(look);
  looks.forEach(({ fill, cross }, i) => {
    const [x, y] = [(i % width) * side, Math.floor(i / width) * side];
    c.fillStyle = fill;
    c.fillRect(x, y, side, side);
    Object.assign(c, { strokeStyle: "#b9c1c9", lineWidth: 1 });
    c.strokeRect(x, y, side, side);
    if (!cross) return;
    Object.assign(c, { strokeStyle: "#c04a00", lineWidth: 3 });
    c.beginPath();
    for (const [a, b] of [[0.3, 0.7], [0.7, 0.3]]) {
      c.moveTo(x + 0.3 * side, y + a * side);
      c.lineTo(x + 0.7 * side, y + b * side);
    }
    c.stroke();
  });
  const marked = looks.findIndex(({ mark }) => mark);
  Object.assign(c, { strokeStyle: "#d1001c", lineWidth: 4 });
  c.strokeRect((marked % width) * side + 2, Math.floor(marked / width) * side + 2, side - 4, side - 4);
}

function drawLevels(canvas, p) {
  const scale = window.devicePixelRatio || 1;
  const [w, h] = [canvas.clientWidth, canvas.clientHeight];
  Object.assign(canvas, { width: Math.round(w * scale), height: Math.round(h * scale) });
  const c = canvas.getContext("2d");
  c.setTransform(scale, 0, 0, scale, 0, 0);
  Object.assign(c, { font: '600 13px system-ui, "DejaVu Sans", sans-serif', textAlign: "center" });
  const [wide, tall] = [w / p.length, h - 18];
  p.forEach((value, level) => {
    c.fillStyle = "#e6eaee";
    c.fillRect(level * wide + 2, 0, wide - 4, tall);
    c.fillStyle = COLORS[0];
    c.fillRect(level * wide + 2, tall * (1 - value), wide - 4, tall * value);
    c.fillStyle = INK;
    const name = p.length === 2 ? ["paper", "ink"][level] : level;
    c.fillText(p.length === 2 ? `${name} ${value.toFixed(3)}` : name, (level + 0.5) * wide, h - 4);
  });
}

// Sample pixel by pixel, one in each frame of the screen; the same u for each run.
function sample() {
  if (sampling) return stop();
  const [start, random] = [chosen, uniform(++seed)];
  pointed = null;
  sampling = requestAnimationFrame(function next() {
    const u = random();
    for (const panel of panels) panel.image[chosen] = choose(distributionOf(panel, chosen), u);
    if (chosen === PIXELS - 1) {
      panels.forEach(keep);
      chosen = start;
      return stop();
    }
    chosen++;
    changed();
    sampling = requestAnimationFrame(next);
  });
  drawAll();
}

function stop() {
  cancelAnimationFrame(sampling);
  sampling = null;
  changed();
}

// A level by inversion of u, as a pixel in [0, 1].
function choose(p, u) {
  let level = 0;
  for (let sum = p[0]; u >= sum && level < p.length - 1; sum += p[level]) level++;
  return level / (data.levels - 1);
}

function keep({ find, image }) {
  const canvas = document.createElement("canvas");
  canvas.className = "image";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "a completion");
  paint(canvas, image, data.shape);
  find(".completions").prepend(canvas);
  if (find(".completions").children.length > COMPLETIONS) find(".completions").lastChild.remove();
}

function reset() {
  if (sampling) stop();
  const image = data.images.subarray(given() * PIXELS, (given() + 1) * PIXELS);
  for (const panel of panels) {
    panel.image = image.length ? Float32Array.from(image) : new Float32Array(PIXELS);
    panel.find(".completions").replaceChildren();
  }
  changed();
}

function flip() {
  for (const panel of panels) panel.image[chosen] = 1 - panel.image[chosen];
  changed();
}

byId("sample").addEventListener("click", sample);
byId("flip").addEventListener("click", flip);
byId("reset").addEventListener("click", reset);
given.set(0);
whenResized(drawAll);
