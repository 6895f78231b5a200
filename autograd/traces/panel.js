// What is in hand, beside the graph: a node, a call of a module, or an edge of a sweep.

function panelView(trace, choose) {
  const hand = trace.hand;
  if (!hand) return overview(trace, choose);
  if (hand.edge !== undefined) return edgeView(trace, hand, choose);
  return hand.key[0] === "c" ? callView(trace, hand.key, choose) : nodeView(trace, hand.key, choose);
}

// Before the first step: how much there is, and what is to be remarked.
function overview(trace, choose) {
  const edges = trace.sweeps.map((sweep) => sweep.edges.length);
  const passes = edges.map((count, i) => `sweep ${i + 1} passes ${count} edges`);
  const found = trace.sweeps.flatMap(({ edges }, sweep) => edges.flatMap((edge, e) => (edge.mark ?
    [element("li", {}, `${SIGNS[edge.mark.kind]} `, link(`${nameOf(trace, `n${edge.node}`)} → ${nameOf(trace, `n${edge.parent}`)}`, { sweep, edge: e }, choose), `: ${edge.mark.kind}`)] : [])));
  return [element("h2", {}, trace.heading), element("p", {}, `${trace.nodes.length} nodes; ${passes.join(", ")}.`),
    element("p", {}, "Step with the arrow keys, play, or choose a box of the graph."),
    found.length ? section("Gradients with a remark", element("ul", { class: "remarks" }, ...found)) : ""];
}

const section = (title, ...children) =>
  element("section", {}, element("h3", {}, ...[title].flat()), ...children);

const link = (words, hand, choose) => element("button", { class: "link", onclick: () => choose(hand) }, words);

const nodeLink = (trace, n, choose) => link(nameOf(trace, `n${n}`), { key: `n${n}` }, choose);

function sourceView(node) {
  return element("div", { class: "source" }, element("p", {}, `${node.file}:${node.line}`),
    element("pre", {}, node.text || "(no text of this line)"));
}

function nodeView(trace, key, choose) {
  const n = +key.slice(1), node = trace.nodes[n], inside = trace.calls[node.call].name;
  const kinds = { leaf: "a leaf", constant: "a constant: nothing is recorded", primitive: "made by a primitive" };
  const about = [kinds[node.kind], shapeText(node.shape), node.dtype];
  if (inside) about.push(`in ${inside}`);
  const view = [element("h2", {}, nameOf(trace, key)), element("p", { class: "about" }, about.join(" · "))];
  if (node.kind === "primitive") view.push(element("p", { class: "calling" }, ...callText(trace, node, choose)));
  if (!node.recorded && node.kind === "primitive") {
    view.push(remark("no gradient", "It was made without recording, so no gradient goes through it."));
  }
  for (const input of node.inputs.filter((x) => x.cut)) {
    view.push(remark("✂", `It takes the value of ${nameOf(trace, `n${input.node}`)}, but cut: the gradient does not go there.`));
  }
  view.push(section("Its value", valueView(node.value, "value")));
  return [...view, ...gradientView(trace, n, choose), section("Where it was made", sourceView(node))];
}

function callText(trace, node, choose) {
  const parts = [`${node.primitive}(`];
  node.inputs.forEach((x, i) => {
    parts.push(`${i ? ", " : ""}${x.argument} = `);
    parts.push(x.node === null ? x.text : nodeLink(trace, x.node, choose), x.cut ? " ✂" : "");
  });
  const options = Object.entries(node.keywords).map(([name, value]) => `${name} = ${value}`);
  return [...parts, options.length && node.inputs.length ? ", " : "", options.join(", "), ")"];
}

const remark = (sign, words) =>
  element("p", { class: "remark" }, element("span", { class: "sign" }, sign), ` ${words}`);

function gradientView(trace, n, choose) {
  const sweep = sweepNow(trace);
  if (isUnreached(trace, n)) return [remark("∅", "No gradient reached it: the loss was not made of it, or what was made of it was cut.")];
  if (sweep < 0 || !trace.sweeps[sweep].cotangents[n]) return [];
  const { edges, brings } = trace.sweeps[sweep], own = [...edges.keys()].filter((e) => edges[e].node === n);
  const links = (words, list, end) => (list.length ? element("p", {}, words, ...list.flatMap((e, i) =>
    [i ? ", " : "", link(nameOf(trace, `n${edges[e][end]}`), { sweep, edge: e }, choose)])) : "");
  const from = brings.get(n) ?? [];
  return [section(`The gradient with respect to it${sweepName(trace, sweep)}`,
    ...sumView(trace, sweep, n, choose),
    from.length === 1 ? links("it comes from ", from, "node") : "", links("it goes on to ", own, "parent"),
    hasCotangent(trace, sweep, n) ? valueView(trace.sweeps[sweep].cotangents[n], "gradient")
      : element("p", { class: "none" }, "not complete yet"))];
}

const sweepName = (trace, sweep) => (trace.sweeps.length > 1 ? `, in sweep ${sweep + 1}` : "");

// Where several edges bring cotangents to a node: their sum, with those that have come.
function sumView(trace, sweep, n, choose) {
  const { all, come } = arrived(trace, sweep, n), edges = trace.sweeps[sweep].edges;
  if (all.length < 2) return [];
  const total = trace.sweeps[sweep].cotangents[n];
  const terms = all.map((e) => {
    const has = come.includes(e), name = nameOf(trace, `n${edges[e].node}`);
    return element("li", { class: has ? "come" : "" },
      element("span", {}, has ? `✓ ${brief(edges[e].d)}` : "… not yet"),
      link(`from ${name}`, { sweep, edge: e }, choose));
  });
  const sum = come.length === all.length ? `= ${brief(total)}` : `${come.length} of ${all.length} have come`;
  return [element("p", {}, `It is used ${all.length} times. Each use brings a cotangent, and they are added:`),
    element("ul", { class: "sum" }, ...terms), element("p", { class: "total" }, sum)];
}

function edgeView(trace, { sweep, edge: e }, choose) {
  const edge = trace.sweeps[sweep].edges[e], node = trace.nodes[edge.node], parent = `n${edge.parent}`;
  const name = nameOf(trace, `n${edge.node}`), to = nameOf(trace, parent);
  const view = [
    element("h2", {}, nodeLink(trace, edge.node, choose), " → ", nodeLink(trace, edge.parent, choose)),
    element("p", { class: "about" }, `edge ${e + 1} of ${trace.sweeps[sweep].edges.length} of the backward pass${sweepName(trace, sweep)}`)];
  if (edge.mark) view.push(remark(SIGNS[edge.mark.kind], `${edge.mark.kind}: ${edge.mark.text}`));
  view.push(section(["In: ", symbol("g"), `, the cotangent of ${name}`], valueView(edge.g, "g")));
  const rule = trace.rules[`${node.primitive} ${edge.argument}`];
  view.push(section(`The rule of ${node.primitive} for its input ${edge.argument}`, element("pre", { tabindex: 0 }, rule)));
  if (edge.local) view.push(localView(node, edge));
  if (edge.given) {
    view.push(section("The rule gives", valueView(edge.given, "given")));
    const [before, after] = [edge.given.shape, edge.d.shape].map(tuple);
    view.push(element("p", { class: "note" }, `summed over the axes that were broadcast, from ${before} to ${after}:`));
  }
  view.push(section(["Out: ", symbol("d"), `, what goes to ${to}`], valueView(edge.d, "d"), gainView(edge)));
  const sum = sumView(trace, sweep, edge.parent, choose);
  if (sum.length) view.push(section(`The sum at ${to}`, ...sum));
  view.push(section(`Where ${name} was made`, sourceView(node)));
  return view;
}

const symbol = (letter) => element("var", {}, letter);

function localView(node, edge) {
  const kinds = {
    elementwise: "Each element of the output depends on its own element of the input: d = g × this, element by element.",
    row: "The output is one number: d = g × this.",
    matrix: "A row for each element of the output, a column for each of the input: d = g × this, a vector times a matrix.",
  };
  const scalars = [edge.g, edge.local.value, edge.given ?? edge.d].map((value) => value.whole?.length === 1 && number(value.whole[0]));
  const words = scalars.every(Boolean) ? `d = ${scalars[0]} × ${scalars[1]} = ${scalars[2]}` : kinds[edge.local.kind];
  return section(`The local derivative, ∂${node.primitive} / ∂${edge.argument}`,
    valueView(edge.local.value, "local derivative"), element("p", { class: "note" }, words));
}

function gainView(edge) {
  if (!Number.isFinite(edge.gain)) return null;
  return element("p", { class: "note" }, `‖d‖ / ‖g‖ = ${number(edge.gain)}`);
}

function callView(trace, key, choose) {
  const c = +key.slice(1), call = trace.calls[c], sweep = sweepNow(trace);
  const inside = trace.nodes.map((_, n) => n).filter((n) => trace.path(n).includes(key));
  const leaves = inside.filter((n) => trace.nodes[n].kind === "leaf");
  const isIn = new Set(inside);
  const into = [...new Set(inside.flatMap((n) => trace.nodes[n].inputs.map((x) => x.node)))].filter((n) => n !== null && !isIn.has(n));
  const out = inside.filter((n) => trace.nodes.some((node, i) => !isIn.has(i) && node.inputs.some((x) => x.node === n)));
  const names = (list) => element("ul", {}, ...list.map((n) => element("li", {}, nodeLink(trace, n, choose), ` ${shapeText(trace.nodes[n].shape)}`,
    trace.nodes[n].value ? `, ${brief(trace.nodes[n].value)}` : "",
    hasCotangent(trace, sweep, n) ? `, g ${brief(trace.sweeps[sweep].cotangents[n])}` : "")));
  const view = [element("h2", {}, call.name), element("p", { class: "about" }, `${kindOf(trace, c)} · ${inside.length} nodes · ${trace.open.has(c) ? "open" : "folded: a click on it, or Enter, opens it"}`)];
  if (leaves.length) view.push(section("Its leaves", leafTable(trace, leaves, sweep, call.name)));
  if (into.length) view.push(section("What goes in", names(into)));
  if (out.length) view.push(section("What comes out", names(out)));
  return view;
}

function leafTable(trace, leaves, sweep, outer) {
  const rows = leaves.map((n) => {
    const node = trace.nodes[n], g = hasCotangent(trace, sweep, n) ? trace.sweeps[sweep].cotangents[n] : null;
    const cells = [within(outer, nameOf(trace, `n${n}`)), tuple(node.shape), node.value ? number(node.value.rms) : "", g ? number(g.rms) : "–"];
    return element("tr", {}, element("th", { scope: "row" }, cells[0]), ...cells.slice(1).map((x) => element("td", {}, x)));
  });
  const head = ["leaf", "shape", "rms", "rms of its gradient"].map((x) => element("th", { scope: "col" }, x));
  return element("div", { class: "table leaves", tabindex: 0, role: "region", "aria-label": "leaves" },
    element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)));
}
