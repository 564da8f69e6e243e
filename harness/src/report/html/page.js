// What the reader does with the picture: step through events, zoom, and see the details, causes and effects of anything.

const picture = JSON.parse(document.getElementById("data").textContent);
// Of many operations, only those around the contradiction are drawn at first.
const FIRST = 240;
const every = picture.operations;
const nearClash = () => {
  const at = every.findLastIndex((op) => op.in_clash), middle = at < 0 ? every.length : at;
  return every.map((op, index) => ({ ...op, index })).filter((op) => op.in_clash || Math.abs(op.index - middle) <= FIRST / 2);
};
picture.operations = every.length > FIRST ? nearClash() : every.map((op, index) => ({ ...op, index }));
// A run that did not fail has no slice: all its events count, if they can be told apart.
if (picture.verdict !== "failed" && picture.marks.length <= 400) picture.marks.forEach((mark) => { mark.in_slice = true; });
countsLines = picture.to < 1e6;
let axis = makeAxis(picture);
const numbers = numbersOf(picture);
const slice = [...numbers.keys()];
const effects = new Map(slice.map((index) => [index, []]));
picture.marks.forEach((mark, index) => (mark.causes ?? []).forEach((cause) => effects.get(cause)?.push(index)));
const [scroll, names, detail, list] = ["scroll", "names", "detail", "events"].map((id) => document.getElementById(id));
let zoom = 1, view = null, selected = null, isAtEnd = true;

function render() {
  view = draw(picture, axis, zoom);
  scroll.replaceChildren(view.svg);
  names.replaceChildren(drawNames(picture, view.at));
  keepInSight(view.svg, scroll.scrollLeft);
  if (selected !== null) show(selected, false);
}

// Zooms, and keeps the place at `x` of the window where it is.
function setZoom(value, x = scroll.clientWidth / 2) {
  const place = (scroll.scrollLeft + x) / zoom;
  zoom = Math.max(fitting() * .9, Math.min(value, 12));
  render();
  scroll.scrollLeft = place * zoom - x;
}

const fitting = () => Math.min(1, (scroll.clientWidth || 800) / axis.width);

// All marks that a mark follows from, or that follow from it.
function reach(index, next) {
  const found = new Set(), open = [index];
  while (open.length) for (const other of next(open.pop()) ?? []) if (!found.has(other)) { found.add(other); open.push(other); }
  return found;
}

function link(index, name) {
  const button = document.createElement("button");
  button.className = name;
  button.textContent = `${numbers.get(index) ?? ""} ${picture.marks[index].text}`.slice(0, 70);
  button.addEventListener("click", () => show(index, true));
  return button;
}

// Selects an event: its details, its causes in one colour, its effects in another, all else faint.
function show(index, move) {
  selected = index;
  const mark = picture.marks[index];
  const causes = reach(index, (at) => picture.marks[at].causes), after = reach(index, (at) => effects.get(at));
  view.svg.classList.add("selecting");
  const steps = new Map();
  for (const node of view.svg.querySelectorAll(".mark")) {
    const at = Number(node.dataset.mark);
    const kind = at === index ? "selected" : causes.has(at) ? "cause" : after.has(at) ? "effect" : "";
    node.classList.remove("selected", "cause", "effect");
    if (kind) { node.classList.add(kind); steps.set(picture.marks[at].step, kind); }
    node.setAttribute("tabindex", at === index ? 0 : -1);
    if (at === index && move) node.focus({ preventScroll: true });
  }
  for (const node of view.svg.querySelectorAll(".arrow.slice")) {
    node.classList.remove("cause", "effect");
    const kind = steps.get(Number(node.dataset.step));
    if (kind) node.classList.add(kind === "effect" ? "effect" : "cause");
  }
  for (const row of list.children) row.classList.toggle("is-selected", Number(row.dataset.mark) === index);
  if (move) {
    const { x } = view.places[index];
    if (x < scroll.scrollLeft + 30 || x > scroll.scrollLeft + scroll.clientWidth - 30) scroll.scrollLeft = x - scroll.clientWidth / 2;
    const row = list.querySelector(".is-selected");
    if (row) list.scrollTop = row.offsetTop - list.offsetTop - list.clientHeight / 2;
  }
  const lines = [`${numbers.get(index) ?? ""}. ${seconds(mark.at)}, event ${mark.step}, ${mark.lanes.join(", ") || "the world"}`, mark.text];
  if (mark.trigger) lines.push(`on: ${mark.trigger}`);
  describe(lines, mark.in_clash);
  for (const cause of mark.causes ?? []) detail.append(link(cause, "cause-link"));
  for (const effect of effects.get(index) ?? []) detail.append(link(effect, "effect-link"));
}

function describe(lines, isClash) {
  detail.replaceChildren(...lines.map((line, at) => {
    const node = document.createElement(at ? "div" : "b");
    node.textContent = line;
    return node;
  }));
  if (isClash) detail.append(Object.assign(document.createElement("div"), { textContent: "A side of the clash." }));
}

function stepBy(by) {
  const at = selected === null ? (by > 0 ? -1 : slice.length) : slice.indexOf(selected);
  const next = slice[Math.max(0, Math.min(slice.length - 1, at + by))];
  if (next !== undefined) show(next, true);
}

function nextClash() {
  const sides = [...new Set(picture.clash.map((side) => side.mark).filter((mark) => mark !== undefined))];
  if (sides.length) show(sides[(sides.indexOf(selected) + 1) % sides.length], true);
}

// The faint message next to the pointer.
function nearestArrow(x, y) {
  let best = null, distance = 5;
  picture.arrows.forEach((arrow) => {
    const from = view.at.lanes.get(arrow.from), to = view.at.lanes.get(arrow.to);
    if (!from || !to || arrow.at === undefined) return;
    const [x1, x2, y1, y2] = [view.at.x(arrow.sent), view.at.x(arrow.at), from.middle, to.middle];
    const part = (y - y1) / (y2 - y1 || 1);
    const off = Math.abs(x1 + (x2 - x1) * part - x);
    if (part >= 0 && part <= 1 && off < distance) { best = arrow; distance = off; }
  });
  return best;
}

function pointAt(event) {
  const item = event.target.closest("[data-mark],[data-band],[data-op],[data-arrow]");
  if (item) return showItem(item.dataset);
  if (event.type !== "mousemove") return;
  const box = view.svg.getBoundingClientRect();
  const arrow = nearestArrow(event.clientX - box.left, event.clientY - box.top);
  if (arrow) describe([arrowText(arrow)]);
}

function showItem(data) {
  if (data.mark !== undefined) { if (Number(data.mark) !== selected) show(Number(data.mark), false); }
  else if (data.band !== undefined) describe([bandText(picture.bands[data.band])]);
  else if (data.op !== undefined) describe([operationText(picture.operations[data.op])], picture.operations[data.op].in_clash);
  else if (data.arrow !== undefined) describe([arrowText(picture.arrows[data.arrow])]);
}

function showAll() {
  picture.operations = every.map((op, index) => ({ ...op, index }));
  axis = makeAxis(picture);
  document.getElementById("b-all").hidden = true;
  setZoom(zoom);
}

const KEYS = {
  ArrowRight: () => stepBy(1), ArrowLeft: () => stepBy(-1), Home: () => stepBy(-slice.length), End: () => stepBy(slice.length),
  c: nextClash, "+": () => setZoom(zoom * 1.4), "=": () => setZoom(zoom * 1.4), "-": () => setZoom(zoom / 1.4), 0: () => setZoom(fitting()),
};

scroll.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
scroll.addEventListener("wheel", (event) => {
  if (!event.ctrlKey && !event.altKey) return;
  event.preventDefault();
  setZoom(zoom * (event.deltaY < 0 ? 1.2 : 1 / 1.2), event.clientX - scroll.getBoundingClientRect().left);
}, { passive: false });
scroll.addEventListener("scroll", () => {
  isAtEnd = scroll.scrollLeft + scroll.clientWidth >= scroll.scrollWidth - 4;
  keepInSight(view.svg, scroll.scrollLeft);
});
for (const kind of ["mousemove", "focusin", "click"]) scroll.addEventListener(kind, pointAt);
for (const [id, act] of Object.entries({
  "b-prev": () => stepBy(-1), "b-next": () => stepBy(1), "b-clash": nextClash,
  "b-in": () => setZoom(zoom * 1.4), "b-out": () => setZoom(zoom / 1.4), "b-fit": () => setZoom(fitting()),
})) document.getElementById(id).addEventListener("click", act);
addEventListener("resize", () => {
  const stays = isAtEnd, left = scroll.scrollLeft;
  render();
  scroll.scrollLeft = stays ? scroll.scrollWidth : left;
});
addEventListener("beforeprint", () => { zoom = Math.min(1, 680 / axis.width); render(); });

function fillList() {
  const shown = slice.slice(-400);
  list.start = slice.length - shown.length + 1;
  for (const index of shown) {
    const mark = picture.marks[index], row = document.createElement("li"), button = document.createElement("button");
    const part = (name, text, tag = "span") => button.append(Object.assign(document.createElement(tag), { className: name, textContent: text }));
    part("", seconds(mark.at), "time");
    part("who", mark.lanes.length > 3 && mark.lanes.length === picture.lanes.filter((lane) => lane.kind === "server").length ? "all" : mark.lanes.join(" ") || "world");
    part("", mark.text);
    if (mark.trigger) part("trigger", `  on ${mark.trigger}`);
    row.dataset.mark = index;
    row.className = mark.in_clash ? "in-clash" : "";
    button.addEventListener("click", () => show(index, true));
    row.append(button);
    list.append(row);
  }
}

fillList();
document.getElementById("s-events").hidden = slice.length === 0;
const all = document.getElementById("b-all");
all.hidden = picture.operations.length === every.length;
all.textContent = `all ${every.length} operations`;
all.addEventListener("click", showAll);
for (const index of (picture.explained_order ?? []).slice(-400)) {
  const row = document.createElement("li");
  row.textContent = operationText(every[index]);
  document.getElementById("explained").append(row);
}
zoom = Math.max(fitting(), 1);
if (axis.width < scroll.clientWidth) zoom = Math.min(scroll.clientWidth / axis.width, 4);
render();
// The clash ends a run; in a history it may be anywhere.
const lastSide = picture.clash.at(-1);
const isHistory = !picture.marks.length && lastSide !== undefined;
isAtEnd = !isHistory;
scroll.scrollLeft = isHistory ? view.at.x(lastSide.at) - scroll.clientWidth * .7 : scroll.scrollWidth;
for (const id of ["b-prev", "b-next", "b-clash"]) document.getElementById(id).hidden = slice.length === 0;
if (picture.clash.length) describe(["The clash", ...picture.clash.map((side) => `${seconds(side.at)} ${side.lane ?? ""}: ${side.text}`)]);
