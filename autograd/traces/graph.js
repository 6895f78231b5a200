// The graph as SVG: drawn once for what is open, and marked anew at each step.

const SIGNS = { "not finite": "!", zero: "0", exploding: "≫", vanishing: "≪" }; // the worst first

// `act` is called with the key of a box, or with an edge, that a person chose.
function drawGraph(trace, svg, act) {
  const sheet = place(trace), boxes = [...sheet.boxes.values()].sort((a, b) => a.depth - b.depth);
  const frames = boxes.filter((box) => box.inner).map((box) =>
    element("svg:rect", { ...corner(box), class: `frame depth${box.depth % 2}`, rx: 8 }));
  const edges = visibleEdges(trace, sheet).map((edge) => drawEdge(trace, edge, act));
  // The order of the buttons for a keyboard is that in which they stand.
  boxes.sort((a, b) => a.y - b.y || a.x - b.x);
  const buttons = new Map(boxes.map((box) => [box.key, drawBox(trace, box, act)]));
  const gain = element("svg:g", { class: "gain" }, element("svg:rect", { y: -12, height: 23, rx: 11 }),
    text("", 0, 5, "", "middle"));
  trace.drawn = { sheet, buttons, edges, gain };
  svg.setAttribute("viewBox", `0 0 ${sheet.width} ${sheet.height}`);
  svg.replaceChildren(svg.querySelector("defs"), ...frames, ...edges.map((edge) => edge.group),
    ...[...buttons.values()].map((button) => button.group), gain);
}

const corner = ({ x, y, width, height }) => ({ x: x - width / 2, y, width, height });

const boxShape = (node) => (node.shape.length ? tuple(node.shape) : "");

function text(words, x, y, kind, anchor = "start") {
  return element("svg:text", { x, y, class: kind, "text-anchor": anchor }, words);
}

// A node, a folded call, or the title of an open one.
function drawBox(trace, box, act) {
  const { x, y, width, height } = corner(box), right = x + width - 9, n = +box.key.slice(1);
  const isCall = box.key[0] === "c", isOpen = Boolean(box.inner);
  const [number, name] = titleOf(trace, box.key), sign = isOpen ? "▾ " : "▸ ";
  const title = text("", x + 9, y + 19, "title");
  title.append(element("svg:tspan", { class: "number" }, isCall ? sign : number), name);
  const kind = isCall ? kindOf(trace, n) : boxShape(trace.nodes[n]);
  const texts = [text("", x + 9, y + 37, "made"), text("", right, y + 37, "came", "end")];
  const rects = [element("svg:rect", { x, y, width, height: isOpen ? TITLE : height, rx: 6, class: "body" })];
  if (isCall && !isOpen) {
    rects.unshift(element("svg:rect", { x: x + 4, y: y + 4, width, height, rx: 6, class: "behind" }));
  }
  const choose = (event) => {
    if (event.type === "keydown" && event.key !== "Enter") return;
    event.preventDefault();
    act(box.key);
  };
  const group = element("svg:g", { role: "button", tabindex: -1, "data-key": box.key,
    "aria-expanded": isCall && String(isOpen), onclick: choose, onkeydown: choose },
    ...rects, title, text(kind, right, y + 19, "shape", "end"), ...(isOpen ? [] : texts));
  return { group, texts, isOpen };
}

function drawEdge(trace, edge, act) {
  const path = curve(edge), next = edge.points[0] ?? edge.bPoint;
  const middle = { x: (edge.aPoint.x + next.x) / 2, y: (edge.aPoint.y + next.y) / 2 };
  const line = element("svg:path", { d: path, class: "line" });
  const group = element("svg:g", { "aria-hidden": "true", onclick: () => act(edge) },
    element("svg:path", { d: path, class: "hit" }), line);
  const needsSign = edge.uses.some((use) => use.cut || trace.sweeps.some((sweep) =>
    sweep.edges[passageOf(sweep, use)]?.mark));
  const sign = needsSign ? text("", middle.x, middle.y + 4.5, "sign", "middle") : null;
  if (sign) group.append(element("svg:circle", { cx: middle.x, cy: middle.y, r: 9 }), sign);
  return { edge, group, line, sign, middle };
}

// What has happened so far, as classes and short texts.
function markGraph(trace) {
  const number = sweepNow(trace), step = stepNow(trace);
  for (const [key, drawn] of trace.drawn.buttons) markBox(trace, number, step, key, drawn);
  const passing = step?.sweep === number ? step.edges : [], now = [];
  for (const drawn of trace.drawn.edges) {
    const passages = markEdge(trace, number, new Set(passing), drawn);
    now.push(...passages.map((edge) => ({ drawn, edge })));
  }
  showGain(trace.drawn.gain, now.length === 1 && Number.isFinite(now[0].edge.gain) ? now[0] : null);
}

const classes = (flags) => Object.keys(flags).filter((name) => flags[name]).join(" ");

function markBox(trace, sweep, step, key, { group, texts, isOpen }) {
  const isCall = key[0] === "c", face = trace.face(key), node = trace.nodes[face];
  const made = isMade(trace, face), lost = !isCall && isUnreached(trace, face);
  group.setAttribute("class", classes({
    box: true, call: isCall, open: isOpen, [node.kind]: !isCall, made, lost,
    came: made && hasCotangent(trace, sweep, face), unrecorded: !node.recorded,
    now: step?.unit === key && step.sweep < 0, hand: trace.hand?.key === key,
    late: isOfSweep(trace, key),
  }));
  texts[0].textContent = !made ? "" : node.value ? brief(node.value) : "not kept";
  texts[1].textContent = made ? boxGradient(trace, sweep, face, lost) : "";
  const label = [nameOf(trace, key), isCall ? kindOf(trace, +key.slice(1)) : shapeText(node.shape)];
  group.setAttribute("aria-label", [...label, ...texts.map((t) => t.textContent)].filter(Boolean).join(", "));
}

function boxGradient(trace, sweep, n, lost) {
  if (lost) return "not reached";
  if (!trace.nodes[n].recorded) return "no gradient";
  if (sweep < 0 || !trace.sweeps[sweep].cotangents[n]) return "";
  const { all, come } = arrived(trace, sweep, n);
  if (come.length === all.length) return `g ${brief(trace.sweeps[sweep].cotangents[n])}`;
  return come.length ? `${come.length} of ${all.length} …` : "";
}

// Returns the edges of the sweep that pass here at this step.
function markEdge(trace, number, passing, { edge, group, line, sign }) {
  const sweep = trace.sweeps[number], { uses } = edge;
  const passages = sweep ? uses.map((use) => passageOf(sweep, use)).filter((e) => e >= 0) : [];
  const done = passages.filter((e) => isPassed(trace, number, e)), passed = done.map((e) => sweep.edges[e]);
  const now = done.filter((e) => passing.has(e)), cut = uses.every((use) => use.cut);
  const mark = Object.keys(SIGNS).find((kind) => passed.some((e) => e.mark?.kind === kind));
  group.setAttribute("class", classes({
    edge: true, cut, marked: mark, passed: passed.length, now: now.length, faint: !edge.isRouted,
    made: uses.every((use) => isMade(trace, use.node)),
    unrecorded: uses.every((use) => use.cut || !trace.nodes[use.parent].recorded),
    hand: trace.hand?.sweep === number && passages.includes(trace.hand.edge),
    late: uses.some((use) => isOfSweep(trace, `n${use.node}`)),
  }));
  if (sign) sign.textContent = mark ? SIGNS[mark] : cut ? "✂" : "";
  const share = Math.max(...passed.map((e) => e.norm / sweep.largest || 0));
  line.style.strokeWidth = passed.length ? thickness(share) : "";
  return now.map((e) => sweep.edges[e]);
}

// From 1.5 to 6 pixels over six powers of ten.
const thickness = (share) => 1.5 + 4.5 * Math.max(0, Math.min(1, 1 + Math.log10(share) / 6));

// On the edge of the step: by what factor the norm changes. Beside the sign, if the edge has one.
function showGain(gain, now) {
  gain.style.visibility = now ? "visible" : "hidden";
  if (!now) return;
  const words = `× ${number(now.edge.gain, 3)}`, width = textWidth(words) + 14;
  const aside = now.drawn.sign?.textContent ? 14 + width / 2 : 0, { x, y } = now.drawn.middle;
  gain.setAttribute("transform", `translate(${x + aside}, ${y})`);
  gain.firstChild.setAttribute("x", -width / 2);
  gain.firstChild.setAttribute("width", width);
  gain.lastChild.textContent = words;
}
