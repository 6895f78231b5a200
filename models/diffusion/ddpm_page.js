// The page of a DDPM. A chain has the points or images at each time of a sampler, as far as seen.

const GUIDANCE = [0, 0.5, 1, 2, 4, 8];
const TRAILS = [0, 1, 2, 4, 5]; // of COLORS, since COLORS[3] is the red of the cross's paths
const COLUMNS = 4; // of images
const LONGEST = 0.4; // arrow of the field
const KINDS = ["noised", "ancestral", "ddim"];
let probe = [0.4, 0.3];
let seed = 1;
let chains = {};

const runOf = () => data.runs[which()];
const timeOf = () => runOf().times[when()];
const sampler = () => runOf().samplers[steps()];
const ofPoints = () => runOf().shape.length === 1;
const label = () => (klass() + runOf().classes.length) % (runOf().classes.length + 1); // the last: none

const which = choice("run", data.runs.length, (i) => data.runs[i].name, anotherRun);
const when = choice("time", 1, () => stepOf(timeOf().step, runOf().steps), restart);
const steps = choice("steps", 1, () => `${sampler().times.length - 1}`, restart);
const klass = choice("class", 1, (i) => runOf().classes[i - 1] ?? "none, so without guidance", restart);
const guidance = choice("guidance", 1, (i) => `w = ${GUIDANCE[i]}`, restart);
const place = choice("t", 1, (i) => `t = ${sampler().times[i]} of ${runOf().T}`, draw);

const planes = Object.fromEntries(KINDS.map((kind) => [kind, new Plane(byId(kind), 2.7)]));
for (const plane of Object.values(planes))
  plane.movable(() => probe, (point) => ((probe = point), draw()));

// The x_0 that the network predicts for x at time t; of images, within [-1, 1].
function denoise(program, x, t) {
  const { classes, levels, x_0 } = runOf();
  const w = label() < classes.length ? GUIDANCE[guidance()] : 0;
  const output = compute(program, x, Int32Array.of(t), Int32Array.of(label()));
  if (w) {
    const without = compute(program, x, Int32Array.of(t), Int32Array.of(classes.length));
    output.forEach((v, i) => (output[i] = (1 + w) * v - w * without[i]));
  }
  const found = output.map((v, i) => x_0.on_output[t] * v + x_0.on_x_t[t] * x[i]);
  return levels ? found.map((v) => clamp(v, -1, 1)) : found;
}

// One step of a sampler, from its place k to k + 1.
function step(program, x, k, kind, noise) {
  const { on_x_0, on_x_t, sigma } = sampler()[kind];
  const x_0 = denoise(program, x, sampler().times[k]);
  return x.map((v, i) => on_x_0[k] * x_0[i] + on_x_t[k] * v + sigma[k] * noise[i]);
}

// Go on with a chain, whose first points are at the place `from`, until it has `length` of them.
function extend({ from, points, random }, program, kind, length) {
  while (points.length < length) {
    const x = points.at(-1);
    points.push(step(program, x, from + points.length - 1, kind, normals(x.length, random)));
  }
}

function anotherRun() {
  const { classes, samplers, times } = runOf();
  when.resize(times.length);
  steps.resize(samplers.length);
  klass.resize(classes.length + 1);
  guidance.resize(classes.length ? GUIDANCE.length : 1);
  for (const id of ["steps", "class", "guidance"]) byId(id).value = 0;
  byId("points").hidden = byId("shown").hidden = !ofPoints();
  byId("images").hidden = ofPoints();
  for (const kind of KINDS) byId(kind).classList.toggle("image", !ofPoints());
  restart();
  place.set(Math.round(0.6 * (sampler().times.length - 1)));
}

// Begin both chains again, with the same noise.
function restart() {
  for (const one of [which, when, steps, klass, guidance]) one.say();
  const noise = normals(runOf().data.length, uniform(seed));
  const random = uniform(seed + 1000);
  chains = {
    noise,
    fields: [],
    ancestral: { from: 0, points: [noise], random },
    ddim: { from: 0, points: [noise], random },
  };
  place.resize(sampler().times.length);
  place.set(0);
}

function draw() {
  place.say();
  const { alpha_bar, noise, data: x_0 } = runOf();
  const k = place();
  const t = sampler().times[k];
  const [signal, deviation] = [Math.sqrt(alpha_bar[t]), Math.sqrt(noise[t])];
  const now = { noised: x_0.map((v, i) => signal * v + deviation * chains.noise[i]) };
  for (const kind of ["ancestral", "ddim"]) {
    extend(chains[kind], timeOf().samples, kind, k + 1);
    now[kind] = chains[kind].points[k];
  }
  if (!ofPoints()) return drawImages(now, Math.max(t, 1));
  for (const kind of KINDS) drawPlane(kind, now[kind], k, t, signal);
  sayProbe(Math.max(t, 1));
}

function drawImages(now, t) {
  const ink = (x) => x.map((v) => clamp(0.5 + 0.5 * v, 0, 1));
  for (const kind of KINDS) {
    paintMosaic(byId(kind), ink(now[kind]), runOf().shape, COLUMNS);
    const predicted = denoise(timeOf().samples, now[kind], t);
    paintMosaic(byId(`${kind}-x_0`), ink(predicted), runOf().shape, COLUMNS);
  }
}

function drawPlane(kind, now, k, t, signal) {
  const plane = planes[kind];
  const grid = plane.grid(data.grid);
  plane.clear();
  plane.axes();
  if (byId("field").checked) {
    const field = (chains.fields[k] ??= arrowsAt(timeOf().field, grid, Math.max(t, 1)));
    eachPoint(grid, (x, y, i) => {
      const [dx, dy] = [field[2 * i], field[2 * i + 1]];
      const scale = Math.min(1 / 4, LONGEST / Math.hypot(dx, dy));
      plane.arrow([x, y], [scale * dx, scale * dy], "#a48fd0", 1.25);
    });
  }
  eachPoint(runOf().modes, (x, y) => plane.circle(0.12, "#1a7a2e", {}, [signal * x, signal * y]));
  eachPoint(now, (x, y) => plane.dot(x, y, "#000", 2.5, "#fff"));
  if (kind !== "noised" && byId("trails").checked)
    for (const i of TRAILS)
      plane.line(chains[kind].points.slice(0, k + 1).map((x) => [x[2 * i], x[2 * i + 1]]),
        COLORS[i], { width: 1.25 });
  drawProbe(kind, plane, k);
}

// (1 - abar_t) times the score: sqrt(abar_t) x_0 - x_t.
function arrowsAt(program, x, t) {
  const signal = Math.sqrt(runOf().alpha_bar[t]);
  return denoise(program, x, t).map((v, i) => signal * v - x[i]);
}

function drawProbe(kind, plane, k) {
  const count = { noised: 0, ddim: 1, ancestral: data.paths }[kind];
  const start = Float32Array.from({ length: 2 * count }, (_, i) => probe[i % 2]);
  const chain = { from: k, points: [start], random: uniform(seed + 7) };
  const program = kind === "ddim" ? timeOf().one : timeOf().several;
  if (count) extend(chain, program, kind, sampler().times.length - k);
  for (const i of range(count))
    plane.line(chain.points.map((x) => [x[2 * i], x[2 * i + 1]]), "#d1001c", { width: kind === "ddim" ? 3 : 1.5 });
  plane.cross(probe);
}

function sayProbe(t) {
  const x = Float32Array.from(probe);
  const score = [...arrowsAt(timeOf().one, x, t)].map((v) => v / runOf().noise[t]);
  const x_0 = [...denoise(timeOf().one, x, t)];
  byId("numbers").textContent =
    `At the cross (${probe.map(show).join(", ")}): score (${score.map(show).join(", ")}), ` +
    `predicted x_0 (${x_0.map(show).join(", ")}).`;
}

player("play", () => {
  const last = sampler().times.length - 1;
  place.set(place() < last ? place() + 1 : 0);
  return place() < last;
}, 60);
byId("again").addEventListener("click", () => (seed++, restart()));
for (const id of ["field", "trails"]) byId(id).addEventListener("change", draw);
which.set(0);
whenResized(draw);
