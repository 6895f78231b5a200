// What is in hand, beside the graph: a node, a call of a module, or an edge of a sweep. `choose`
// is called with the key or the edge that a person chose.

function panelView(trace, choose) {
  const link = (text, hand) =>
    element("button", { class: "link", onclick: () => choose(hand) }, text);
  const nodeLink = (n) => link(trace.name(nodeKey(n)), nodeKey(n));
  const { hand } = trace;
  if (!hand) return overview(trace, link);
  if (typeof hand !== "string") return edgeView(trace, hand, link, nodeLink);
  if (isCall(hand)) return callView(trace, hand, nodeLink);
  return nodeView(trace, idOf(hand), link, nodeLink);
}

const heading = (about, ...title) =>
  [element("h2", {}, ...title), element("p", { class: "about" }, about)];

const section = (title, ...children) =>
  element("section", {}, element("h3", {}, title), ...children);

const note = (text) => element("p", { class: "note" }, text);

const list = (kind, items) => element("ul", { class: kind }, ...items);

const remark = (sign, text) => element("p", { class: "remark" },
  element("span", { class: "sign" }, sign), ` ${text}`);

// Before the first step: how much there is, and what is to be remarked.
function overview(trace, link) {
  const passes = trace.sweeps.map(({ edges }, i) => `${edges.length} edges in sweep ${i + 1}`);
  const marked = trace.sweeps.flatMap(({ edges }) => edges.filter((edge) => edge.mark));
  const items = marked.map((edge) => element("li", {},
    `${SIGNS[edge.mark.kind]} `, link(trace.arrow(edge), edge), `: ${edge.mark.kind}`));
  return [
    ...heading([`${trace.nodes.length} nodes`, ...passes].join(", "), trace.heading),
    element("p", {}, "Step with the arrow keys, play, or choose a box of the graph. Blue is the "
      + "forward pass, orange the backward pass; ? lists the keys and the signs."),
    items.length && section("Gradients with a remark", list("remarks", items)),
  ];
}

const KINDS = { leaf: "a leaf", constant: "a constant", primitive: "made by a primitive" };

function nodeView(trace, n, link, nodeLink) {
  const node = trace.nodes[n], call = trace.calls[node.call].name;
  const about = [KINDS[node.kind], shapeText(node.shape), node.dtype, call && `in ${call}`];
  const remarks = node.inputs.filter((input) => input.cut).map((input) => remark("✂",
    `cut: the value of ${trace.name(nodeKey(input.node))} comes here, and no gradient goes back`));
  if (!node.recorded && node.kind === "primitive") {
    remarks.push(remark("- -", "made without recording: no gradient goes through it"));
  }
  if (trace.isUnreached(n)) {
    remarks.push(remark("∅", "no gradient reached it: no loss was made of it, or it was cut"));
  }
  return [
    ...heading(about.filter(Boolean).join(" · "), trace.name(nodeKey(n))),
    node.kind === "primitive" && element("p", { class: "calling" }, ...callText(node, nodeLink)),
    ...remarks,
    section("Its value", valueView(node.value, "value")),
    gradientView(trace, n, link),
    sourceView("Where it was made", node),
  ];
}

function callText(node, nodeLink) {
  const inputs = node.inputs.map((x) =>
    [`${x.argument} = `, x.node === null ? x.text : nodeLink(x.node), x.cut && " ✂"]);
  const options = Object.entries(node.keywords).map(([name, value]) => [`${name} = ${value}`]);
  const parts = [...inputs, ...options].flatMap((part, i) => [i && ", ", ...part]);
  return [`${node.primitive}(`, ...parts.filter(Boolean), ")"];
}

const sourceView = (title, { file, line, text }) => section(title,
  element("p", {}, `${file}:${line}`), element("pre", {}, text || "(no text of this line)"));

function gradientView(trace, n, link) {
  if (!trace.sweep?.cotangents[n]) return null;
  const { all } = trace.arrived(n), own = trace.sweep.edges.filter((edge) => edge.node === n);
  const links = (text, edges, end) => edges.length && element("p", {}, text,
    ...edges.flatMap((edge, i) => [i && ", ", link(trace.name(nodeKey(edge[end])), edge)]));
  const g = trace.cotangent(n), { number } = trace.sweep;
  return section(`The gradient with respect to it${trace.inSweep(number)}`,
    ...sumView(trace, n, link),
    all.length === 1 && links("it comes from ", all, "node"),
    links("it goes on to ", own, "parent"),
    g ? valueView(g, "gradient") : note("not complete yet"));
}

// Where several edges bring cotangents to a node: their sum, with those that have come.
function sumView(trace, n, link) {
  const { all, come } = trace.arrived(n), isComplete = all.length === come.length;
  if (all.length < 2) return [];
  const items = all.map((edge) => element("li", { class: come.includes(edge) && "come" },
    element("span", {}, come.includes(edge) ? `✓ ${brief(edge.d)}` : "… not yet"),
    link(`from ${trace.name(nodeKey(edge.node))}`, edge)));
  return [
    element("p", {}, `It is used ${all.length} times. Each use brings a cotangent. Their sum:`),
    list("sum", items),
    element("p", { class: "total" }, isComplete ? `= ${brief(trace.cotangent(n))}`
      : `${come.length} of ${all.length} have come`),
  ];
}

function edgeView(trace, edge, link, nodeLink) {
  const { node: n, parent, argument, given, g, d, mark, sweep, gain } = edge, node = trace.nodes[n];
  const name = trace.name(nodeKey(n)), to = trace.name(nodeKey(parent));
  const count = trace.sweeps[sweep].edges.length, sum = sumView(trace, parent, link);
  return [
    ...heading(`edge ${edge.number + 1} of ${count}, backward${trace.inSweep(sweep)}`,
      nodeLink(n), " → ", nodeLink(parent)),
    mark && remark(SIGNS[mark.kind], `${mark.kind}: ${mark.text}`),
    section(`In: g, the cotangent of ${name}`, valueView(g, "g")),
    section(`The rule of ${node.primitive} for its input ${argument}`,
      element("pre", { tabindex: 0 }, trace.rules[`${node.primitive} ${argument}`])),
    edge.local && section(`The local derivative, ∂${node.primitive} / ∂${argument}`,
      valueView(edge.local.value, "local derivative"), note(product(edge))),
    given && section("The rule gives", valueView(given, "given"), note("It is summed over the axes "
      + `that were broadcast, from ${tuple(given.shape)} to ${tuple(d.shape)}:`)),
    section(`Out: d, what goes to ${to}`, valueView(d, "d"),
      Number.isFinite(gain) && note(`‖d‖ / ‖g‖ = ${number(gain)}`)),
    sum.length && section(`The sum at ${to}`, ...sum),
    sourceView(`Where ${name} was made`, node),
  ];
}

// How d comes from g and the local derivative: with numbers, if there is one of each.
function product({ g, local, given, d }) {
  const kinds = {
    elementwise: "An element of the output depends on its own element of the input only: "
      + "d = g × this, element by element.",
    row: "The output is one number: d = g × this.",
    matrix: "A row for each element of the output, a column for each of the input: "
      + "d = g × this, a vector times a matrix.",
  };
  const values = [g, local.value, given ?? d];
  if (values.some((value) => elements(value) !== 1)) return kinds[local.kind];
  const [first, second, result] = values.map((value) => number(value.whole[0]));
  return `d = ${first} × ${second} = ${result}`;
}

function callView(trace, key, nodeLink) {
  const isInside = (n) => trace.paths[n].includes(key), all = trace.nodes.map((_, n) => n);
  const inside = all.filter(isInside), uses = all.flatMap((n) => trace.nodes[n].inputs
    .filter((input) => input.node !== null).map((input) => [input.node, n]));
  const into = uses.filter(([from, to]) => !isInside(from) && isInside(to)).map(([from]) => from);
  const out = uses.filter(([from, to]) => isInside(from) && !isInside(to)).map(([from]) => from);
  const leaves = inside.filter((n) => trace.nodes[n].kind === "leaf");
  const item = (n) => {
    const { shape, value } = trace.nodes[n], g = trace.cotangent(n);
    const texts = [shapeText(shape), value && brief(value), g && `g ${brief(g)}`];
    return element("li", {}, nodeLink(n), ` ${texts.filter(Boolean).join(", ")}`);
  };
  const names = (title, nodes) =>
    nodes.length && section(title, list("", [...new Set(nodes)].map(item)));
  const state = trace.isOpen(key) ? "open" : "folded: a click on it, or Enter, opens it";
  return [
    ...heading(`${trace.kind(key)} · ${inside.length} nodes · ${state}`, trace.name(key)),
    leaves.length && section("Its leaves", leafTable(trace, leaves, trace.name(key))),
    names("What goes in", into),
    names("What comes out", out),
  ];
}

function leafTable(trace, leaves, call) {
  const rows = leaves.map((n) => {
    const { shape, value } = trace.nodes[n], g = trace.cotangent(n);
    const cells = [tuple(shape), ...[value, g].map((x) => (x ? number(x.rms, 3) : "–"))];
    return element("tr", {},
      element("th", { scope: "row" }, within(call, trace.name(nodeKey(n)))),
      ...cells.map((text) => element("td", {}, text)));
  });
  const titles = ["leaf", "shape", "rms", "rms of g"];
  const head = titles.map((text) => element("th", { scope: "col" }, text));
  return scrollable("leaves", element("table", {},
    element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)));
}
