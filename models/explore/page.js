// What the pages of all families share: the data, sliders, and planes that are plotted on a canvas.

"use strict";

const byId = (id) => document.getElementById(id);

const decode = ([type, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  return new { Float32Array, Int32Array, Uint8Array }[type](bytes.buffer);
};
const arrays = JSON.parse(byId("arrays").textContent).map(decode);
const data = JSON.parse(byId("data").textContent, (_, value) =>
  value?.array === undefined ? value : arrays[value.array]);

// Those of models/pictures/figure.py, dark enough on white for a projector.
const COLORS = [
  "#1f5fa8", "#c04a00", "#1a7a2e", "#c11f26", "#6a3fa0",
  "#7a4a35", "#b5318a", "#555555", "#756a00", "#00707c",
];
const GREY = "#8a929b";
const INK = "#1b2530";

// A number with three digits, and a minus sign as long as a plus.
const show = (x) => (Number.isFinite(x) ? Number(x.toPrecision(3)).toLocaleString("en") : String(x)).replace("-", "−");
const range = (n) => Array.from({ length: n }, (_, i) => i);
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

// Numbers of U[0, 1) from a seed: a linear congruential generator (Press et al. 2007, section 7.1).
function uniform(seed) {
  let state = BigInt(seed);
  return () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number(state >> 11n) / 2 ** 53;
  };
}

// Samples of N(0, 1) from those of U[0, 1), by Box and Muller.
const normals = (n, random) => Float32Array.from({ length: n }, () =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));

// An <input type=range> of `count` places, the last one chosen; `label` says which is chosen. Of one
// there is no choice, so it is hidden. What is returned gives the place, and says it with `say`.
function choice(id, count, label, onchange) {
  const input = byId(id);
  const chosen = () => Number(input.value);
  chosen.say = () => {
    const text = label(chosen());
    document.querySelector(`output[for="${id}"]`).textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  chosen.set = (place) => ((input.value = place), chosen.say(), onchange());
  chosen.resize = (count) => {
    Object.assign(input, { min: 0, max: count - 1, step: 1, value: count - 1 });
    input.closest(".control").hidden = count < 2;
  };
  chosen.resize(count);
  input.addEventListener("input", () => (chosen.say(), onchange()));
  return chosen;
}

// A step of the training, as a slider says it.
const stepOf = (step, steps) => `step ${step.toLocaleString("en")} of ${steps.toLocaleString("en")}`;

// A canvas in the coordinates of a plane, from -reach to reach in both directions, y upwards.
class Plane {
  constructor(canvas, reach) {
    Object.assign(this, { canvas, reach, context: canvas.getContext("2d") });
  }

  // Begin again on an empty canvas, in pixels of the screen.
  clear() {
    const scale = window.devicePixelRatio || 1;
    this.side = this.canvas.clientWidth;
    this.canvas.width = this.canvas.height = Math.round(this.side * scale);
    this.context.setTransform(scale, 0, 0, scale, 0, 0);
    this.context.clearRect(0, 0, this.side, this.side);
  }

  at(x, y) {
    return [(x / this.reach + 1) * 0.5 * this.side, (1 - y / this.reach) * 0.5 * this.side];
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const across = (event.clientX - box.left) / box.width;
    const down = (event.clientY - box.top) / box.height;
    return [(2 * across - 1) * this.reach, (1 - 2 * down) * this.reach];
  }

  line(points, color, { width = 2, dash = [] } = {}) {
    const c = this.context;
    c.beginPath();
    points.forEach(([x, y]) => c.lineTo(...this.at(x, y)));
    Object.assign(c, { strokeStyle: color, lineWidth: width });
    c.setLineDash(dash);
    c.stroke();
    c.setLineDash([]);
  }

  circle(radius, color, options, [x, y] = [0, 0]) {
    const turn = range(97).map((i) => (2 * Math.PI * i) / 96);
    this.line(turn.map((a) => [x + radius * Math.cos(a), y + radius * Math.sin(a)]), color, options);
  }

  cross([x, y]) {
    const arm = 0.045 * this.reach;
    this.line([[x - arm, y], [x + arm, y]], INK, { width: 3 });
    this.line([[x, y - arm], [x, y + arm]], INK, { width: 3 });
  }

  dot(x, y, color, radius, edge) {
    const c = this.context;
    c.beginPath();
    c.arc(...this.at(x, y), radius, 0, 2 * Math.PI);
    c.fillStyle = color;
    c.fill();
    if (edge) Object.assign(c, { strokeStyle: edge, lineWidth: 2 }), c.stroke();
  }

  text(x, y, text, color, { size = 13, weight = 600, align = "center" } = {}) {
    const c = this.context;
    Object.assign(c, { fillStyle: color, textAlign: align, textBaseline: "middle" });
    c.font = `${weight} ${size}px system-ui, "DejaVu Sans", sans-serif`;
    c.fillText(text, ...this.at(x, y));
  }

  // From one point to another, with a head of a size in proportion.
  arrow([x, y], [dx, dy], color, width = 1.5) {
    const [a, b] = this.at(x, y);
    const [c, d] = this.at(x + dx, y + dy);
    const length = Math.hypot(c - a, d - b);
    if (length < 1) return;
    const [u, v] = [(c - a) / length, (d - b) / length];
    const head = Math.min(7, 0.5 * length);
    const g = this.context;
    Object.assign(g, { strokeStyle: color, fillStyle: color, lineWidth: width });
    g.beginPath();
    g.moveTo(a, b);
    g.lineTo(c - head * u, d - head * v);
    g.stroke();
    g.beginPath();
    g.moveTo(c, d);
    g.lineTo(c - head * u - 0.5 * head * v, d - head * v + 0.5 * head * u);
    g.lineTo(c - head * u + 0.5 * head * v, d - head * v - 0.5 * head * u);
    g.fill();
  }

  // A square of n x n values as colours, from the upper left corner.
  surface(values, n, color) {
    const square = document.createElement("canvas");
    paint(square, values, [n, n], color);
    this.context.drawImage(square, 0, 0, this.side, this.side);
  }

  // The middles of n x n squares, in the order of `surface`.
  grid(n) {
    const across = range(n).map((i) => ((2 * i + 1) / n - 1) * this.reach);
    return Float32Array.from(across.flatMap((_, i) => across.flatMap((x) => [x, -across[i]])));
  }

  // Axes through the frame, with a few round numbers.
  axes() {
    const step = [0.5, 1, 2, 5, 10, 20, 50, 100, 1000].find((s) => this.reach / s <= 4) ?? this.reach;
    for (let tick = -Math.floor(this.reach / step) * step; tick <= this.reach; tick += step) {
      this.line([[tick, -this.reach], [tick, this.reach]], "#e6eaee", { width: 1 });
      this.line([[-this.reach, tick], [this.reach, tick]], "#e6eaee", { width: 1 });
      if (Math.abs(tick) < 0.93 * this.reach) {
        this.text(tick, -0.96 * this.reach, show(tick), "#55606c", { size: 12, weight: 400 });
        if (tick) this.text(-0.95 * this.reach, tick, show(tick), "#55606c", { size: 12, weight: 400 });
      }
    }
  }

  // Call `move` with a point: where the pointer presses or is dragged, or with the arrow keys a
  // step from `now()`. `grab` is told where it was pressed.
  movable(now, move, grab = () => {}) {
    this.canvas.classList.add("movable");
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      grab(this.point(event));
      move(this.point(event));
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (this.canvas.hasPointerCapture(event.pointerId))
        move(this.point(event).map((v) => clamp(v, -this.reach, this.reach)));
    });
    this.canvas.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!way) return;
      event.preventDefault();
      const step = this.reach / (event.shiftKey ? 10 : 50);
      move(now().map((v, i) => clamp(v + step * way[i], -this.reach, this.reach)));
    });
  }
}

// Ink of 0 to 1 as black on white, a pixel of the canvas for each.
function paint(canvas, pixels, [height, width], color = (v) => [255 - 255 * v, 255 - 255 * v, 255 - 255 * v]) {
  Object.assign(canvas, { width, height });
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) image.data.set([...color(pixels[i]), 255], 4 * i);
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// Images of `shape` side by side, `columns` in each row, with a pixel of paper between them.
function paintMosaic(canvas, images, [height, width], columns) {
  const rows = images.length / (height * width * columns);
  const size = [rows * (height + 1) - 1, columns * (width + 1) - 1];
  const pixels = new Float32Array(size[0] * size[1]);
  images.forEach((value, i) => {
    const [n, pixel] = [Math.floor(i / (height * width)), i % (height * width)];
    const y = Math.floor(n / columns) * (height + 1) + Math.floor(pixel / width);
    pixels[y * size[1] + (n % columns) * (width + 1) + (pixel % width)] = value;
  });
  paint(canvas, pixels, size);
}

// Points of the plane as one array, x and y in turn.
function eachPoint(points, f) {
  for (let i = 0; i < points.length / 2; i++) f(points[2 * i], points[2 * i + 1], i);
}

// A button that calls `step` again and again until that returns false, or it is pressed again.
function player(id, step, milliseconds) {
  const button = byId(id);
  let timer = null;
  const stop = () => (clearInterval(timer), (timer = null), (button.textContent = "Play"));
  button.textContent = "Play";
  button.addEventListener("click", () => {
    if (timer) return stop();
    button.textContent = "Pause";
    timer = setInterval(() => step() === false && stop(), milliseconds);
  });
  return stop;
}

// From blue over white to orange, for -1 to 1: told apart by everyone.
function diverging(v) {
  const t = clamp(v, -1, 1);
  const end = t < 0 ? [192, 74, 0] : [31, 95, 168];
  return end.map((c) => 255 + (c - 255) * Math.abs(t) * 0.85);
}

// Draw again when the window has another width.
const whenResized = (f) => new ResizeObserver(f).observe(document.querySelector("main"));
