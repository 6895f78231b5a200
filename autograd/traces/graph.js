// The graph as SVG: drawn once for what is open, and marked anew at each step.

// The worst first.
const SIGNS = { "not finite": "!", zero: "0", exploding: "≫", vanishing: "≪" };

// `act` is called with the key of a box, or with an edge of the graph, that a person chose.
function drawGraph(trace, svg, act) {
  const sheet = place(trace), edges = visibleEdges(trace, sheet);
  // The order for a keyboard is that in which the boxes stand.
  const boxes = [...sheet.boxes.values()].sort((a, b) => a.y - b.y || a.x - b.x);
  const buttons = boxes.map((box) => drawBox(trace, box, act));
  const frames = buttons.map(({ frame }) => frame).filter(Boolean);
  const lines = edges.map((edge) => drawEdge(trace, edge, act));
  const gain = element("svg:g", { class: "gain" },
    element("svg:rect", { y: -12, height: 23, rx: 11 }), words("", 0, 5, "", "middle"));
  trace.drawn = { sheet, lines, gain, buttons: new Map(buttons.map((one) => [one.key, one])) };
  svg.setAttribute("viewBox", `0 0 ${sheet.width} ${sheet.height}`);
  svg.replaceChildren(svg.querySelector("defs"), ...frames,
    ...lines.map(({ group }) => group), ...buttons.map(({ group }) => group), gain);
}

function words(text, x, y, kind, anchor = "start") {
  return element("svg:text", { x, y, class: kind, "text-anchor": anchor }, text);
}

// A node, a folded call, or the title of an open one, which has a frame.
function drawBox(trace, box, act) {
  const { key, width, height } = box, x = box.x - width / 2, y = box.y, isOpen = trace.isOpen(key);
  const rect = (kind, shift, h) => element("svg:rect",
    { class: kind, x: x + shift, y: y + shift, width, height: h, rx: 6 });
  const [number, name] = trace.title(key), title = words("", x + 9, y + 19, "title");
  title.append(element("svg:tspan", { class: "number" },
    isCall(key) ? (isOpen ? "▾ " : "▸ ") : number), name);
  const texts = [words("", x + 9, y + 37, "made"), words("", x + width - 9, y + 37, "came", "end")];
  const choose = (event) => {
    if (event.type === "keydown" && event.key !== "Enter") return;
    event.preventDefault();
    act(key);
  };
  const group = element("svg:g", { role: "button", tabindex: -1, "data-key": key,
    "aria-expanded": isCall(key) && String(isOpen), onclick: choose, onkeydown: choose },
  isCall(key) && !isOpen && rect("behind", 4, height), rect("body", 0, isOpen ? TITLE : height),
  title, words(trace.kind(key), x + width - 9, y + 19, "shape", "end"), ...(isOpen ? [] : texts));
  return { key, group, texts, frame: isOpen && rect(`frame depth${box.depth % 2}`, 0, height) };
}

function drawEdge(trace, edge, act) {
  const path = curve(edge), next = edge.lanes?.[0] ?? edge.end;
  const middle = { x: (edge.begin.x + next.x) / 2, y: (edge.begin.y + next.y) / 2 };
  const line = element("svg:path", { d: path, class: "line" });
  const group = element("svg:g", { "aria-hidden": "true", onclick: () => act(edge) },
    element("svg:path", { d: path, class: "hit" }), line);
  const hasSign = edge.uses.some((use) => use.cut || trace.sweeps.some((sweep) =>
    sweep.passages.get(`${use.node} ${use.argument}`)?.mark));
  const sign = hasSign && words("", middle.x, middle.y + 4.5, "sign", "middle");
  if (sign) group.append(element("svg:circle", { cx: middle.x, cy: middle.y, r: 9 }), sign);
  return { edge, group, line, sign, middle };
}

const classes = (flags) => Object.keys(flags).filter((name) => flags[name]).join(" ");

// What has happened so far, as classes and short texts.
function markGraph(trace) {
  const { step, sweep } = trace;
  for (const button of trace.drawn.buttons.values()) markBox(trace, step, button);
  const passing = trace.drawn.lines.flatMap((line) => markEdge(trace, sweep, step, line));
  showGain(trace.drawn.gain, passing.length === 1 ? passing[0] : null);
}

function markBox(trace, step, { key, group, texts, frame }) {
  const n = trace.face(key), node = trace.nodes[n], made = trace.isMade(n);
  const lost = !isCall(key) && trace.isUnreached(n), late = trace.isOfSweep(key) && !made;
  group.setAttribute("class", classes({
    box: true, call: isCall(key), open: frame, [node.kind]: !isCall(key), made, lost, late,
    unrecorded: !node.recorded, came: made && trace.cotangent(n),
    now: step?.unit === key && step.sweep < 0, hand: trace.hand === key,
  }));
  if (frame) frame.style.visibility = late ? "hidden" : "visible";
  texts[0].textContent = !made ? "" : node.value ? brief(node.value) : "not kept";
  texts[1].textContent = made ? gradientText(trace, n, lost) : "";
  const label = [trace.name(key), trace.kind(key), ...texts.map((text) => text.textContent)];
  group.setAttribute("aria-label", label.filter(Boolean).join(", "));
}

function gradientText(trace, n, lost) {
  if (lost) return "not reached";
  if (!trace.nodes[n].recorded) return "no gradient";
  const { all, come } = trace.arrived(n), g = trace.cotangent(n);
  return g ? `g ${brief(g)}` : come.length ? `${come.length} of ${all.length} …` : "";
}

// Returns what passes here at this step.
function markEdge(trace, sweep, step, { edge, group, line, sign, middle }) {
  const { uses } = edge, passages = uses.map((use) => trace.passage(use)).filter(Boolean);
  const passed = passages.filter((one) => trace.isPassed(one));
  const now = passed.filter((one) => step?.edges.includes(one));
  const mark = Object.keys(SIGNS).find((kind) => passed.some((one) => one.mark?.kind === kind));
  const made = uses.every((use) => trace.isMade(use.node)), cut = uses.every((use) => use.cut);
  group.setAttribute("class", classes({
    edge: true, made, cut, marked: mark, passed: passed.length, now: now.length,
    hand: passages.includes(trace.hand), faint: !edge.lanes,
    late: !made && trace.isOfSweep(edge.b),
    unrecorded: uses.every((use) => use.cut || !trace.nodes[use.parent].recorded),
  }));
  if (sign) sign.textContent = mark ? SIGNS[mark] : cut ? "✂" : "";
  const share = Math.max(...passed.map((one) => one.norm / sweep.largest || 0));
  line.style.strokeWidth = passed.length ? thickness(share) : "";
  return now.map(({ gain }) => ({ gain, x: middle.x, y: middle.y, isSigned: mark }));
}

// From 1.5 to 6 pixels over six powers of ten.
const thickness = (share) => 1.5 + 4.5 * Math.max(0, Math.min(1, 1 + Math.log10(share) / 6));

// On the edge of the step: by what factor the norm changes. Beside the sign, if the edge has one.
function showGain(group, passage) {
  const isShown = passage && Number.isFinite(passage.gain);
  group.style.visibility = isShown ? "visible" : "hidden";
  if (!isShown) return;
  const [pill, label] = group.children;
  label.textContent = `× ${number(passage.gain, 3)}`;
  const width = textWidth(label.textContent) + 14;
  pill.setAttribute("x", -width / 2);
  pill.setAttribute("width", width);
  const x = passage.x + (passage.isSigned ? 14 + width / 2 : 0);
  group.setAttribute("transform", `translate(${x}, ${passage.y})`);
}
