// A trace as a person sees it: what is open, how much has happened, and the steps from here to there.

const FEW = 30; // boxes that are seen at first

function asTrace(data) {
  const trace = { ...data, open: new Set(), at: 0, hand: null, zoom: null };
  const paths = trace.nodes.map((node, n) => {
    const path = [`n${n}`];
    for (let call = node.call; call; call = trace.calls[call].parent) path.unshift(`c${call}`);
    return ["c0", ...path];
  });
  trace.path = (n) => paths[n];
  // What stands for a node: itself, or the outermost folded call around it.
  trace.unit = (n) => paths[n].slice(1).find((key) => key[0] === "n" || !trace.open.has(+key.slice(1)));
  trace.face = faces(trace);
  trace.routes = new Map(trace.calls.flatMap((call, c) =>
    call.routes.map((route) => [`${c} ${route[0]} ${route.at(-1)}`, route])));
  trace.madeAt = [];
  for (const sweep of trace.sweeps) {
    sweep.passedAt = [];
    sweep.passages = new Map(sweep.edges.map(({ node, argument }, e) => [`${node} ${argument}`, e]));
    sweep.brings = Map.groupBy(sweep.edges.keys(), (e) => sweep.edges[e].parent);
    sweep.edges.forEach((edge) => {
      edge.g = sweep.cotangents[edge.node];
      edge.d ??= sweep.cotangents[edge.parent];
      edge.norm = norm(edge.d);
      edge.gain = edge.norm / norm(edge.g); // NaN for 0 / 0
    });
    sweep.largest = Math.max(...sweep.edges.map((edge) => edge.norm || 0));
  }
  trace.events.forEach(([sweep, number], i) => {
    if (sweep < 0) trace.madeAt[number] = i;
    else trace.sweeps[sweep].passedAt[number] = i;
  });
  trace.lastPassage = trace.events.findLastIndex(([sweep]) => sweep >= 0);
  openFew(trace);
  trace.steps = stepsOf(trace);
  return trace;
}

// What a folded call shows is its output: the last node in it that is used outside.
function faces(trace) {
  const found = new Map();
  trace.nodes.forEach((node, n) => {
    for (const { node: from } of node.inputs) {
      if (from === null) continue;
      const outside = trace.path(from).filter((key) => !trace.path(n).includes(key));
      for (const key of outside) found.set(key, Math.max(from, +(found.get(key) ?? 0)));
    }
    for (const key of trace.path(n)) if (!found.has(key)) found.set(key, n);
  });
  return (key) => (key[0] === "n" ? +key.slice(1) : found.get(key));
}

// Open calls from the outermost inwards, as long as there are few boxes. Among many, a call of one
// primitive, such as a Linear, is as good as its primitive.
function openFew(trace) {
  const children = (call) => trace.calls[call].rows.flat().filter((key) => "nc".includes(key[0]));
  const waiting = children(0), isSmall = trace.nodes.length <= FEW;
  let count = waiting.length;
  while (waiting.length) {
    const key = waiting.shift();
    if (key[0] !== "c") continue;
    const inside = children(+key.slice(1));
    const worth = isSmall || inside.filter((k) => k[0] === "c" || trace.nodes[+k.slice(1)].kind === "primitive").length > 1;
    if (count + inside.length > FEW || !worth) continue;
    trace.open.add(+key.slice(1));
    count += inside.length;
    waiting.push(...inside);
  }
}

// Steps are runs of events: `from` to `to`. What happens in a folded call is one step, and what the
// rules of a recorded sweep make belongs to the step of their edge.
function stepsOf(trace) {
  const steps = [];
  let from = 0;
  trace.events.forEach(([sweep, number], i) => {
    if (sweep < 0 && isOfSweep(trace, `n${number}`)) return;
    const edge = sweep < 0 ? null : trace.sweeps[sweep].edges[number];
    const unit = trace.unit(edge ? edge.node : number);
    const key = unit[0] === "c" ? `${sweep} ${unit}` : `${sweep} ${number}`;
    if (steps.at(-1)?.key !== key) steps.push({ key, sweep, unit, from, edges: [] });
    steps.at(-1).to = from = i + 1;
    if (edge) steps.at(-1).edges.push(number);
  });
  if (steps.length) steps.at(-1).to = trace.events.length;
  return steps;
}

// The number of the step that ends with the events done so far; 0 before the first.
function stepNumber(trace) {
  return trace.steps.filter((step) => step.from < trace.at).length;
}

const stepNow = (trace) => trace.steps[stepNumber(trace) - 1];

// What is done when the step of an event is over.
const endOfStep = (trace, event) => trace.steps.find((step) => event < step.to).to;

function toggle(trace, call) {
  if (!trace.open.delete(call)) trace.open.add(call);
  trace.steps = stepsOf(trace);
  if (trace.at) trace.at = endOfStep(trace, trace.at - 1);
}

// The sweep that is under way or has ended last, and whether it has reached a node.
function sweepNow(trace) {
  for (let i = trace.at - 1; i >= 0; i--) if (trace.events[i][0] >= 0) return trace.events[i][0];
  return -1;
}

const isMade = (trace, n) => trace.madeAt[n] < trace.at;
const isPassed = (trace, sweep, e) => trace.sweeps[sweep].passedAt[e] < trace.at;

// Of the cotangents that a node gets in a sweep, those that have come.
function arrived(trace, sweep, n) {
  const all = trace.sweeps[sweep].brings.get(n) ?? [];
  return { all, come: all.filter((e) => isPassed(trace, sweep, e)) };
}

function hasCotangent(trace, sweep, n) {
  if (sweep < 0 || !trace.sweeps[sweep].cotangents[n]) return false;
  const { all, come } = arrived(trace, sweep, n);
  return come.length === all.length;
}

// A leaf to which no sweep brings anything, once all of them are over.
const isUnreached = (trace, n) => trace.nodes[n].kind === "leaf" && trace.lastPassage >= 0 &&
  trace.at > trace.lastPassage && !trace.sweeps.some((sweep) => sweep.cotangents[n]);

// The edge of a sweep that goes up along a use, -1 for none.
const passageOf = (sweep, use) => sweep.passages.get(`${use.node} ${use.argument}`) ?? -1;

// Words

function nameOf(trace, key) {
  const n = +key.slice(1);
  if (key[0] === "c") return trace.calls[n].name;
  const { name, primitive, kind } = trace.nodes[n];
  return name || `${n} ${primitive || kind}`;
}

// In a box, in two parts: the number of a node without a name, and the name without that of the
// call around it.
function titleOf(trace, key) {
  const n = +key.slice(1), outer = key[0] === "c" ? trace.calls[n].parent : trace.nodes[n].call;
  const name = nameOf(trace, key);
  if (key[0] === "n" && !trace.nodes[n].name) return [`${n} `, name.slice(`${n} `.length)];
  return ["", within(trace.calls[outer].name, name)];
}

const kindOf = (trace, call) => (trace.calls[call].kind === "sweep" ? "by its rules" : trace.calls[call].kind);

const within = (outer, name) => (name.startsWith(`${outer}.`) ? name.slice(outer.length + 1) : name);

function stepText(trace) {
  const number = stepNumber(trace), count = trace.steps.length;
  if (!number) return `step 0 of ${count}: nothing has happened yet`;
  const step = trace.steps[number - 1];
  const sweep = trace.sweeps.length > 1 ? ` in sweep ${step.sweep + 1}` : "";
  const first = `step ${number} of ${count}, ${step.sweep < 0 ? "forward" : "backward"}${step.sweep < 0 ? "" : sweep}`;
  if (step.sweep < 0) return `${first}: ${nameOf(trace, step.unit)}`;
  if (step.unit[0] === "c") return `${first}: through ${nameOf(trace, step.unit)}`;
  const edge = trace.sweeps[step.sweep].edges[step.edges.at(-1)];
  return `${first}: ${nameOf(trace, step.unit)} → ${nameOf(trace, `n${edge.parent}`)}`;
}

const isOfSweep = (trace, key) =>
  (key[0] === "c" ? [key] : trace.path(+key.slice(1))).some((k) => k[0] === "c" && trace.calls[+k.slice(1)].kind === "sweep");
