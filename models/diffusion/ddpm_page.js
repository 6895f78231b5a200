// The page of a DDPM. A chain has the points at each time of a sampler, and grows while one looks.

const GUIDANCE = [0, 0.5, 1, 2, 4, 8];
const TRAILS = [0, 1, 2, 4, 5]; // of COLORS, since COLORS[3] is the red of the cross's paths
let probe = [0.4, 0.3];
let seed = 1;
let chains = {};

const runOf = () => data.runs[which()];
const timeOf = () => runOf().times[when()];
const sampler = () => runOf().samplers[steps()];
const label = () => (runOf().classes ? (klass() + runOf().classes) % (runOf().classes + 1) : 0);

const which = choice("run", data.runs.length, (i) => data.runs[i].name, restart);
const when = choice("time", data.runs[0].times.length, () => stepOf(timeOf().step, runOf().steps), restart);
const steps = choice("steps", data.runs[0].samplers.length, () => `${sampler().times.length - 1}`, restart);
const klass = choice("class", data.runs[0].classes + 1, (i) => (i ? `mode ${i}` : "all, without guidance"), restart);
const guidance = choice("guidance", data.runs[0].classes ? GUIDANCE.length : 1, (i) => `${GUIDANCE[i]}`, restart);
const place = choice("t", sampler().times.length, (i) => `t = ${sampler().times[i]} of ${runOf().T}`, draw);

const planes = Object.fromEntries(["noised", "ancestral", "ddim"].map((id) => [id, new Plane(byId(id), 2.7)]));
for (const plane of Object.values(planes))
  plane.movable(() => probe, (point) => ((probe = point), draw()));

// The x_0 that the network predicts for points x at time t.
function denoise(program, x, t) {
  const { classes, x_0 } = runOf();
  const w = label() < classes ? GUIDANCE[guidance()] : 0;
  const at = (c) => compute(program, x, Int32Array.of(t), Int32Array.of(c));
  let output = at(label());
  if (w) {
    const without = at(classes);
    output = output.map((v, i) => (1 + w) * v - w * without[i]);
  }
  return output.map((v, i) => x_0.on_output[t] * v + x_0.on_x_t[t] * x[i]);
}

// One step of a sampler, from its place k to k + 1.
function step(program, x, k, kind, noise) {
  const { on_x_0, on_x_t, sigma } = sampler()[kind];
  const x_0 = denoise(program, x, sampler().times[k]);
  return x.map((v, i) => on_x_0[k] * x_0[i] + on_x_t[k] * v + sigma[k] * noise[i]);
}

// A chain from the points `x` at place k: the points at each place from there on, as far as asked.
function extend(chain, program, kind, random, length) {
  while (chain.points.length < length) {
    const x = chain.points.at(-1);
    const noise = normals(x.length, random);
    chain.points.push(step(program, x, chain.from + chain.points.length - 1, kind, noise));
  }
}

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
  const { alpha_bar, noise, modes, data: x_0 } = runOf();
  const k = place();
  const t = sampler().times[k];
  const [signal, deviation] = [Math.sqrt(alpha_bar[t]), Math.sqrt(noise[t])];
  const grid = planes.noised.grid(data.grid);
  const field = byId("field").checked ? (chains.fields[k] ??= arrowsAt(timeOf().field, grid, t)) : null;
  for (const kind of ["ancestral", "ddim"])
    extend(chains[kind], timeOf().samples, kind, chains[kind].random, k + 1);
  for (const [kind, plane] of Object.entries(planes)) {
    plane.clear();
    plane.axes();
    if (field) eachPoint(grid, (x, y, i) =>
      plane.arrow([x, y], [field[2 * i] / 4, field[2 * i + 1] / 4], "#a48fd0", 1.25));
    eachPoint(modes, (x, y) => plane.circle(0.12, "#1a7a2e", {}, [signal * x, signal * y]));
    const now = kind === "noised"
      ? x_0.map((v, i) => signal * v + deviation * chains.noise[i])
      : chains[kind].points[k];
    eachPoint(now, (x, y) => plane.dot(x, y, "#000", 2.5, "#fff"));
    if (kind !== "noised" && byId("trails").checked)
      for (const i of TRAILS)
        plane.line(chains[kind].points.slice(0, k + 1).map((x) => [x[2 * i], x[2 * i + 1]]),
          COLORS[i], { width: 1.25 });
    drawProbe(kind, plane, k);
  }
  sayProbe(t);
}

// (1 - abar_t) times the score: sqrt(abar_t) x_0 - x_t.
function arrowsAt(program, x, t) {
  const signal = Math.sqrt(runOf().alpha_bar[t]);
  return denoise(program, x, t).map((v, i) => signal * v - x[i]);
}

function drawProbe(kind, plane, k) {
  const length = sampler().times.length - k;
  const count = { noised: 0, ddim: 1, ancestral: data.paths }[kind];
  const program = kind === "ddim" ? timeOf().one : timeOf().several;
  const chain = { from: k, points: [Float32Array.from({ length: 2 * count }, (_, i) => probe[i % 2])] };
  if (count) extend(chain, program, kind, uniform(seed + 7), length);
  for (const i of range(count))
    plane.line(chain.points.map((x) => [x[2 * i], x[2 * i + 1]]), "#d1001c", { width: kind === "ddim" ? 3 : 1.5 });
  plane.cross(probe);
}

function sayProbe(t) {
  const x = Float32Array.from(probe);
  const { noise } = runOf();
  const score = [...arrowsAt(timeOf().one, x, Math.max(t, 1))].map((v) => v / noise[Math.max(t, 1)]);
  const x_0 = [...denoise(timeOf().one, x, Math.max(t, 1))];
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
steps.set(0);
klass.set(0);
guidance.set(0);
place.set(Math.round(0.6 * (sampler().times.length - 1)));
whenResized(draw);
