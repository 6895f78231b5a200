// The page of a VAE: z, and the ends A and B of a line, can be moved over the plane.

const points = { z: [0.5, 0.5] };
const RADIUS = Math.sqrt(-2 * Math.log(0.05)); // 95% of N(0, I) in the plane is within

const runs = data.runs;
const which = choice("run", runs.length, (i) => `β = ${runs[i].beta} (${runs[i].name})`, drawAll);
const when = choice("time", runs[0].times.length, sayTime, drawAll);
const codes = new Plane(byId("codes"), 3);
const plane = new Plane(byId("plane"), 3);

// A and B are the codes of two test images, wherever these are, until they are moved.
const anchors = { A: 0, B: mostOpposite(0) };

const handle = () => document.querySelector("input[name=handle]:checked").value;
const current = () => runs[which()].times[Math.min(when(), runs[which()].times.length - 1)];

function codeOf(values, i) {
  return [values[2 * i], values[2 * i + 1]];
}

// The image whose code has the greatest angle to that of image i, in the first run.
function mostOpposite(i) {
  const values = runs[0].times.at(-1).codes;
  const angle = ([x, y]) => Math.atan2(y, x);
  const turn = (j) => Math.cos(angle(codeOf(values, i)) - angle(codeOf(values, j)));
  return range(values.length / 2).reduce((best, j) => (turn(j) < turn(best) ? j : best), i);
}

function decoded(zs) {
  return compute(current().decode, Float32Array.from(zs)).map((v) => clamp(v, 0, 1));
}

// The plane shows all that the prior makes likely, and nearly all codes.
function reachOf(time) {
  const sizes = [...time.codes].map(Math.abs).sort((a, b) => a - b);
  return Math.max(1.1 * sizes[Math.floor(0.995 * (sizes.length - 1))], 1.15 * RADIUS);
}

function sayTime() {
  const { steps, epoch } = runs[which()];
  return `${stepOf(current().step, steps)}, epoch ${show(current().step / epoch)}`;
}

function drawAll() {
  const time = current();
  const { shape } = runs[which()];
  which.say();
  when.say();
  for (const [name, i] of Object.entries(anchors)) points[name] = codeOf(time.codes, i);
  codes.reach = plane.reach = reachOf(time);
  paintMosaic(byId("plane"), decoded(plane.grid(data.grid)), shape, data.grid);
  drawNumbers();
  drawPoints();
}

function drawCodes() {
  const { labels, classes } = runs[which()];
  const values = current().codes;
  codes.clear();
  codes.axes();
  for (let i = 0; i < values.length / 2; i++) {
    const [x, y] = codeOf(values, i);
    if (labels && classes[labels[i]].length === 1)
      codes.text(x, y, classes[labels[i]], COLORS[labels[i] % COLORS.length]);
    else codes.dot(x, y, labels ? COLORS[labels[i] % COLORS.length] : GREY, 3);
  }
  codes.circle(RADIUS, INK, { dash: [7, 5] });
  codes.line(way("line"), INK, { width: 2.5 });
  codes.line(way("arc"), INK, { width: 2.5, dash: [2, 4] });
  for (const [name, [x, y]] of Object.entries(points)) {
    codes.dot(x, y, name === "z" ? "#ffd21f" : "#fff", 12, INK);
    codes.text(x, y, name, INK, { size: 15, weight: 700 });
  }
}

// The ways of models/outputs/interpolation.py from A to B.
function way(kind) {
  const [[ax, ay], [bx, by]] = [points.A, points.B];
  const [lengthA, lengthB] = [Math.hypot(ax, ay), Math.hypot(bx, by)];
  const omega = Math.acos(clamp((ax * bx + ay * by) / (lengthA * lengthB), -1, 1));
  const straight = kind === "line" || !(Math.sin(omega) > 1e-6);
  return range(data.strip).map((i) => {
    const t = i / (data.strip - 1);
    if (straight) return [(1 - t) * ax + t * bx, (1 - t) * ay + t * by];
    const [a, b] = [Math.sin((1 - t) * omega), Math.sin(t * omega)].map((s) => s / Math.sin(omega));
    const length = (1 - t) * lengthA + t * lengthB;
    return [(a * ax) / lengthA + (b * bx) / lengthB, (a * ay) / lengthA + (b * by) / lengthB]
      .map((v) => v * length);
  });
}

function drawPoints() {
  const { shape, images, labels, classes } = runs[which()];
  drawCodes();
  paint(byId("image"), decoded(points.z), shape);
  for (const [id, kind] of [["linear", "line"], ["spherical", "arc"]])
    paintMosaic(byId(id), decoded(way(kind).flat()), shape, data.strip);
  const middle = (data.strip - 1) / 2;
  for (const kind of ["line", "arc"])
    byId(`half-${kind}`).textContent = show(Math.hypot(...way(kind)[middle]));
  byId("z").textContent = `(${points.z.map(show).join(", ")})`;
  byId("norm").textContent = show(Math.hypot(...points.z));
  const nearest = nearestCode(points.z);
  const pixels = shape[0] * shape[1];
  paint(byId("neighbour"), Float32Array.from(images.slice(nearest.place * pixels), (v) => v / 255), shape);
  byId("nearest").textContent =
    (labels ? `class ${classes[labels[nearest.place]]}, ` : "") + `${show(nearest.distance)} away`;
}

function nearestCode([x, y]) {
  const values = current().codes;
  let [place, distance] = [0, Infinity];
  for (let i = 0; i < values.length / 2; i++) {
    const [a, b] = codeOf(values, i);
    const d = Math.hypot(a - x, b - y);
    if (d < distance) [place, distance] = [i, d];
  }
  return { place, distance };
}

function drawNumbers() {
  const rows = runs.map((run, i) => {
    const time = run.times[Math.min(when(), run.times.length - 1)];
    const numbers = [time.reconstruction, time.kl, time.negative_elbo].map((v) => `<td>${v.toFixed(2)}</td>`);
    const name = Object.assign(document.createElement("td"), { textContent: run.name }).outerHTML;
    return `<tr${i === which() ? ' class="current"' : ""}>${name}<td>${run.beta}</td>${numbers.join("")}</tr>`;
  });
  byId("numbers").innerHTML =
    `<tr><th>run</th><th>β</th><th>reconstruction</th><th>KL</th><th>−ELBO</th></tr>${rows.join("")}`;
}

// The point that a press takes: the nearest, if it is near; else the chosen one comes there.
function grab([x, y]) {
  const near = Object.entries(points)
    .map(([name, [a, b]]) => [Math.hypot(a - x, b - y) / codes.reach, name])
    .sort(([a], [b]) => a - b)[0];
  if (near[0] < 0.07) document.querySelector(`input[name=handle][value=${near[1]}]`).checked = true;
}

function move(point) {
  points[handle()] = point;
  delete anchors[handle()];
  drawPoints();
}

codes.movable(() => points[handle()], move, grab);
plane.movable(() => points[handle()], move);
which.set(0);
whenResized(drawCodes);
