// The graph as SVG: drawn once for what is open, then only marked as the steps go on.

const SIGNS = { "not finite": "!", zero: "0", exploding: "≫", vanishing: "≪" }; // the worst first

// Fills the sheet; `act` is called with the key of a box, or with an edge, that a person chose.
function drawGraph(trace, svg, act) {
  const sheet = place(trace), edges = visibleEdges(trace, sheet);
  svg.setAttribute("viewBox", `0 0 ${sheet.width} ${sheet.height}`);
  const boxes = [...sheet.boxes.values()].sort((a, b) => a.depth - b.depth);
  trace.drawn = { sheet, boxes: new Map(), edges: new Map() };
  const frames = boxes.filter((box) => box.inner).map((box) =>
    element("svg:rect", { ...corner(box), class: `frame depth${box.depth % 2}`, rx: 8 }));
  const lines = [...edges.values()].map((edge) => {
    const drawn = drawEdge(trace, edge, act);
    trace.drawn.edges.set(edge.key, { edge, drawn });
    return drawn;
  });
  // The order of the buttons for a keyboard is that in which they stand.
  const buttons = boxes.sort((a, b) => a.y - b.y || a.x - b.x).map((box) => {
    const drawn = box.inner ? drawTitle(trace, box, act) : drawBox(trace, box, act);
    trace.drawn.boxes.set(box.key, drawn);
    return drawn;
  });
  svg.replaceChildren(svg.querySelector("defs"), ...frames, ...lines, ...buttons);
}

const boxShape = (node) => (node.shape.length ? tuple(node.shape) : "");

const corner = (box) => ({ x: box.x - box.width / 2, y: box.y, width: box.width, height: box.height });

function button(trace, key, attributes, act, ...children) {
  const choose = (event) => {
    if (event.type === "keydown" && event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    act(key);
  };
  return element("svg:g", { role: "button", tabindex: -1, "data-key": key, onclick: choose,
    onkeydown: choose, ...attributes }, ...children);
}

function text(words, x, y, kind, anchor = "start") {
  return element("svg:text", { x, y, class: kind, "text-anchor": anchor }, words);
}

function titleText(trace, key, x, y) {
  const [number, title] = titleOf(trace, key), sign = trace.open.has(+key.slice(1)) ? "▾ " : "▸ ";
  const words = text("", x, y, "title");
  words.append(element("svg:tspan", { class: "number" }, key[0] === "c" ? sign : number), title);
  return words;
}

function drawBox(trace, box, act) {
  const { x, y, width, height } = corner(box), right = x + width - 9;
  const n = +box.key.slice(1), isCall = box.key[0] === "c";
  const kind = isCall ? kindOf(trace, n) : boxShape(trace.nodes[n]);
  const rest = isCall ? [element("svg:rect", { x: x + 4, y: y + 4, width, height, rx: 6, class: "behind" })] : [];
  return button(trace, box.key, isCall ? { "aria-expanded": "false" } : {}, act, ...rest,
    element("svg:rect", { x, y, width, height, rx: isCall ? 6 : 5, class: "body" }),
    titleText(trace, box.key, x + 9, y + 19),
    text(kind, right, y + 19, "shape", "end"),
    text("", x + 9, y + 37, "made"), text("", right, y + 37, "came", "end"));
}

function drawTitle(trace, box, act) {
  const { x, y, width } = corner(box);
  return button(trace, box.key, { "aria-expanded": "true" }, act,
    element("svg:rect", { x, y, width, height: TITLE, rx: 8, class: "strip" }),
    titleText(trace, box.key, x + 10, y + 19),
    text(kindOf(trace, +box.key.slice(1)), x + width - 10, y + 19, "shape", "end"));
}

function drawEdge(trace, edge, act) {
  const path = curve(edge), first = edge.points[0] ?? edge.bPoint;
  const middle = { x: (edge.aPoint.x + first.x) / 2, y: (edge.aPoint.y + first.y) / 2 };
  const drawn = element("svg:g", { "aria-hidden": "true", onclick: () => act(edge) },
    element("svg:path", { d: path, class: "hit" }), element("svg:path", { d: path, class: "line" }),
    element("svg:circle", { cx: middle.x, cy: middle.y, r: 9, class: "sign" }),
    text("", middle.x, middle.y + 4.5, "sign", "middle"),
    element("svg:rect", { y: middle.y - 11, height: 22, rx: 11, class: "gain" }),
    text("", middle.x, middle.y + 5, "gain", "middle"));
  drawn.middle = middle.x;
  return drawn;
}

// What has happened so far, as classes and short texts.
function markGraph(trace) {
  const sweep = sweepNow(trace), step = trace.steps[stepNumber(trace) - 1];
  for (const [key, drawn] of trace.drawn.boxes) markBox(trace, sweep, step, key, drawn);
  const now = new Set(step?.edges);
  for (const { edge, drawn } of trace.drawn.edges.values()) markEdge(trace, sweep, now, edge, drawn);
}

function markBox(trace, sweep, step, key, drawn) {
  const n = +key.slice(1), isCall = key[0] === "c";
  const face = trace.face(key), node = trace.nodes[face], made = isMade(trace, face);
  const came = made && hasCotangent(trace, sweep, face);
  const lost = !isCall && isUnreached(trace, face);
  const classes = ["box", isCall ? "call" : node.kind];
  if (made) classes.push("made");
  if (came) classes.push("came");
  if (!node.recorded) classes.push("unrecorded");
  if (lost) classes.push("lost");
  if (step?.unit === key && step.sweep < 0) classes.push("now");
  if (trace.hand?.key === key) classes.push("hand");
  if (isOfSweep(trace, key)) classes.push("late");
  drawn.setAttribute("class", classes.join(" "));
  const texts = made ? [node.value ? brief(node.value) : "not kept", boxGradient(trace, sweep, face, lost)] : ["", ""];
  const shown = drawn.querySelectorAll(".made, .came");
  if (drawn.getAttribute("aria-expanded") !== "true") shown.forEach((part, i) => (part.textContent = texts[i]));
  const label = [nameOf(trace, key), isCall ? kindOf(trace, n) : shapeText(node.shape), ...texts];
  drawn.setAttribute("aria-label", label.filter(Boolean).join(", "));
}

function boxGradient(trace, sweep, n, lost) {
  if (lost) return "not reached";
  if (!trace.nodes[n].recorded) return "no gradient";
  if (sweep < 0 || !trace.sweeps[sweep].cotangents[n]) return "";
  const { all, come } = arrived(trace, sweep, n);
  if (come.length === all.length) return `g ${brief(trace.sweeps[sweep].cotangents[n])}`;
  return come.length ? `${come.length} of ${all.length} …` : "";
}

// A leaf to which no sweep brings anything, once all of them are over.
function isUnreached(trace, n) {
  const last = trace.events.findLastIndex(([sweep]) => sweep >= 0);
  return trace.nodes[n].kind === "leaf" && trace.at > last && last >= 0 &&
    !trace.sweeps.some((sweep) => sweep.cotangents[n]);
}

function markEdge(trace, sweep, now, edge, drawn) {
  const uses = edge.uses.map((use) => passageOf(trace, sweep, use)).filter((e) => e >= 0);
  const passed = uses.filter((e) => isPassed(trace, sweep, e)).map((e) => trace.sweeps[sweep].edges[e]);
  const isBack = trace.steps[stepNumber(trace) - 1]?.sweep === sweep;
  const classes = ["edge"], isCut = edge.uses.every((use) => use.cut);
  if (edge.uses.every((use) => isMade(trace, use.node))) classes.push("made");
  if (edge.uses.every((use) => use.cut || !trace.nodes[use.parent].recorded)) classes.push("unrecorded");
  if (isCut) classes.push("cut");
  if (passed.length) classes.push("passed");
  if (uses.some((e) => now.has(e)) && passed.length && isBack) classes.push("now");
  if (uses.length && trace.hand?.edge !== undefined && trace.hand.sweep === sweep && uses.includes(trace.hand.edge)) classes.push("hand");
  if (edge.uses.some((use) => isOfSweep(trace, `n${use.node}`))) classes.push("late");
  if (!edge.isRouted) classes.push("faint");
  const kind = Object.keys(SIGNS).find((k) => passed.some((e) => e.mark?.kind === k));
  if (kind) classes.push("marked", kind.replace(" ", "-"));
  drawn.setAttribute("class", classes.join(" "));
  drawn.querySelector("text.sign").textContent = kind ? SIGNS[kind] : isCut ? "✂" : "";
  const gain = classes.includes("now") && passed.length === 1 && Number.isFinite(passed[0].gain);
  showGain(drawn, gain ? `× ${number(passed[0].gain, 3)}` : "", kind ? 14 : 0);
  const size = Math.max(...passed.map((e) => e.norm / trace.sweeps[sweep].largest || 0));
  drawn.querySelector(".line").style.strokeWidth = passed.length ? thickness(size) : "";
}

// Beside the sign of a mark, if there is one.
function showGain(drawn, words, aside) {
  const [pill, label] = drawn.querySelectorAll(".gain"), width = textWidth(words) + 14;
  const x = drawn.middle + (aside && aside + width / 2);
  label.textContent = words;
  label.setAttribute("x", x);
  pill.setAttribute("x", x - width / 2);
  pill.setAttribute("width", words ? width : 0);
}

// From 1.5 to 6 pixels over six powers of ten.
const thickness = (share) => 1.5 + 4.5 * Math.max(0, Math.min(1, 1 + Math.log10(share) / 6));

// The edge of a sweep that goes up along a use, -1 for none.
function passageOf(trace, sweep, use) {
  if (sweep < 0) return -1;
  const all = trace.sweeps[sweep].brings.get(use.parent) ?? [];
  return all.find((e) => {
    const edge = trace.sweeps[sweep].edges[e];
    return edge.node === use.node && edge.argument === use.argument;
  }) ?? -1;
}
