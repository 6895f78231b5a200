// The page of a GAN: a panel for each run, all at the same share of their training.

const LENGTHS = [0.25, 0.5, 1, 2, 4, 8];
let probe = [0, 0];

const most = Math.max(...data.runs.map((run) => run.times.length));
const when = choice("time", most, sayTimes, drawAll);
const length = choice("length", LENGTHS.length, (i) => `× ${LENGTHS[i]}`, drawAll);
const shown = (id) => byId(id).checked;

const panels = data.runs.map((run) => {
  const figure = byId("panel").content.cloneNode(true).querySelector("figure");
  byId("runs").append(figure);
  figure.querySelector("h2").textContent = `${run.name}: ${run.settings}`;
  const plane = new Plane(figure.querySelector("canvas"), data.reach);
  plane.movable(() => probe, (point) => ((probe = point), drawAll()));
  return { run, figure, plane };
});

// The time of the run at the slider's share of its training.
function timeOf(run) {
  return run.times[Math.round((when() / Math.max(most - 1, 1)) * (run.times.length - 1))];
}

// What the weights of a time make of the same z, computed when it is first shown.
function computed({ z }, time) {
  if (time.samples) return;
  time.samples = compute(time.generate, z);
  time.values = compute(time.surface, panels[0].plane.grid(data.grid));
  time.moves = compute(time.arrows, time.samples);
}

function sayTimes() {
  return [...new Set(data.runs.map((run) => stepOf(timeOf(run).step, run.steps)))].join("; ");
}

function drawAll() {
  when.say();
  panels.forEach(drawPanel);
}

function drawPanel(panel) {
  const { run, figure, plane } = panel;
  const time = timeOf(run);
  computed(run, time);
  const stretched = run.critic || shown("stretch");
  const [middle, half] = stretched ? middleOf(time.values) : [0.5, 0.5];
  plane.clear();
  if (shown("surface"))
    plane.surface(time.values, data.grid, (v) => diverging((v - middle) / half));
  if (shown("data-points"))
    eachPoint(run.data, (x, y) => plane.dot(x, y, "#6d7680", 1.5));
  eachPoint(run.modes, (x, y) => plane.circle(data.radius, "#1a7a2e", { width: 1.5 }, [x, y]));
  if (shown("arrows"))
    eachPoint(time.samples, (x, y, i) => {
      const move = [time.moves[2 * i], time.moves[2 * i + 1]];
      plane.arrow([x, y], move.map((v) => v * LENGTHS[length()]), "#3d2470");
    });
  if (shown("samples"))
    eachPoint(time.samples, (x, y) => plane.dot(x, y, "#000", 2.5, "#fff"));
  drawProbe(panel, time);
  const name = run.critic ? "f = " : "D = ";
  figure.querySelector(".low").textContent = stretched ? name + show(middle - half) : "D = 0: a sample";
  figure.querySelector(".high").textContent = stretched ? name + show(middle + half) : "D = 1: data";
}

function drawProbe(panel, time) {
  const { run, figure, plane } = panel;
  const [d] = compute(time.judge, Float32Array.from(probe));
  const arrow = [...compute(time.arrow, Float32Array.from(probe))];
  plane.cross(probe);
  plane.arrow(probe, arrow.map((v) => v * LENGTHS[length()]), "#c11f26", 3);
  figure.querySelector(".numbers").textContent =
    `modes covered: ${time.modes} of ${run.modes.length / 2}, good samples: ${Math.round(100 * time.good)}%, ` +
    `mean arrow ${show(meanArrow(time))}. ` +
    `At the cross (${probe.map(show).join(", ")}): ${run.critic ? "f" : "D"} = ${show(d)}, ` +
    `arrow (${arrow.map(show).join(", ")}).`;
}

function meanArrow({ moves }) {
  let mean = 0;
  eachPoint(moves, (dx, dy) => (mean += Math.hypot(dx, dy) / (moves.length / 2)));
  return mean;
}

// The greatest length, up to 2, at which the last arrows take a tenth of the plane, or the least.
function legibleLength() {
  const last = data.runs.map((run) => (computed(run, run.times.at(-1)), meanArrow(run.times.at(-1))));
  const fitting = [3, 2, 1].filter((i) => LENGTHS[i] * Math.max(...last) < data.reach / 5);
  return fitting[0] ?? 0;
}

// The middle of a critic's scores on the plane, and half of their range.
function middleOf(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return [(low + high) / 2, Math.max((high - low) / 2, 1e-9)];
}

for (const id of ["surface", "stretch", "data-points", "samples", "arrows"])
  byId(id).addEventListener("change", drawAll);
player("play", () => when.set((when() + 1) % most), 700);
byId("play").hidden = most < 2;
length.set(legibleLength());
whenResized(drawAll);
