// Where boxes and edges stand. Rows and routes come from layout.py; here they get their pixels.

const ACROSS = 18, DOWN = 38, PADDING = 14, TITLE = 28, BOX = 46, LANE = 6;

// The boxes of what is visible, by key, and the places where long edges pass.
function place(trace) {
  const boxes = new Map(), lanes = new Map();
  const { width, height, spots } = arrange(trace, 0);
  settle(trace, 0, spots, PADDING, PADDING, boxes, lanes, 0);
  return { boxes, lanes, width: width + 2 * PADDING, height: height + 2 * PADDING };
}

function arrange(trace, call) {
  const { rows, routes } = trace.calls[call];
  const spots = new Map(rows.flat().map((key) => [key, { key, ...sizeFor(trace, key), x: 0, y: 0 }]));
  const grid = rows.map((row) => row.map((key) => spots.get(key)));
  const above = new Map(), below = new Map();
  for (const route of routes) {
    for (let i = 1; i < route.length; i++) {
      const [a, b] = [spots.get(route[i - 1]), spots.get(route[i])];
      above.set(b, [...(above.get(b) ?? []), a]);
      below.set(a, [...(below.get(a) ?? []), b]);
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
      spot.y = isLane(spot) ? y : y + tall - spot.height;
      if (isLane(spot)) spot.height = tall;
    }
    y += tall + (tall ? DOWN : 0);
  }
  const left = Math.min(...grid.flat().map((spot) => spot.x - spot.width / 2));
  for (const spot of spots.values()) spot.x -= left;
  const width = Math.max(...grid.flat().map((spot) => spot.x + spot.width / 2));
  const height = Math.max(0, y - DOWN);
  if (spots.has("out")) spots.get("out").y = height + PADDING; // at the lower side of the frame
  return { spots, width, height };
}

const isLane = (spot) => "vio".includes(spot.key[0]);

function sizeFor(trace, key) {
  const n = +key.slice(1);
  if ("vio".includes(key[0])) return { width: LANE, height: 0 };
  if (key[0] === "c" && trace.open.has(n)) {
    const inner = arrange(trace, n), title = textWidth(titleOf(trace, key).join("")) + 40;
    return { inner, width: Math.max(inner.width + 2 * PADDING, title),
      height: inner.height + 2 * PADDING + TITLE };
  }
  const isCall = key[0] === "c", face = trace.face(key), first = `${titleOf(trace, key).join("")}  ${isCall ? kindOf(trace, n) : boxShape(trace.nodes[n])}`;
  const { value } = trace.nodes[face], second = `${value ? brief(value) : "not kept"}  `;
  const gradients = trace.sweeps.map((sweep) => sweep.cotangents[face]).filter(Boolean);
  const longest = Math.max(...gradients.map((g) => brief(g).length + 2), gradients.length ? 9 : 11);
  return { width: Math.max(116, textWidth(first) + 22, 7.4 * (second.length + longest) + 20), height: BOX };
}

const textWidth = (text) => 7.6 * text.length;

// Give the boxes of a row the middles that are nearest to the mean of their neighbours', in order
// and without overlap: least squares, by pooling boxes that would overlap into blocks.
function spread(row, neighbours) {
  const blocks = [];
  let offset = 0;
  row.forEach((spot, i) => {
    if (i) offset += (row[i - 1].width + spot.width) / 2 + ACROSS;
    const near = neighbours.get(spot) ?? [];
    const wish = near.length ? near.reduce((sum, other) => sum + other.x, 0) / near.length : spot.x;
    const weight = near.length ? (isLane(spot) ? 4 : 1) : 0.1;
    let block = { spots: [[spot, offset]], weight, mean: wish - offset };
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
function settle(trace, call, spots, left, top, boxes, lanes, depth) {
  for (const [key, spot] of spots) {
    const box = { ...spot, x: left + spot.x, y: top + spot.y, depth };
    if (isLane(spot)) lanes.set(`${call} ${key}`, box);
    else boxes.set(key, box);
    if (spot.inner) {
      const middle = box.x - spot.inner.width / 2;
      settle(trace, +key.slice(1), spot.inner.spots, middle, box.y + TITLE + PADDING, boxes, lanes, depth + 1);
    }
  }
}

// The visible edges: from each input to what is made of it, those of folded boxes as one.
function visibleEdges(trace, sheet) {
  const edges = new Map();
  trace.nodes.forEach((node, n) => {
    for (const { node: from, argument, cut } of node.inputs) {
      if (from === null) continue;
      const a = trace.unit(from), b = trace.unit(n);
      if (a === b) continue;
      const key = a[0] + b[0] === "nn" ? `${a} ${b} ${argument}` : `${a} ${b}`;
      if (!edges.has(key)) edges.set(key, newEdge(trace, sheet, key, from, n));
      edges.get(key).uses.push({ node: n, parent: from, argument, cut });
    }
  });
  ports(sheet, [...edges.values()]);
  return [...edges.values()];
}

function newEdge(trace, sheet, key, from, to) {
  const spots = points(trace, sheet, from, to);
  return { key, a: trace.unit(from), b: trace.unit(to), uses: [], points: spots ?? [], isRouted: spots !== null };
}

// The spots that an edge passes on its way, from call to call.
function points(trace, sheet, from, to) {
  const above = trace.path(from), below = trace.path(to);
  let depth = 1, isRouted = true;
  while (above[depth] === below[depth]) depth++;
  const found = [];
  const walk = (outer, first, last) => {
    const route = trace.routes.get(`${outer} ${first} ${last}`) ?? null;
    isRouted &&= route !== null;
    found.push(...(route ?? []).filter((key) => "vio".includes(key[0])).map((key) => sheet.lanes.get(`${outer} ${key}`)));
  };
  const isOpen = (key) => key[0] === "c" && trace.open.has(+key.slice(1));
  for (let i = above.length - 2; i >= depth; i--) {
    if (above.slice(depth, i + 1).every(isOpen)) walk(+above[i].slice(1), above[i + 1], "out");
  }
  walk(+above[depth - 1].slice(1), above[depth], below[depth]);
  for (let i = depth; i < below.length - 1 && isOpen(below[i]); i++) walk(+below[i].slice(1), "in", below[i + 1]);
  return isRouted ? found.filter(Boolean) : null;
}

// Spread the ends of edges along the top and the bottom of their boxes.
function ports(sheet, edges) {
  for (const [end, y] of [["a", (box) => box.y + box.height], ["b", (box) => box.y]]) {
    const groups = new Map();
    for (const edge of edges) groups.set(edge[end], [...(groups.get(edge[end]) ?? []), edge]);
    for (const [key, group] of groups) {
      const box = sheet.boxes.get(key);
      const far = (edge) => {
        const points = end === "a" ? edge.points[0] : edge.points.at(-1);
        return (points ?? sheet.boxes.get(edge[end === "a" ? "b" : "a"])).x;
      };
      group.sort((one, other) => far(one) - far(other));
      const step = Math.min(24, (box.width * 0.7) / group.length);
      group.forEach((edge, i) => {
        edge[`${end}Point`] = { x: box.x + step * (i - (group.length - 1) / 2), y: y(box), height: 0 };
      });
    }
  }
}

// A curve that is upright at each spot, and straight along the height of a lane.
function curve(edge) {
  const spots = [edge.aPoint, ...edge.points, edge.bPoint];
  let path = `M${spots[0].x},${spots[0].y}`;
  for (let i = 1; i < spots.length; i++) {
    const before = spots[i - 1], spot = spots[i];
    const bottom = before.y + before.height, bend = (bottom + spot.y) / 2;
    path += `C${before.x},${bend} ${spot.x},${bend} ${spot.x},${spot.y}`;
    if (spot.height) path += `V${spot.y + spot.height}`;
  }
  return path;
}
