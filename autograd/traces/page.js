// The page: which trace, which step, what is in hand, and what a person does.

const $ = (id) => document.getElementById(id);
const traces = JSON.parse($("traces").textContent).map((data) => new Trace(data));
const motion = matchMedia("(prefers-reduced-motion: reduce)");
let trace = traces[0], playing = null, room = null;

// Draw the graph anew, as after opening a box.
function draw() {
  drawGraph(trace, $("graph"), act);
  zoom();
  show();
}

function show() {
  const { stepNumber, stepText, steps, hand } = trace;
  markGraph(trace);
  $("panel").replaceChildren(...panelView(trace, choose).filter(Boolean));
  $("slider").max = steps.length;
  $("slider").value = stepNumber;
  $("slider").setAttribute("aria-valuetext", stepText);
  $("step").textContent = stepText;
  for (const id of ["first", "back"]) $(id).disabled = stepNumber === 0;
  for (const id of ["next", "last"]) $(id).disabled = stepNumber === steps.length;
  drawNorms(stepNumber);
  if (hand) setTabStop(unitOf(hand)[0]);
}

// The boxes of what is in hand: its own, or both ends of an edge.
function unitOf(hand) {
  if (typeof hand !== "string") return [trace.unit(hand.parent), trace.unit(hand.node)];
  return [isCall(hand) ? hand : trace.unit(idOf(hand))];
}

// Steps

function go(number) {
  trace.go(number);
  $("panel").scrollTop = 0;
  show();
  follow();
}

const MOVES = {
  first: () => go(0),
  back: () => go(trace.stepNumber - 1),
  next: () => go(trace.stepNumber + 1),
  last: () => go(trace.steps.length),
};

function play() {
  if (playing) return stop();
  if (trace.stepNumber === trace.steps.length) go(0);
  const tick = () => {
    MOVES.next();
    if (trace.stepNumber === trace.steps.length) stop();
    else playing = setTimeout(tick, 1000 / $("speed").value);
  };
  playing = setTimeout(tick);
  setPlayButton("❚❚", " pause");
}

function stop() {
  clearTimeout(playing);
  playing = null;
  setPlayButton("▶", " play");
}

function setPlayButton(sign, name) {
  $("play").replaceChildren(sign, element("span", {}, name));
  $("play").setAttribute("aria-label", name.trim());
}

// What a person takes in hand

function choose(hand) {
  stop();
  trace.hand = hand;
  if (typeof hand !== "string") trace.goToEvent(hand.at);
  $("panel").scrollTop = 0;
  show();
  follow();
}

// A box or an edge of the graph was chosen.
function act(chosen) {
  if (typeof chosen !== "string") {
    const passed = chosen.uses.map((use) => trace.passage(use));
    return choose(passed.find((edge) => edge && trace.isPassed(edge)) ?? chosen.b);
  }
  if (isCall(chosen)) {
    trace.toggle(idOf(chosen));
    draw();
  }
  choose(chosen);
  focusBox(chosen);
}

// Exactly one box can be reached with Tab: the one that was in hand or had the focus last.
function setTabStop(key) {
  for (const [other, { group }] of trace.drawn.buttons) {
    group.setAttribute("tabindex", other === key ? 0 : -1);
  }
}

function focusBox(key) {
  setTabStop(key);
  trace.drawn.buttons.get(key).group.focus({ preventScroll: true });
}

function moveFocus(by) {
  const keys = [...trace.drawn.buttons.keys()];
  const place = keys.indexOf(document.activeElement.dataset.key) + by;
  const key = keys[Math.max(0, Math.min(keys.length - 1, place))];
  focusBox(key);
  trace.drawn.buttons.get(key).group.scrollIntoView({ block: "nearest", inline: "nearest" });
}

// What is seen

// Measured apart from drawing: to measure makes the browser lay out all that is drawn.
function measure() {
  room = { width: $("view").clientWidth - 4, height: $("view").clientHeight - 4 };
}

// `factor` changes the size; null makes the whole graph fit its room. It begins legible.
function zoom(factor = 1) {
  const { width, height } = trace.drawn.sheet, tall = room.height / height;
  const whole = Math.min(1.3, room.width / width, tall);
  const legible = Math.max(0.8, Math.min(1.3, room.width / width, Math.max(0.9, tall)));
  if (factor === null) trace.zoom = whole;
  else if (factor !== 1) trace.zoom = Math.max(0.2, Math.min(3, (trace.zoom ?? legible) * factor));
  trace.size = trace.zoom ?? legible;
  $("graph").style.width = `${width * trace.size}px`;
  $("graph").style.height = `${height * trace.size}px`;
}

// Scroll the graph, and not the page, to what is in hand.
function follow() {
  const view = $("view"), keys = trace.hand ? unitOf(trace.hand) : [];
  const boxes = keys.map((key) => trace.drawn.sheet.boxes.get(key)).filter(Boolean);
  if (!boxes.length) return view.scrollTo(0, 0);
  const { clientWidth: width, clientHeight: height } = view;
  const x = boxes.map((box) => box.x * trace.size), y = boxes.map((box) => box.y * trace.size);
  const top = Math.min(...y), bottom = Math.max(...y);
  const left = (Math.min(...x) + Math.max(...x) - width) / 2;
  const isSeen = Math.abs(left - view.scrollLeft) < width / 2 - 80
    && top > view.scrollTop + 50 && bottom < view.scrollTop + height - 100;
  const behavior = motion.matches || playing ? "instant" : "smooth";
  if (!isSeen) view.scrollTo({ left, top: (top + bottom - height) / 2, behavior });
}

// Above the slider: the norm of what each step made or passed on, by powers of ten. All traces of a
// page have the same two scales, from the least to the largest.
const scales = [traces.flatMap((one) => one.nodes.map(({ value }) => (value ? norm(value) : 0))),
  traces.flatMap((one) => one.sweeps.flatMap(({ edges }) => edges.map((edge) => edge.norm)))]
  .map((sizes) => sizes.filter((size) => size > 0 && Number.isFinite(size)))
  .map((sizes) => [Math.min(...sizes), Math.max(...sizes)]);

function drawNorms(now) {
  const count = trace.steps.length, width = Math.min(80 / count, 4);
  $("norms").replaceChildren(...trace.steps.map((step, i) => {
    const isBack = step.sweep >= 0, size = normOf(step), height = barHeight(size, scales[+isBack]);
    return element("svg:rect", {
      x: `${((i + 1) / count) * 100 - width / 2}%`, width: `${width}%`, y: 38 - height, height,
      class: classes({ back: isBack, ahead: !isBack, done: i < now, now: i === now - 1,
        "not-finite": !Number.isFinite(size) }),
    });
  }));
}

function normOf(step) {
  if (step.edges.length) return step.edges.at(-1).norm;
  const { value } = trace.nodes[trace.face(step.unit)];
  return value ? norm(value) : 0;
}

function barHeight(size, [least, most]) {
  if (!Number.isFinite(size)) return 36;
  if (size === 0) return 1;
  return 4 + 32 * (Math.log(size / least) / Math.max(Math.log(most / least), Math.log(10)));
}

const rangeText = (what, [least, most]) =>
  (least <= most ? `; ${what} ${number(least, 2)} to ${number(most, 2)}` : "");

function chooseTrace(i) {
  stop();
  trace = traces[i];
  [...$("tabs").children].forEach((tab, j) => tab.setAttribute("aria-pressed", i === j));
  draw();
  setTabStop(trace.hand ? unitOf(trace.hand)[0] : trace.drawn.buttons.keys().next().value);
  follow();
}

// What a person does

const KEYS = {
  ArrowLeft: MOVES.back,
  ArrowRight: MOVES.next,
  Home: MOVES.first,
  End: MOVES.last,
  " ": play,
  "+": () => zoom(1.25),
  "-": () => zoom(0.8),
  0: () => zoom(null),
  "?": () => $("help").showModal(),
};

function onKey(event) {
  const isIn = (selector) => event.target.closest?.(selector);
  const isMove = /^Arrow|^Home$|^End$/.test(event.key);
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  if (isMove && isIn("#slider, select, .table")) return; // they have uses of their own for it
  if (event.key === " " && isIn("button")) return;
  if (isIn("#graph") && /Up$|Down$/.test(event.key)) moveFocus(event.key === "ArrowUp" ? -1 : 1);
  else if (event.key in KEYS) {
    if (isMove) stop();
    KEYS[event.key]();
  } else return;
  event.preventDefault();
}

const onClick = (id, action) => $(id).addEventListener("click", action);

addEventListener("keydown", onKey);
addEventListener("resize", () => {
  measure();
  zoom();
});
for (const [id, move] of Object.entries(MOVES)) onClick(id, () => (stop(), move()));
$("slider").addEventListener("input", () => (stop(), go(+$("slider").value)));
onClick("play", play);
onClick("larger", KEYS["+"]);
onClick("smaller", KEYS["-"]);
onClick("fit", KEYS[0]);
onClick("keys", KEYS["?"]);
$("scale").textContent = `bars: norms, by powers of ten${rangeText("values", scales[0])}`
  + rangeText("gradients", scales[1]);
if (traces.length > 1) {
  $("tabs").append(...traces.map((one, i) =>
    element("button", { onclick: () => chooseTrace(i) }, one.heading)));
}
measure();
chooseTrace(0);
