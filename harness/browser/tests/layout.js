// What overlaps what it must not: a list of sentences, which must be empty.
const problems = [];
const box = (node) => node.getBBox();
const within = (what, inner, lane) => {
  if (inner.y < lane.y - 1 || inner.y + inner.height > lane.y + lane.height + 1) problems.push(`${what} leaves its lane`);
};
if (document.documentElement.scrollWidth > window.innerWidth + 1) problems.push(`the page is ${document.documentElement.scrollWidth} wide`);
const lanes = new Map([...document.querySelectorAll("[data-lane]")].map((node) => [node.dataset.lane, box(node)]));
const data = JSON.parse(document.getElementById("data").textContent);
for (const [id, lane] of lanes) {
  for (const [other, below] of lanes) if (id < other && lane.y < below.y + below.height - 1 && below.y < lane.y + lane.height - 1) problems.push(`${id} and ${other} overlap`);
}
// Marks stay on their lanes, and do not cover each other.
const last = new Map();
for (const group of document.querySelectorAll(".mark")) {
  const mark = data.marks[group.dataset.mark];
  const shapes = [...group.querySelectorAll(".dot")].map(box);
  mark.lanes.filter((id) => lanes.has(id)).forEach((id, at) => {
    if (!shapes[at]) return problems.push(`mark ${group.dataset.mark} is not on ${id}`);
    within(`mark ${group.dataset.mark}`, shapes[at], lanes.get(id));
    const before = last.get(id);
    if (before !== undefined && shapes[at].x < before - 3) problems.push(`mark ${group.dataset.mark} covers the one before it on ${id}`);
    last.set(id, shapes[at].x + shapes[at].width);
  });
}
// Operations stay on the lane of their client, and bars of a row do not cover each other.
const rows = new Map();
for (const group of document.querySelectorAll(".op")) {
  const op = picture.operations[group.dataset.op], bar = box(group.querySelector(".op-box"));
  within(`operation ${op.id}`, bar, lanes.get(op.lane));
  for (const other of rows.get(bar.y) ?? []) if (bar.x < other.x + other.width - 1 && other.x < bar.x + bar.width - 1) problems.push(`operation ${op.id} covers another one`);
  rows.set(bar.y, [...(rows.get(bar.y) ?? []), bar]);
}
// Faults stay above the lanes.
const top = Math.min(...[...lanes.values()].map((lane) => lane.y));
for (const group of document.querySelectorAll(".band")) {
  const bar = box(group.querySelector(".band-box"));
  if (bar.y + bar.height > top + 1) problems.push(`fault ${group.dataset.band} lies on a lane`);
}
// Texts of roles stay within their ribbon.
for (const text of document.querySelectorAll("svg text[class^=on-]")) {
  const ribbon = box(text.parentNode.querySelector("rect")), own = box(text);
  if (own.x + own.width > ribbon.x + ribbon.width + 4) problems.push(`"${text.textContent}" leaves its ribbon`);
}
return problems;
