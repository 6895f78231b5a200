// The page: which trace, which step, what is in hand.

const traces = JSON.parse(document.getElementById("traces").textContent).map(asTrace);
const $ = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const scales = [false, true].map((isBack) => {
  const sizes = traces.flatMap((one) => isBack ? one.sweeps.flatMap(({ edges }) => edges.map((edge) => edge.norm))
    : one.nodes.map((node) => (node.value ? norm(node.value) : 0)));
  return range(sizes.filter((size) => size > 0 && size < Infinity));
});
let trace = traces[0], playing = null, room = null;

// Measured apart from drawing: to measure makes the browser lay out all that is drawn.
function measure() {
  room = { width: $("view").clientWidth - 4, height: $("view").clientHeight - 4 };
}

// Draw the graph anew, as after opening a box; `key` is that of the box to have the focus.
function draw(key) {
  drawGraph(trace, $("graph"), act);
  zoom();
  show();
  if (key) focusBox(key);
}

function show() {
  const now = stepNumber(trace);
  markGraph(trace);
  $("panel").replaceChildren(...panelView(trace, choose));
  $("slider").max = trace.steps.length;
  $("slider").value = now;
  $("slider").setAttribute("aria-valuetext", stepText(trace));
  $("step").textContent = stepText(trace);
  for (const id of ["first", "back"]) $(id).disabled = now === 0;
  for (const id of ["next", "last"]) $(id).disabled = now === trace.steps.length;
  $("play").textContent = playing ? "❚❚ pause" : "▶ play";
  drawNorms(now);
  if (trace.hand) focusBox(trace.hand.key ?? trace.unit(trace.sweeps[trace.hand.sweep].edges[trace.hand.edge].parent), false);
}

function go(number) {
  trace.at = number > 0 ? trace.steps[Math.min(number, trace.steps.length) - 1].to : 0;
  trace.hand = handOf(stepNow(trace));
  $("panel").scrollTop = 0;
  show();
  follow();
}

function handOf(step) {
  if (!step) return null;
  if (step.sweep < 0 || step.unit[0] === "c") return { key: step.unit };
  return { sweep: step.sweep, edge: step.edges.at(-1) };
}

function choose(hand) {
  stop();
  trace.hand = hand;
  if (hand.edge !== undefined) trace.at = endOfStep(trace, trace.sweeps[hand.sweep].passedAt[hand.edge]);
  $("panel").scrollTop = 0;
  show();
  follow();
}

// A person chose a box or an edge of the graph.
function act(chosen) {
  if (typeof chosen === "string") {
    if (chosen[0] === "c") {
      stop();
      toggle(trace, +chosen.slice(1));
      trace.hand = { key: chosen };
      draw(chosen);
    } else {
      choose({ key: chosen });
      focusBox(chosen);
    }
    return;
  }
  const sweep = sweepNow(trace), passages = sweep < 0 ? [] : chosen.uses.map((use) => passageOf(trace.sweeps[sweep], use));
  const passed = passages.filter((e) => e >= 0 && isPassed(trace, sweep, e));
  choose(passed.length ? { sweep, edge: passed[0] } : { key: chosen.b });
}

function play() {
  if (playing) return stop();
  if (stepNumber(trace) === trace.steps.length) go(0);
  const tick = () => {
    go(stepNumber(trace) + 1);
    playing = stepNumber(trace) < trace.steps.length ? setTimeout(tick, 1000 / $("speed").value) : null;
    show();
  };
  playing = setTimeout(tick, 0);
}

function stop() {
  clearTimeout(playing);
  playing = null;
  $("play").textContent = "▶ play";
}

// Scroll the graph, and not the page, to what is in hand.
function follow() {
  const hand = trace.hand, sheet = trace.drawn.sheet;
  if (!hand) return $("view").scrollTo(0, 0);
  const ends = hand.key ? [hand.key] : [trace.sweeps[hand.sweep].edges[hand.edge]].flatMap((e) => [trace.unit(e.node), trace.unit(e.parent)]);
  const boxes = ends.map((key) => sheet.boxes.get(key) ?? sheet.boxes.get(trace.unit(+key.slice(1)))).filter(Boolean);
  if (!boxes.length) return;
  const view = $("view"), size = trace.scale;
  const x = (size * (Math.min(...boxes.map((b) => b.x)) + Math.max(...boxes.map((b) => b.x)))) / 2;
  const top = size * Math.min(...boxes.map((b) => b.y)), bottom = size * Math.max(...boxes.map((b) => b.y + (b.inner ? TITLE : b.height)));
  const margin = 50;
  const isSeen = top - margin >= view.scrollTop && bottom + margin <= view.scrollTop + view.clientHeight && Math.abs(x - view.scrollLeft - view.clientWidth / 2) < view.clientWidth / 2 - 80;
  if (isSeen) return;
  view.scrollTo({ left: x - view.clientWidth / 2, top: (top + bottom) / 2 - view.clientHeight / 2, behavior: still || playing ? "instant" : "smooth" });
}

// `factor` changes the size; without one the graph fits its place, if its text can still be read.
function zoom(factor) {
  const { width, height } = trace.drawn.sheet;
  const tall = Math.max(0.9, room.height / height);
  const fit = Math.max(0.8, Math.min(1.3, room.width / width, tall));
  trace.zoom = factor ? Math.max(0.2, Math.min(3, (trace.zoom ?? fit) * factor)) : trace.zoom;
  trace.scale = trace.zoom ?? fit;
  $("graph").style.width = `${width * trace.scale}px`;
  $("graph").style.height = `${height * trace.scale}px`;
}

// Exactly one box can be reached with Tab: the one that had the focus last.
function focusBox(key, isFocused = true) {
  for (const [other, { group }] of trace.drawn.buttons) group.setAttribute("tabindex", other === key ? 0 : -1);
  if (isFocused) trace.drawn.buttons.get(key)?.group.focus({ preventScroll: true });
}

function moveFocus(by) {
  const keys = [...trace.drawn.buttons.keys()], now = keys.indexOf(document.activeElement.dataset.key);
  const key = keys[Math.max(0, Math.min(keys.length - 1, now + by))];
  focusBox(key);
  trace.drawn.buttons.get(key).group.scrollIntoView({ block: "nearest", inline: "nearest" });
}

// Above the slider: the norm of what each step made or passed on, by powers of ten. The traces of a
// page have one scale.
function drawNorms(now) {
  const count = trace.steps.length, width = Math.min(80 / count, 4);
  const bars = trace.steps.map((step, i) => {
    const size = sizeOfStep(trace, step), [least, most] = scales[+(step.sweep >= 0)], isFinite = Number.isFinite(size);
    const share = (Math.log10(size) - least) / (most - least);
    const height = !isFinite ? 36 : size ? 4 + 32 * Math.max(0, Math.min(1, share)) : 1;
    const classes = [step.sweep >= 0 ? "back" : "ahead", i < now && "done", i === now - 1 && "now", !isFinite && "not-finite"];
    return element("svg:rect", { x: `${((i + 1) / count) * 100 - width / 2}%`, width: `${width}%`,
      y: 38 - height, height, class: classes.filter(Boolean).join(" ") });
  });
  $("norms").replaceChildren(...bars);
}

function sizeOfStep(trace, step) {
  if (step.sweep >= 0) return trace.sweeps[step.sweep].edges[step.edges.at(-1)].norm;
  const value = trace.nodes[trace.events[step.to - 1][1]].value;
  return value ? norm(value) : 0;
}

// Powers of ten, at least one.
function range(sizes) {
  const most = Math.log10(Math.max(...sizes));
  return [Math.min(Math.log10(Math.min(...sizes)), most - 1), most];
}

function chooseTrace(i) {
  stop();
  trace = traces[i];
  document.querySelectorAll("#tabs button").forEach((tab, j) => tab.setAttribute("aria-pressed", i === j));
  draw();
  focusBox([...trace.drawn.buttons.keys()][0], false);
  follow();
}

const KEYS = {
  ArrowLeft: () => go(stepNumber(trace) - 1),
  ArrowRight: () => go(stepNumber(trace) + 1),
  Home: () => go(0),
  End: () => go(trace.steps.length),
  " ": play,
  "+": () => zoom(1.25),
  "-": () => zoom(0.8),
  "0": () => fitPlace(),
  "?": () => $("help").showModal(),
};

function fitPlace() {
  trace.zoom = null;
  zoom();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const isIn = (selector) => event.target.closest?.(selector);
  const moves = /^Arrow|^Home$|^End$/.test(event.key);
  if (moves && isIn("#slider, select, .table")) return; // these have own uses for them
  if (event.key === " " && isIn("button, summary")) return;
  if (isIn("#graph") && ["ArrowUp", "ArrowDown"].includes(event.key)) moveFocus(event.key === "ArrowUp" ? -1 : 1);
  else if (KEYS[event.key]) {
    if (moves) stop();
    KEYS[event.key]();
  } else return;
  event.preventDefault();
}

addEventListener("keydown", onKey);
addEventListener("resize", () => (measure(), zoom()));
const steps = { first: () => go(0), back: () => go(stepNumber(trace) - 1), next: () => go(stepNumber(trace) + 1), last: () => go(trace.steps.length) };
for (const [id, action] of Object.entries(steps)) $(id).addEventListener("click", () => (stop(), action()));
$("play").addEventListener("click", play);
$("slider").addEventListener("input", () => (stop(), go(+$("slider").value)));
$("larger").addEventListener("click", () => zoom(1.25));
$("smaller").addEventListener("click", () => zoom(0.8));
$("fit").addEventListener("click", fitPlace);
$("keys").addEventListener("click", () => $("help").showModal());
const [values, gradients] = scales.map((ends) => ends.map((end) => number(10 ** end, 2)).join(" to "));
$("scale").textContent = `bars: norms, by powers of ten; values ${values}, gradients ${gradients}`;
traces.forEach((one, i) => {
  if (traces.length > 1) $("tabs").append(element("button", { onclick: () => chooseTrace(i) }, one.heading));
});
measure();
chooseTrace(0);
