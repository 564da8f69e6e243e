// From time to pixels. Each event of the slice gets room; where nothing happens, time is compressed, and the gap shown.

const ROOM = 22;      // least pixels between two events of a lane, at zoom 1
const LEFT = 14;      // before the first event

// Knots: [time, x], both rising. `gaps` are intervals between knots in which time is compressed.
function makeAxis(picture) {
  const slice = picture.marks.map((mark, index) => ({ mark, index })).filter(({ mark }) => mark.in_slice);
  const drawn = picture.verdict === "failed" ? slice : picture.marks.map((mark, index) => ({ mark, index }));
  const room = drawn.length > 400 && picture.verdict !== "failed" ? 5 : ROOM;
  const moments = drawn.map(({ mark, index }) => ({ at: mark.at, mark, index }));
  const add = (at) => { if (at >= picture.from && at <= picture.to) moments.push({ at }); };
  picture.bands.forEach((band) => { add(band.from); add(band.to); });
  picture.operations.filter((op) => op.in_clash).forEach((op) => { add(op.called); if (op.returned) add(op.returned); });
  if (!drawn.length) picture.operations.forEach((op) => { add(op.called); if (op.returned) add(op.returned); });
  add(picture.from);
  add(picture.to);
  moments.sort((a, b) => a.at - b.at || (a.mark ? a.mark.step : -1) - (b.mark ? b.mark.step : -1));
  const steps = [];
  for (let i = 1; i < moments.length; i++) if (moments[i].at > moments[i - 1].at) steps.push(moments[i].at - moments[i - 1].at);
  steps.sort((a, b) => a - b);
  const typical = steps[Math.floor(steps.length / 2)] || 1;
  const knots = [], gaps = [], xOfMark = new Map(), lastOnLane = new Map();
  let x = LEFT, before = null;
  for (const { at, mark, index } of moments) {
    if (before !== null && at > before) {
      const ratio = (at - before) / typical;
      const isGap = ratio > 6;
      const start = x;
      x += isGap ? 58 : Math.max(6, Math.min(ratio, 2.2) * room * .7);
      if (isGap) gaps.push({ from: start, to: x, time: at - before });
    }
    if (mark) {
      const lanes = mark.lanes.length ? mark.lanes : ["world"];
      const needs = mark.in_slice ? ROOM : room;
      for (const lane of lanes) x = Math.max(x, (lastOnLane.get(lane) ?? -needs) + needs);
      for (const lane of lanes) lastOnLane.set(lane, x);
      xOfMark.set(index, x);
    }
    knots.push([at, x]);
    before = at;
  }
  return { knots, gaps, xOfMark, width: x + 110 };
}

// The place of a time at zoom 1.
function place(axis, at) {
  const { knots } = axis;
  let low = 0, high = knots.length - 1;
  if (at <= knots[0][0]) return knots[0][1];
  if (at >= knots[high][0]) return knots[high][1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (knots[middle][0] <= at) low = middle; else high = middle;
  }
  const [t0, x0] = knots[low], [t1, x1] = knots[high];
  return t1 > t0 ? x0 + (x1 - x0) * (at - t0) / (t1 - t0) : x1;
}

// Histories without clocks count lines instead of nanoseconds.
let countsLines = false;
// Cut, not rounded, as in the plain page.
const seconds = (nanos) => countsLines ? String(nanos) : (Math.floor(nanos / 1e3) / 1e6).toFixed(6) + " s";
const roughly = (nanos) => countsLines ? String(nanos) : nanos >= 1e9 ? (nanos / 1e9).toFixed(2) + " s" : nanos >= 1e6 ? (nanos / 1e6).toFixed(1) + " ms" : (nanos / 1e3).toFixed(0) + " us";
