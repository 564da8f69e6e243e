// Draws the lanes. Everything is placed at zoom 1 by the axis and then multiplied by the zoom.

const SVG = "http://www.w3.org/2000/svg";
const NAMES = 62, AXIS = 22, ROW = 18, SERVER = 104, OP = 18, RADIUS = 9;
const LETTERS = { leader: "L", candidate: "c", follower: "f", up: "up", down: "x" };

function el(parent, name, attributes = {}, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined && value !== "") node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

// About how wide a text is drawn.
const textWidth = (text, size = 11) => text.length * size * .58;

// A text in the room from `x` on, cut if it is too long, left out if there is hardly any.
function label(parent, x, y, room, text, attributes = {}) {
  const size = attributes.class && attributes.class.includes("small") ? 9 : 11;
  const fits = Math.floor((room - 4) / (size * .58));
  if (fits < Math.min(4, text.length)) return;
  const shown = fits >= text.length ? text : text.slice(0, fits - 1) + "\u2026";
  const node = el(parent, "text", { x: x + 3, y, ...attributes }, shown);
  // Where it may stand when its beginning is scrolled out of sight.
  node.dataset.from = x + 3;
  node.dataset.to = Math.max(x + 3, x + room - textWidth(shown, size) - 3);
  return node;
}

// Moves the texts of long bars to where they can be seen.
function keepInSight(svg, left) {
  for (const node of svg.querySelectorAll("text[data-from]")) {
    node.setAttribute("x", Math.min(Math.max(node.dataset.from, left + 4), node.dataset.to));
  }
}

// Puts intervals into rows so that none overlap; returns the row of each, and how many rows there are.
function pack(intervals) {
  const ends = [];
  const rows = intervals.map(([from, to]) => {
    let row = ends.findIndex((end) => end + 4 <= from);
    if (row < 0) row = ends.push(0) - 1;
    ends[row] = to;
    return row;
  });
  return [rows, ends.length];
}

// Pixels of a time label.
const LABEL = 74;

// Where each lane is, from top to bottom: faults, servers, clients.
function layout(picture, axis, zoom) {
  const x = (at) => place(axis, at) * zoom;
  const width = axis.width * zoom;
  const boxes = (items, from, to, text) => items.map((item) => {
    const start = x(from(item)), end = x(to(item));
    return [start, Math.max(end, Math.min(start + textWidth(text(item)) + 34, width - 2), start + 6)];
  });
  const bandBoxes = boxes(picture.bands, (b) => b.from, (b) => b.to, (b) => b.text);
  const [bandRows, bandCount] = pack(bandBoxes);
  let y = AXIS;
  const hasWorld = bandCount > 0 || picture.marks.some((mark) => !mark.lanes.length);
  const world = { y, height: hasWorld ? Math.max(1, bandCount) * ROW + 26 : 6 };
  y += world.height;
  const lanes = new Map(), operations = new Map(), order = placesInOrder(picture);
  for (const lane of picture.lanes) {
    if (lane.kind === "server") {
      lanes.set(lane.id, { y, height: SERVER, middle: y + 37 });
      y += SERVER;
      continue;
    }
    const own = picture.operations.map((op, index) => ({ op, index })).filter(({ op }) => op.lane === lane.id);
    const spans = boxes(own, ({ op }) => op.called, ({ op }) => op.returned ?? picture.to, ({ op }) => opLabel(op, order));
    const [rows, count] = pack(spans);
    const height = 30 + Math.max(1, count) * OP;
    own.forEach(({ index }, at) => operations.set(index, { y: y + 28 + rows[at] * OP, span: spans[at] }));
    lanes.set(lane.id, { y, height, middle: y + 14 });
    y += height;
  }
  return { x, width, world, bandBoxes, bandRows, lanes, operations, height: y + 16 };
}

// What stands in or beside the bar of an operation: its place in the explained order, if it has one, and what it saw.
const opLabel = (op, order) => `${order.has(op.index) ? `${order.get(op.index)}. ` : ""}${op.text}: ${op.result}`;

// The place of each operation in the longest order that explains answers, from 1.
const placesInOrder = (picture) => new Map((picture.explained_order ?? []).map((index, at) => [index, at + 1]));

function draw(picture, axis, zoom) {
  const at = layout(picture, axis, zoom);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("width", Math.ceil(at.width));
  svg.setAttribute("height", at.height);
  svg.setAttribute("role", "group");
  svg.setAttribute("aria-label", `Lanes of ${picture.lanes.map((lane) => lane.id).join(", ")} over time`);
  const defs = el(svg, "defs");
  const hatch = el(defs, "pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  el(hatch, "rect", { width: 2, height: 6, class: "down" });
  const head = el(defs, "marker", { id: "head", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" });
  el(head, "path", { d: "M0 0L8 4L0 8z", class: "head" });
  drawTime(svg, picture, axis, zoom, at);
  for (const lane of picture.lanes) if (lane.kind === "server") drawServer(svg, picture, lane, at);
  for (const lane of picture.lanes) el(svg, "rect", { class: "lane", x: 0, y: at.lanes.get(lane.id).y, width: at.width, height: at.lanes.get(lane.id).height, "data-lane": lane.id });
  drawBands(svg, picture, at);
  const places = placeMarks(picture, axis, zoom, at);
  drawOperations(svg, picture, at);
  drawArrows(svg, picture, at, places);
  drawMarks(svg, picture, at, places, zoom);
  drawClash(svg, picture, at, places);
  return { svg, at, places };
}

function drawTime(svg, picture, axis, zoom, at) {
  for (const gap of axis.gaps) {
    const x = gap.from * zoom, width = (gap.to - gap.from) * zoom;
    el(svg, "rect", { class: "gap", x: x + 8 * zoom, y: 0, width: width - 16 * zoom, height: at.height });
  }
  // The times of the clash always have a label; others where there is room.
  const taken = [];
  const label = (time, x, kind) => {
    const from = Math.min(x, at.width - LABEL);
    if (from < 0 || taken.some((other) => Math.abs(other - from) < LABEL)) return;
    taken.push(from);
    el(svg, "line", { class: `tick${kind}`, x1: x, x2: x, y1: 14, y2: at.height });
    el(svg, "text", { class: `small${kind}`, x: from + 2, y: 11 }, seconds(time));
  };
  const drawn = picture.clash.filter((side) => side.at >= picture.from && side.at <= picture.to);
  for (const side of [...drawn].reverse()) label(side.at, side.mark !== undefined && axis.xOfMark.has(side.mark) ? axis.xOfMark.get(side.mark) * zoom : at.x(side.at), " clash-time");
  for (const [time, place] of axis.knots) if (place * zoom + 66 <= at.width) label(time, place * zoom, "");
  for (const gap of axis.gaps) {
    const middle = (gap.from + gap.to) / 2 * zoom, text = roughly(gap.time);
    if ((gap.to - gap.from) * zoom < textWidth(text, 9) + 8) continue;
    el(svg, "text", { class: "small gap-text", x: middle, y: at.height - 4, "text-anchor": "middle" }, `\u22EF ${text}`);
  }
}

// The role as a coloured ribbon with its letter; commit index and durable index as steps; syncs as bars.
function drawServer(svg, picture, lane, at) {
  const { y } = at.lanes.get(lane.id);
  const states = picture.states.filter((state) => state.lane === lane.id);
  const spans = (key) => {
    const list = [];
    states.forEach((state, i) => {
      const value = key(state), from = at.x(state.at);
      const to = i + 1 < states.length ? at.x(states[i + 1].at) : at.x(picture.to);
      if (list.length && list.at(-1).value === value) list.at(-1).to = to;
      else list.push({ value, state, from, to });
    });
    return list;
  };
  for (const { state, from, to } of spans((s) => `${s.role} ${s.term ?? ""}`)) {
    const width = Math.max(to - from, 1);
    const term = state.term === undefined || state.role === "down" ? "" : ` term ${state.term}`;
    const group = el(svg, "g");
    el(group, "title", {}, `${lane.id}: ${state.role}${term} from ${seconds(state.at)}`);
    el(group, "rect", { class: state.role, x: from, y: y + 2, width, height: 15 });
    if (state.role === "down") el(group, "rect", { class: "gone", x: from, y: y + 17, width, height: SERVER - 19 });
    const long = `${LETTERS[state.role]} ${state.role}${term}`, short = `${LETTERS[state.role]}${term}`;
    const text = textWidth(long) + 6 <= width ? long : textWidth(short) + 6 <= width ? short : LETTERS[state.role];
    label(group, from, y + 13, width, text, { class: `on-${state.role}` });
  }
  drawSteps(svg, spans((s) => s.commit), y + 58, "commit index");
  drawSteps(svg, spans((s) => s.durable), y + 77, "last index on disk");
  for (const sync of picture.syncs.filter((sync) => sync.lane === lane.id)) {
    const from = at.x(sync.from), width = Math.max(at.x(sync.to) - from, 1.5);
    const bar = el(svg, "rect", { class: `sync${sync.failed ? " failed" : ""}`, x: from, y: y + 96, width, height: 5 });
    el(bar, "title", {}, `${lane.id}: disk sync from ${seconds(sync.from)} to ${seconds(sync.to)}${sync.failed ? ", FAILED" : ""}`);
  }
}

function drawSteps(svg, spans, y, what) {
  const values = spans.map((span) => span.value), least = Math.min(...values), most = Math.max(...values);
  const level = (value) => y + 16 - (most > least ? (value - least) / (most - least) : 0) * 13;
  let path = "", free = -1;
  for (const { value, from, to } of spans) {
    path += `${path ? "L" : "M"}${from} ${level(value)}H${to}`;
    const text = String(value);
    if (from >= free && to - from >= textWidth(text, 9) + 3) {
      // Above the line where there is room, else below.
      const below = level(value) - 9 < y;
      el(svg, "text", { class: "small", x: from + 2, y: below ? level(value) + 9 : level(value) - 2 }, text);
      free = from + textWidth(text, 9) + 4;
    }
  }
  if (path) el(el(svg, "path", { class: "step", d: path }), "title", {}, what);
}

function drawBands(svg, picture, at) {
  picture.bands.forEach((band, index) => {
    const from = at.x(band.from), to = Math.max(at.x(band.to), from + 2);
    const concerned = band.lanes.length ? band.lanes : picture.lanes.filter((lane) => lane.kind === "server").map((lane) => lane.id);
    for (const id of concerned) {
      const lane = at.lanes.get(id);
      if (lane) el(svg, "rect", { class: `shade ${band.kind}`, x: from, y: lane.y + 1, width: to - from, height: lane.height - 2 });
    }
    const y = at.world.y + at.bandRows[index] * ROW, [start, end] = at.bandBoxes[index];
    const group = el(svg, "g", { class: "item band", tabindex: 0, role: "img", "data-band": index, "aria-label": bandText(band) });
    el(group, "title", {}, bandText(band));
    el(group, "rect", { class: "band-box bar-box", x: from, y: y + 1, width: to - from, height: ROW - 4, rx: 2 });
    label(group, start, y + 12, end - start + 4, band.text);
  });
}

const bandText = (band) => `${band.number ? `fault ${band.number}: ` : ""}${band.text}, from ${seconds(band.from)} ${band.open ? "on" : band.to > band.from ? `to ${seconds(band.to)}` : "(at once)"}`;

// Where each mark of the slice is drawn: on all its lanes, at one x.
function placeMarks(picture, axis, zoom, at) {
  return picture.marks.map((mark, index) => {
    const x = axis.xOfMark.has(index) ? axis.xOfMark.get(index) * zoom : at.x(mark.at);
    const ys = mark.lanes.map((id) => at.lanes.get(id)).filter(Boolean).map((lane) => lane.middle);
    return { x, ys: ys.length ? ys : [at.world.y + at.world.height - 12] };
  });
}

function drawArrows(svg, picture, at, places) {
  const markAt = new Map();
  picture.marks.forEach((mark, index) => mark.lanes.forEach((lane) => markAt.set(`${mark.step} ${lane}`, index)));
  const faint = {}, drawn = new Set();
  picture.arrows.forEach((arrow, index) => {
    const from = at.lanes.get(arrow.from), to = at.lanes.get(arrow.to);
    if (!from || !to) return;
    const sender = markAt.get(`${arrow.cause} ${arrow.from}`), receiver = markAt.get(`${arrow.step} ${arrow.to}`);
    const x1 = sender === undefined ? at.x(arrow.sent) : places[sender].x;
    const end = arrow.at === undefined ? x1 + 16 : receiver === undefined ? at.x(arrow.at) : places[receiver].x;
    const y1 = from.middle, full = to.middle - y1;
    let [x2, y2] = [end, arrow.at === undefined ? y1 + full * .45 : to.middle];
    if (receiver !== undefined && picture.marks[receiver].in_slice) {
      // The head ends at the rim of its mark.
      const length = Math.hypot(x2 - x1, y2 - y1) || 1, rest = Math.max(0, length - RADIUS - 1) / length;
      [x2, y2] = [x1 + (x2 - x1) * rest, y1 + (y2 - y1) * rest];
    }
    let d = `M${x1.toFixed(1)} ${y1}L${x2.toFixed(1)} ${y2.toFixed(1)}`;
    if (arrow.at === undefined) d += `m-4 -4l8 8m0 -8l-8 8`;
    const fate = arrow.fate ?? "delivered";
    if (!arrow.in_slice) {
      // Where time is compressed, a few stand for many.
      const place = `${fate} ${arrow.from} ${arrow.to} ${Math.round(x1 / 5)}`;
      if (!drawn.has(place)) faint[fate] = (faint[fate] ?? "") + d;
      drawn.add(place);
      return;
    }
    const path = el(svg, "path", { class: `arrow slice ${fate}`, d, "marker-end": arrow.at === undefined ? undefined : "url(#head)", "data-arrow": index, "data-step": arrow.step });
    el(path, "title", {}, arrowText(arrow));
  });
  for (const [fate, d] of Object.entries(faint)) svg.insertBefore(el(svg, "path", { class: `arrow faint ${fate}`, d }), svg.querySelector(".slice"));
}

const arrowText = (arrow) => `${arrow.from} \u2192 ${arrow.to}: ${arrow.text}, sent ${seconds(arrow.sent)}, ${arrow.at === undefined ? "lost" : `arrives ${seconds(arrow.at)}`}${arrow.fate && arrow.fate !== "lost" ? `, ${arrow.fate}` : ""}`;

function drawMarks(svg, picture, at, places, zoom) {
  const numbers = numbersOf(picture);
  const radius = Math.max(3, Math.min(RADIUS, RADIUS * zoom));
  picture.marks.forEach((mark, index) => {
    const { x, ys } = places[index];
    if (!mark.in_slice) {
      for (const y of ys) el(el(svg, "circle", { class: "dot faint", cx: x, cy: y, r: 2.2 }), "title", {}, mark.text);
      return;
    }
    const group = el(svg, "g", { class: `mark item${mark.in_clash ? " in-clash" : ""}`, tabindex: -1, role: "img", "data-mark": index, "aria-label": markText(mark, numbers.get(index)) });
    el(group, "title", {}, markText(mark, numbers.get(index)));
    if (ys.length > 1) el(group, "line", { class: "joins", x1: x, x2: x, y1: Math.min(...ys), y2: Math.max(...ys) });
    for (const y of ys) {
      const r = radius + 1.5;
      if (mark.in_clash) el(group, "path", { class: "dot clash", d: `M${x} ${y - r}L${x + r} ${y}L${x} ${y + r}L${x - r} ${y}z` });
      else el(group, "circle", { class: "dot", cx: x, cy: y, r: radius });
      const size = [10, 10, 10, 8, 6.5, 5][String(numbers.get(index)).length] ?? 5;
      if (radius > 7) el(group, "text", { x, y: y + 3.5, style: `font-size:${size}px` }, String(numbers.get(index)));
    }
  });
}

// The events of the slice, numbered from 1.
function numbersOf(picture) {
  const numbers = new Map();
  picture.marks.forEach((mark, index) => { if (mark.in_slice) numbers.set(index, numbers.size + 1); });
  return numbers;
}

const markText = (mark, number) => `${number}. ${seconds(mark.at)} ${mark.lanes.join(", ")}: ${mark.text}${mark.in_clash ? " (side of the clash)" : ""}`;

// The sides of the clash, joined.
function drawClash(svg, picture, at, places) {
  const sides = [...new Set(picture.clash.map((side) => side.mark).filter((mark) => mark !== undefined))];
  for (let i = 1; i < sides.length; i++) {
    const a = places[sides[i - 1]], b = places[sides[i]];
    const [y1, y2] = [a.ys[0], b.ys[0]];
    const bend = Math.abs(b.x - a.x) < 30 ? 24 : 0;
    const line = el(svg, "path", { class: "clash-line", d: `M${a.x} ${y1}Q${(a.x + b.x) / 2 + bend} ${(y1 + y2) / 2 - (y1 === y2 ? 26 : 0)} ${b.x} ${y2}` });
    el(line, "title", {}, "these contradict each other");
    svg.insertBefore(line, svg.querySelector(".mark"));
  }
}

function drawOperations(svg, picture, at) {
  const order = placesInOrder(picture), byIndex = new Map(picture.operations.map((op, place) => [op.index, place]));
  for (const [index, { y, span }] of at.operations) {
    const op = picture.operations[index], from = at.x(op.called), to = at.x(op.returned ?? picture.to);
    const classes = `item op${op.in_clash ? " in-clash" : ""}${op.returned === undefined ? " open-end" : ""}`;
    const group = el(svg, "g", { class: classes, tabindex: op.in_clash ? 0 : -1, role: "img", "data-op": index, "aria-label": operationText(op) });
    el(group, "title", {}, operationText(op));
    el(group, "rect", { class: "op-box bar-box", x: from, y, width: Math.max(to - from, 3), height: OP - 4, rx: 2 });
    // Beside a bar that is too short for text.
    const beside = to - from < 26 ? Math.max(to - from, 3) : 0;
    label(group, from + beside, y + 11, span[1] - span[0] - beside, opLabel(op, order));
  }
  for (const edge of picture.forced_order ?? []) {
    const [before, after] = [byIndex.get(edge.before), byIndex.get(edge.after)];
    const a = at.operations.get(before), b = at.operations.get(after);
    if (!a || !b) continue;
    const x1 = at.x(picture.operations[before].returned ?? picture.to), x2 = at.x(picture.operations[after].called);
    const line = el(svg, "path", { class: "order-line", "marker-end": "url(#head)", d: `M${x1} ${a.y + 7}Q${(x1 + x2) / 2} ${(a.y + b.y) / 2 - 16} ${x2} ${b.y + 7}` });
    el(line, "title", {}, edge.reason);
  }
}

const operationText = (op) => `${op.lane} ${op.id}: ${op.text}, called ${seconds(op.called)}, ${op.returned === undefined ? op.result : `returned ${seconds(op.returned)}: ${op.result}`}`;

// The names of the lanes, beside the picture.
function drawNames(picture, at) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("width", NAMES);
  svg.setAttribute("height", at.height);
  el(svg, "text", { class: "small", x: 6, y: 11 }, "time");
  if (picture.bands.length) el(svg, "text", { class: "small", x: 6, y: at.world.y + 12 }, "faults");
  for (const lane of picture.lanes) {
    const { y, height } = at.lanes.get(lane.id);
    el(svg, "line", { class: "tick", x1: 0, x2: NAMES, y1: y, y2: y });
    el(svg, "text", { class: "name", x: 6, y: y + (lane.kind === "server" ? 42 : Math.min(24, height / 2 + 5)) }, lane.id);
    if (lane.kind !== "server") continue;
    el(svg, "text", { class: "small", x: 6, y: y + 13 }, "role, term");
    el(svg, "text", { class: "small", x: 6, y: y + 70 }, "committed");
    el(svg, "text", { class: "small", x: 6, y: y + 88 }, "on disk");
    el(svg, "text", { class: "small", x: 6, y: y + 101 }, "syncs");
  }
  return svg;
}
