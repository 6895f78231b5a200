// Where boxes and edges stand. Rows and routes come from layout.py; here they get their pixels.

const ACROSS = 18, DOWN = 44, PADDING = 14, TITLE = 28, BOX = 46, LANE = 6;

// The boxes of what is visible, by key, and the lanes in which long edges pass.
function place(trace) {
  const sheet = { boxes: new Map(), lanes: new Map() };
  const { width, height, spots } = arrange(trace, 0);
  settle(sheet, "c0", spots, PADDING, PADDING, 0);
  return { ...sheet, width: width + 2 * PADDING, height: height + 2 * PADDING };
}

// The rows inside a call, one under another; `x` is the middle of a spot and `y` its top.
function arrange(trace, call) {
  const { rows, routes } = trace.calls[call];
  const spots = new Map(rows.flat().map((key) =>
    [key, { key, x: 0, y: 0, pull: pullOf(trace, key), ...sizeOf(trace, key) }]));
  const grid = rows.map((row) => row.map((key) => spots.get(key)));
  const above = new Map(), below = new Map();
  for (const route of routes) {
    for (let i = 1; i < route.length; i++) {
      append(above, spots.get(route[i]), spots.get(route[i - 1]));
      append(below, spots.get(route[i - 1]), spots.get(route[i]));
    }
  }
  for (const row of grid) spread(row, new Map());
  for (let turn = 0; turn < 4; turn++) {
    for (const row of grid) spread(row, above);
    for (const row of [...grid].reverse()) spread(row, turn < 3 ? below : above);
  }
  let y = 0;
  for (const row of grid) {
    const tall = Math.max(...row.map((spot) => spot.height));
    for (const spot of row) {
      if (isLane(spot.key)) spot.height = tall;
      spot.y = y + tall - spot.height;
    }
    y += tall + (tall ? DOWN : 0);
  }
  const height = Math.max(0, y - DOWN), all = grid.flat();
  if (spots.has("out")) spots.get("out").y = height + PADDING; // at the lower side of the frame
  const left = Math.min(...all.map((spot) => spot.x - spot.width / 2));
  for (const spot of all) spot.x -= left;
  return { spots, height, width: Math.max(0, ...all.map((spot) => spot.x + spot.width / 2)) };
}

const textWidth = (words) => 7.6 * words.length;

function sizeOf(trace, key) {
  if (isLane(key)) return { width: LANE, height: 0 };
  const first = textWidth(`${trace.title(key).join("")}  ${trace.kind(key)}`);
  if (trace.isOpen(key)) {
    const inner = arrange(trace, idOf(key)), height = inner.height + 2 * PADDING + TITLE;
    return { inner, height, width: Math.max(inner.width + 2 * PADDING, first + 40) };
  }
  const face = trace.face(key), { value } = trace.nodes[face];
  const cotangents = trace.sweeps.map((sweep) => sweep.cotangents[face]).filter(Boolean);
  const texts = cotangents.map((g) => `g ${brief(g)}`.length);
  const second = 7.4 * ((value ? brief(value) : "not kept").length + 2 + Math.max(...texts, 11));
  return { width: Math.max(116, first + 22, second + 20), height: BOX };
}

// Lanes are to be straight, and what leads on to be under what it comes from, rather than a leaf.
function pullOf(trace, key) {
  if (isLane(key)) return 4;
  return isCall(key) || trace.nodes[idOf(key)].kind === "primitive" ? 1 : 0.1;
}

function middle(spots) {
  const total = spots.reduce((sum, spot) => sum + spot.pull, 0);
  return spots.reduce((sum, spot) => sum + spot.pull * spot.x, 0) / total;
}

// Give the spots of a row the middles that are nearest to the mean of their neighbours', in order
// and without overlap: least squares, by pooling spots that would overlap into blocks.
function spread(row, neighbours) {
  const blocks = [];
  let offset = 0;
  row.forEach((spot, i) => {
    if (i) offset += (row[i - 1].width + spot.width) / 2 + ACROSS;
    const near = neighbours.get(spot) ?? [], wish = near.length ? middle(near) : spot.x;
    let block = { spots: [[spot, offset]], weight: spot.pull, mean: wish - offset };
    while (blocks.length && blocks.at(-1).mean > block.mean) {
      const before = blocks.pop(), total = before.weight + block.weight;
      const mean = (before.mean * before.weight + block.mean * block.weight) / total;
      block = { spots: [...before.spots, ...block.spots], weight: total, mean };
    }
    blocks.push(block);
  });
  for (const { spots, mean } of blocks) for (const [spot, shift] of spots) spot.x = mean + shift;
}

// From the places inside each open call to those on the sheet.
function settle(sheet, call, spots, left, top, depth) {
  for (const [key, spot] of spots) {
    const box = { ...spot, x: left + spot.x, y: top + spot.y, depth };
    if (isLane(key)) sheet.lanes.set(`${call} ${key}`, box);
    else sheet.boxes.set(key, box);
    if (!spot.inner) continue;
    const inside = box.x - spot.inner.width / 2;
    settle(sheet, key, spot.inner.spots, inside, box.y + TITLE + PADDING, depth + 1);
  }
}

// The visible edges, from each input to what is made of it; those of folded boxes are one.
function visibleEdges(trace, sheet) {
  const edges = new Map();
  trace.nodes.forEach(({ inputs }, n) => {
    for (const { node, argument, cut } of inputs.filter((input) => input.node !== null)) {
      const [a, b] = [trace.unit(node), trace.unit(n)];
      const key = isCall(a) || isCall(b) ? `${a} ${b}` : `${a} ${b} ${argument}`;
      if (a === b) continue;
      if (!edges.has(key)) {
        edges.set(key, { a, b, uses: [], lanes: lanesOf(trace, sheet, node, n) });
      }
      edges.get(key).uses.push({ node: n, parent: node, argument, cut });
    }
  });
  setEnds(sheet, [...edges.values()]);
  return [...edges.values()];
}

// The lanes of an edge: up out of the calls around `from`, across, and down to `to`. None if it
// has no route.
function lanesOf(trace, sheet, from, to) {
  const above = trace.paths[from], below = trace.paths[to];
  let depth = 1;
  while (above[depth] === below[depth]) depth++;
  const folded = (path) => path.findIndex((key, i) => i >= depth && !trace.isOpen(key));
  const legs = [[above[depth - 1], above[depth], below[depth]]];
  for (let i = depth; i < folded(above); i++) legs.unshift([above[i], above[i + 1], "out"]);
  for (let i = depth; i < folded(below); i++) legs.push([below[i], "in", below[i + 1]]);
  const routes = legs.map((leg) => trace.routes.get(leg.join(" ")));
  if (!routes.every(Boolean)) return null;
  return routes.flatMap((route, i) =>
    route.filter(isLane).map((key) => sheet.lanes.get(`${legs[i][0]} ${key}`)));
}

// Spread the ends of edges along the lower and the upper sides of their boxes.
function setEnds(sheet, edges) {
  const sides = [["a", "b", (box) => box.y + box.height], ["b", "a", (box) => box.y]];
  for (const [side, other, y] of sides) {
    const groups = new Map();
    for (const edge of edges) append(groups, edge[side], edge);
    for (const [key, group] of groups) {
      const box = sheet.boxes.get(key), step = Math.min(24, (box.width * 0.7) / group.length);
      const next = (edge) => edge.lanes?.at(side === "a" ? 0 : -1) ?? sheet.boxes.get(edge[other]);
      group.sort((one, two) => next(one).x - next(two).x);
      group.forEach((edge, i) => {
        const x = box.x + step * (i - (group.length - 1) / 2);
        edge[side === "a" ? "begin" : "end"] = { x, y: y(box), height: 0 };
      });
    }
  }
}

// A curve that is upright at each spot, and straight along a lane.
function curve(edge) {
  let before = edge.begin, path = `M${before.x},${before.y}`;
  for (const spot of [...(edge.lanes ?? []), edge.end]) {
    const bend = (before.y + before.height + spot.y) / 2;
    path += `C${before.x},${bend} ${spot.x},${bend} ${spot.x},${spot.y}`;
    if (spot.height) path += `v${spot.height}`;
    before = spot;
  }
  return path;
}
