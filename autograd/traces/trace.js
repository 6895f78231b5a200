// A trace as a person sees it: what is open, how much has happened, and the steps that lead there.

const BOXES_AT_FIRST = 30; // at most, unless there are more at the top

// A node and a call of a module have keys, "n7" and "c3". A lane has another, as layout.py says.
const nodeKey = (n) => `n${n}`;
const isCall = (key) => key[0] === "c";
const isLane = (key) => "vio".includes(key[0]);
const idOf = (key) => +key.slice(1);

class Trace {
  // `done` is the number of events that have happened; `hand` is the key or the edge in hand.
  constructor(data) {
    Object.assign(this, data, { open: new Set(), done: 0, hand: null, zoom: null });
    this.paths = this.nodes.map((node, n) => this.pathOf(node, n));
    this.faces = this.facesOf();
    this.routes = new Map(this.calls.flatMap(({ routes }, c) =>
      routes.map((route) => [`c${c} ${route[0]} ${route.at(-1)}`, route])));
    this.sweeps.forEach(prepare);
    this.madeAt = [];
    this.sweepAfter = [-1]; // so many events
    this.events.forEach(([sweep, number], i) => {
      this.sweepAfter[i + 1] = Math.max(sweep, this.sweepAfter[i]);
      if (sweep < 0) this.madeAt[number] = i;
      else this.sweeps[sweep].edges[number].at = i;
    });
    this.lastPassage = this.events.findLastIndex(([sweep]) => sweep >= 0);
    this.openFew();
    this.steps = this.stepsOf();
  }

  // What is where

  // From the outermost call, which is c0, to the node.
  pathOf(node, n) {
    const path = [nodeKey(n)];
    for (let call = node.call; call; call = this.calls[call].parent) path.unshift(`c${call}`);
    return ["c0", ...path];
  }

  isOpen(key) {
    return isCall(key) && this.open.has(idOf(key));
  }

  // What stands for a node: itself, or the outermost folded call around it.
  unit(n) {
    return this.paths[n].slice(1).find((key) => !this.isOpen(key));
  }

  // What a folded call shows is its output: the last node in it that is used outside.
  facesOf() {
    const found = new Map();
    this.nodes.forEach(({ inputs }, n) => {
      for (const { node } of inputs.filter((input) => input.node !== null)) {
        const outside = this.paths[node].filter((key) => !this.paths[n].includes(key));
        for (const key of outside) found.set(key, Math.max(node, found.get(key) ?? 0));
      }
      for (const key of this.paths[n]) if (!found.has(key)) found.set(key, n);
    });
    return found;
  }

  face(key) {
    return isCall(key) ? this.faces.get(key) : idOf(key);
  }

  // Open calls from the outermost inwards, as long as there are few boxes. Among many, a call of
  // one primitive, such as a Linear, is as good as its primitive.
  openFew() {
    const children = (key) => this.calls[idOf(key)].rows.flat().filter((child) => !isLane(child));
    const isWork = (key) => isCall(key) || this.nodes[idOf(key)].kind === "primitive";
    const waiting = children("c0"), isSmall = this.nodes.length <= BOXES_AT_FIRST;
    let count = waiting.length;
    while (waiting.length) {
      const key = waiting.shift(), inside = isCall(key) ? children(key) : [];
      const isWorth = isSmall || inside.filter(isWork).length > 1;
      if (!inside.length || !isWorth || count + inside.length > BOXES_AT_FIRST) continue;
      this.open.add(idOf(key));
      count += inside.length;
      waiting.push(...inside);
    }
  }

  isOfSweep(key) {
    const path = isCall(key) ? [key] : this.paths[idOf(key)];
    return path.some((outer) => isCall(outer) && this.calls[idOf(outer)].kind === "sweep");
  }

  // Steps

  // Runs of events, `from` to `to`. What happens in a folded call is one step, and what the rules
  // of a recorded sweep make belongs to the step of their edge.
  stepsOf() {
    const steps = [];
    let from = 0;
    this.events.forEach(([sweep, number], i) => {
      if (sweep < 0 && this.isOfSweep(nodeKey(number))) return;
      const edge = sweep < 0 ? null : this.sweeps[sweep].edges[number];
      const unit = this.unit(edge ? edge.node : number);
      const key = `${sweep} ${isCall(unit) ? unit : number}`;
      if (steps.at(-1)?.key !== key) steps.push({ key, sweep, unit, from, edges: [] });
      steps.at(-1).to = from = i + 1;
      if (edge) steps.at(-1).edges.push(edge);
    });
    if (steps.length) steps.at(-1).to = this.events.length;
    return steps;
  }

  get stepNumber() {
    return this.steps.filter((step) => step.from < this.done).length;
  }

  // The step that has just been done.
  get step() {
    return this.steps[this.stepNumber - 1];
  }

  go(number) {
    this.done = this.steps[Math.min(number, this.steps.length) - 1]?.to ?? 0;
    const { step } = this;
    if (!step) this.hand = null;
    else this.hand = step.sweep < 0 || isCall(step.unit) ? step.unit : step.edges.at(-1);
  }

  // To the end of the step to which an event belongs.
  goToEvent(i) {
    this.done = this.steps.find((step) => i < step.to).to;
  }

  toggle(call) {
    if (!this.open.delete(call)) this.open.add(call);
    this.steps = this.stepsOf();
    if (this.done) this.goToEvent(this.done - 1);
  }

  // What has happened

  isMade(n) {
    return this.madeAt[n] < this.done;
  }

  isPassed(edge) {
    return edge.at < this.done;
  }

  // The sweep that is under way, or the last one.
  get sweep() {
    return this.sweeps[this.sweepAfter[this.done]];
  }

  // The edges that bring a node its cotangents in this sweep, and those of them that have come.
  arrived(n) {
    const all = this.sweep?.brings.get(n) ?? [];
    return { all, come: all.filter((edge) => this.isPassed(edge)) };
  }

  // The whole cotangent of a node in this sweep, once it is complete.
  cotangent(n) {
    const { all, come } = this.arrived(n);
    return come.length === all.length ? this.sweep?.cotangents[n] : undefined;
  }

  // The edge of this sweep that goes up where a node is used.
  passage(use) {
    return this.sweep?.passages.get(`${use.node} ${use.argument}`);
  }

  // A leaf to which no sweep brings anything, once all of them are over.
  isUnreached(n) {
    return this.nodes[n].kind === "leaf" && this.lastPassage >= 0 && this.done > this.lastPassage
      && !this.sweeps.some((sweep) => sweep.cotangents[n]);
  }

  // Words

  name(key) {
    if (isCall(key)) return this.calls[idOf(key)].name;
    const { name, primitive, kind } = this.nodes[idOf(key)];
    return name || `${idOf(key)} ${primitive || kind}`;
  }

  // In a box: the number of a node without a name apart, and names without that of the call around.
  title(key) {
    const node = this.nodes[idOf(key)];
    if (!isCall(key) && !node.name) return [`${idOf(key)} `, node.primitive || node.kind];
    const outer = isCall(key) ? this.calls[idOf(key)].parent : node.call;
    return ["", within(this.calls[outer].name, this.name(key))];
  }

  // The class of a module, or the shape of a node.
  kind(key) {
    const { kind, shape } = (isCall(key) ? this.calls : this.nodes)[idOf(key)];
    if (!isCall(key)) return shape.length ? tuple(shape) : "";
    return kind === "sweep" ? "by its rules" : kind;
  }

  arrow(edge) {
    return `${this.name(nodeKey(edge.node))} → ${this.name(nodeKey(edge.parent))}`;
  }

  // Which sweep, if there are several.
  inSweep(number) {
    return this.sweeps.length > 1 ? ` in sweep ${number + 1}` : "";
  }

  get stepText() {
    const { step, stepNumber } = this, first = `step ${stepNumber} of ${this.steps.length}`;
    if (!step) return `${first}: nothing has happened yet`;
    if (step.sweep < 0) return `${first}, forward: ${this.name(step.unit)}`;
    const where = `${first}, backward${this.inSweep(step.sweep)}`;
    if (isCall(step.unit)) return `${where}: through ${this.name(step.unit)}`;
    return `${where}: ${this.arrow(step.edges.at(-1))}`;
  }
}

const within = (outer, name) =>
  (name.startsWith(`${outer}.`) ? name.slice(outer.length + 1) : name);

// What the page needs to know of the edges of a sweep, and `d` where it stands elsewhere.
function prepare(sweep, number) {
  sweep.passages = new Map();
  sweep.brings = new Map();
  sweep.edges.forEach((edge, e) => {
    Object.assign(edge, { number: e, sweep: number, g: sweep.cotangents[edge.node] });
    edge.d ??= sweep.cotangents[edge.parent];
    edge.norm = norm(edge.d);
    edge.gain = edge.norm / norm(edge.g);
    sweep.passages.set(`${edge.node} ${edge.argument}`, edge);
    append(sweep.brings, edge.parent, edge);
  });
  sweep.largest = Math.max(...sweep.edges.map((edge) => edge.norm || 0));
}
