// The two figures that follow the sliders, drawn as figures/load.py and figures/break_even.py draw them; a test
// holds what both make of the planned numbers equal. Bands are Python's alone.
const TEXT_PX = 18, CHARACTER_PX = 7.8, WIDE_PX = 720, NARROW_PX = 358, PLOT_PX = 290, NARROW_PLOT_PX = 230;
const CURVE_POINTS = 400, LAYERS_DRAWN = 60, HYBRID_POINTS = 80, STEPS_DRAWN = 400;

const px = (value) => { const text = fixed(value, 1).replace(/\.0$/, ""); return text === "-0" ? "0" : text; };
const textWidth = (words) => [...words].length * CHARACTER_PX;
const safe = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const safer = (text) => safe(text).replace(/"/g, "&quot;").replace(/'/g, "&#x27;");
const cut = (name, most = 25) => ([...name].length <= most ? name : `${[...name].slice(0, most - 1).join("")}…`);

class Picture {
  constructor(width, height, title, description) {
    Object.assign(this, { width, height, shapes: [] });
    this.head = `<title>${safer(title)}</title><desc>${safer(description)}</desc>`;
  }

  rect(at, size, kind) {
    if (size[0] <= 0 || size[1] <= 0) return;
    this.shapes.push(`<rect class="${kind}" x="${px(at[0])}" y="${px(at[1])}" width="${px(size[0])}" height="${px(size[1])}"/>`);
  }

  line(a, b, kind) {
    this.shapes.push(`<line class="${kind}" x1="${px(a[0])}" y1="${px(a[1])}" x2="${px(b[0])}" y2="${px(b[1])}"/>`);
  }

  path(points, kind, width = 1, closed = false) {
    const steps = points.map(([x, y]) => `${px(x)} ${px(y)}`).join("L");
    const stroke = closed ? "" : ` stroke-width="${px(width)}" stroke-linejoin="round"`;
    this.shapes.push(`<path class="${kind}"${stroke} d="M${steps}${closed ? "Z" : ""}"/>`);
  }

  dot(at, kind, radius = 4) {
    this.shapes.push(`<circle class="${kind}" cx="${px(at[0])}" cy="${px(at[1])}" r="${px(radius)}"/>`);
  }

  text(at, words, kind = "", anchor = "start") {
    const side = anchor === "start" ? "" : ` text-anchor="${anchor}"`;
    const named = kind ? ` class="${kind}"` : "";
    this.shapes.push(`<text${named} x="${px(at[0])}" y="${px(at[1])}"${side}>${safe(words)}</text>`);
  }

  toString() {
    const size = `${px(this.width)}`, tall = `${px(this.height)}`;
    const head = `<svg xmlns="http://www.w3.org/2000/svg" class="bl" role="img" width="${size}" height="${tall}" viewBox="0 0 ${size} ${tall}">`;
    return [head, this.head, ...this.shapes, "</svg>"].join("\n");
  }
}

function linear(low, high, start, end) {
  const scale = (value) => start + (value - low) / (high - low) * (end - start);
  const ticks = () => {
    const raw = (high - low) / 5, unit = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((factor) => unit * factor).find((size) => size >= raw);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i <= Math.floor(high / step + 1e-9); i += 1) found.push(i * step);
    return found;
  };
  return Object.assign(scale, { low, high, start, end, ticks });
}

function logarithmic(low, high, start, end) {
  const scale = (value) => start + Math.log(value / low) / Math.log(high / low) * (end - start);
  const ticks = () => {
    const factors = high / low < 10000 ? [1, 2, 5] : [1], found = [];
    for (let decade = Math.floor(Math.log10(low)); decade <= Math.ceil(Math.log10(high)); decade += 1) {
      factors.forEach((factor) => found.push(factor * 10 ** decade));
    }
    return found.filter((value) => low * (1 - 1e-9) <= value && value <= high * (1 + 1e-9));
  };
  return Object.assign(scale, { low, high, start, end, ticks });
}

function spread(wanted, gap, low, high) {
  if (!wanted.length) return [];
  const room = Math.min(gap, (high - low) / Math.max(wanted.length - 1, 1));
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b] || a - b), blocks = [];
  order.forEach((index) => {
    let members = [index], start = Math.min(Math.max(wanted[index], low), high);
    while (blocks.length && start < blocks.at(-1).start + blocks.at(-1).members.length * room) {
      members = blocks.pop().members.concat(members);
      const middle = members.reduce((sum, each, rank) => sum + (wanted[each] - rank * room), 0) / members.length;
      start = Math.min(Math.max(middle, low), high - (members.length - 1) * room);
    }
    blocks.push({ start, members });
  });
  const placed = new Array(wanted.length);
  blocks.forEach(({ start, members }) => members.forEach((index, rank) => { placed[index] = start + rank * room; }));
  return placed;
}

function plot(title, description, keys, narrow) {
  if (!narrow) {
    const right = Math.max(...keys.map(([words]) => textWidth(cut(words)))) + 16;
    const box = { left: 62, top: 40, right: WIDE_PX - right, bottom: 40 + PLOT_PX };
    return [new Picture(WIDE_PX, box.bottom + 44, title, description), box];
  }
  const top = 36 + keys.length * TEXT_PX, box = { left: 50, top, right: NARROW_PX - 10, bottom: top + NARROW_PLOT_PX };
  const figure = new Picture(NARROW_PX, box.bottom + 44, title, description);
  keys.forEach(([words, kind], row) => {
    figure.rect([0, 4 + row * TEXT_PX + 3], [14, 5], `k-${kind}`);
    figure.text([20, 4 + row * TEXT_PX + 11], cut(words, 38), `t-${kind}`);
  });
  return [figure, box];
}

function axes(figure, x, y, across, up) {
  up.ticks.forEach((value) => {
    figure.line([x.start, y(value)], [x.end, y(value)], "grid");
    figure.text([x.start - 6, y(value) + 4], up.label(value), "quiet", "end");
  });
  figure.line([x.start, y.start], [x.end, y.start], "axis");
  let taken = 0;
  across.ticks.forEach((value) => {
    const half = textWidth(across.label(value)) / 2;
    if (x(value) - half >= taken && x(value) + half <= figure.width) {
      figure.text([x(value), y.start + 18], across.label(value), "quiet", "middle");
      taken = x(value) + half + 4;
    }
  });
  figure.text([(x.start + x.end) / 2, y.start + 38], across.title, "quiet", "middle");
  figure.text([0, y.end - 16], up.title, "quiet");
}

function names(figure, x, y, marks) {
  const places = spread(marks.map(([value]) => y(value)), TEXT_PX, y.end, y.start);
  marks.forEach(([value, words, kind], i) => {
    figure.line([x.end, y(value)], [x.end + 8, places[i]], "grid");
    figure.text([x.end + 12, places[i] + 4], cut(words), `t-${kind}`);
  });
}

function shownHybrid(found) {
  const hybrids = found.options.filter((each) => each.kind === "hybrid");
  const owning = hybrids.filter((each) => each.n);
  return least(owning.length ? owning : hybrids);
}

function sayLoad(option) {
  if (!option.n) return `With ${api(option.metered)} no number of replicas pays: the tokens they would serve cost less bought.`;
  return `With ${api(option.metered)} for the rest, ${replicas(option.n, option.spare)} carry ${percent(option.share)} `
    + `of the tokens; ${percent(1 - option.share)} are bought.`;
}

function sampled(relative, mean) {
  const last = relative.length - 1;
  if (relative.length <= CURVE_POINTS) return Array.from(relative, (load) => load * mean);
  const step = last / (CURVE_POINTS - 1);
  return Array.from({ length: CURVE_POINTS }, (_, i) =>
    relative[i === CURVE_POINTS - 1 ? last : halfEven(i * step)] * mean);
}

function drawLoad(found, narrow) {
  const { curve, fleet, volume } = found.inputs, option = shownHybrid(found), mean = volume / SECONDS_PER_DAY;
  const room = roomOf(fleet, option.n), loads = sampled(curve.relative, mean), bought = 1 - option.share;
  const marks = [[loads[0], "peak", "quiet"]];
  if (!option.n) marks.push([roomOf(fleet, 1), "room of 1 replica", "quiet"]);
  if (option.n) {
    marks.push([room, `${replicas(option.n)} at ${percent(room / (option.n * fleet.throughput))}`, "quiet"]);
    marks.push([Math.min(room, loads.at(-1)) / 2, `owned ${percent(option.share)}`, "owned"]);
  }
  if (bought > 0) marks.push([option.n ? (loads[0] + room) / 2 : loads[0] / 2, `bought ${percent(bought)}`, option.role]);
  const keys = marks.filter(([, , kind]) => !narrow || kind !== "quiet").map(([, words, kind]) => [words, kind]);
  const [figure, box] = plot("Load-duration curve", sayLoad(option), keys, narrow);
  const highest = Math.max(curve.peak * mean, room, roomOf(fleet, 1)) * 1.04;
  const x = linear(0, 1, box.left, box.right), y = linear(0, highest, box.bottom, box.top);
  axes(figure, x, y,
    { ticks: [0, 0.25, 0.5, 0.75, 1], label: (share) => `${fixed(share * 100, 0)}%`, title: "share of the time" },
    { ticks: y.ticks(), label: tokens, title: "tokens/s" });
  const edge = loads.flatMap((load, i) => [[i / loads.length, load], [(i + 1) / loads.length, load]]);
  const floor = [[x(1), y(0)], [x(0), y(0)]];
  figure.rect([x(0), y(room)], [x(1) - x(0), y(0) - y(room)], "idle");
  figure.path(edge.map(([share, load]) => [x(share), y(load)]).concat(floor), option.role, 1, true);
  figure.path(edge.map(([share, load]) => [x(share), y(Math.min(load, room))]).concat(floor), "owned", 1, true);
  if (option.n <= LAYERS_DRAWN) {
    for (let n = 1; n < option.n; n += 1) {
      figure.line([x(0), y(roomOf(fleet, n))], [x(1), y(roomOf(fleet, n))], "layer");
    }
  }
  const level = y(roomOf(fleet, option.n || 1));
  figure.line([x(0), level], [x(1), level], "here");
  if (!narrow) names(figure, x, y, marks);
  return figure.toString();
}

const three = (value) => (value < 1000 ? String(Number(value.toPrecision(3))) : fixed(value, 0));
function shortUsd(amount) {
  const sign = amount < 0 ? "−" : "", size = Math.abs(amount);
  for (const [unit, each] of [["B", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (size >= each) return `${sign}$${three(size / each)}${unit}`;
  }
  return `${sign}$${three(size)}`;
}

function staircase(inputs, low, high) {
  const { fleet, curve } = inputs;
  const [first, last] = [low, high].map((volume) => needed(fleet, volume * curve.peak / SECONDS_PER_DAY));
  const every = Math.max(1, Math.floor((last - first) / STEPS_DRAWN)), points = [[low, fleetMonth(fleet, first)]];
  for (let n = first; n < last; n += every) {
    const full = roomOf(fleet, n) * SECONDS_PER_DAY / curve.peak;
    points.push([full, fleetMonth(fleet, n)], [full, fleetMonth(fleet, Math.min(n + every, last))]);
  }
  return [...points, [high, fleetMonth(fleet, last)]];
}

function drawBreakEven(found, description, narrow) {
  const { curve, fleet, volume, metered } = found.inputs, option = shownHybrid(found);
  const marks = [volume];
  found.breakEven.forEach((each) => {
    each.crossings.forEach((crossing) => marks.push(crossing.tokens_per_day));
    if (each.hybrid_from) marks.push(each.hybrid_from);
  });
  const low = Math.max(Math.min(...marks), volume / 1000) / 4, high = Math.min(Math.max(...marks), volume * 1000) * 4;
  const series = metered.map((each) => ({
    name: each.name, kind: each.role, points: [low, high].map((at) => [at, meteredMonth(at, each.usd_per_million)]),
  }));
  const price = metered.find((each) => each.name === option.metered).usd_per_million;
  if (curve.peak > 1) {
    const points = Array.from({ length: HYBRID_POINTS + 1 }, (_, i) => low * (high / low) ** (i / HYBRID_POINTS));
    series.push({ name: option.name, kind: "hybrid", points: points.map((at) => [at, hybrid(curve, at, fleet, price).usd]) });
  }
  series.push({ name: "owning everything", kind: "owned", points: staircase(found.inputs, low, high) });
  const costs = series.flatMap((each) => each.points.map(([, cost]) => cost));
  const [figure, box] = plot("Break-even", description, series.map((each) => [each.name, each.kind]), narrow);
  const x = logarithmic(low, high, box.left, box.right);
  const y = logarithmic(Math.min(...costs) / 1.3, Math.max(...costs) * 1.3, box.bottom, box.top);
  axes(figure, x, y, { ticks: x.ticks(), label: tokens, title: "tokens a day, in and out" },
    { ticks: y.ticks(), label: shortUsd, title: "$ a month" });
  series.forEach((each) => figure.path(each.points.map(([at, cost]) => [x(at), y(cost)]), `l-${each.kind}`, 2));
  if (!narrow) names(figure, x, y, series.map((each) => [each.points.at(-1)[1], each.name, each.kind]));
  const start = found.breakEven.find((each) => each.against.name === option.metered).hybrid_from;
  const begins = curve.peak > 1 && start && start < x.high ? start : null;
  found.breakEven.forEach((each) => {
    const within = each.crossings.filter((at) => x.low <= at.tokens_per_day && at.tokens_per_day <= x.high);
    within.forEach(({ tokens_per_day: at }) => figure.dot(
      [x(at), y(meteredMonth(at, each.against.usd_per_million))], "mark", within.length < 12 ? 4 : 2.5));
  });
  if (begins !== null) figure.dot([x(begins), y(meteredMonth(begins, price))], "mark");
  verticals(figure, found, x, y, begins, narrow);
  return figure.toString();
}

function verticals(figure, found, x, y, begins, narrow) {
  const own = found.inputs.volume, named = new Map([[own, [`here ${tokens(own)}`, "strong"]]]);
  figure.line([x(own), y.end], [x(own), y.start], "here");
  const name = (at, kind) => { if (!named.has(at)) named.set(at, [tokens(at), `t-${kind}`]); };
  if (!narrow) {
    if (begins !== null) name(begins, "hybrid");
    found.breakEven.forEach((each) => {
      const within = each.crossings.map((at) => at.tokens_per_day).filter((at) => x.low <= at && at <= x.high);
      [...within.slice(0, 1), ...within.slice(-1)].forEach((at) => name(at, each.against.role));
    });
  }
  const widest = Math.max(...[...named.values()].map(([text]) => textWidth(text))) + 6;
  const most = Math.max(1, Math.trunc((x.end + 40 - x.start) / widest));
  const volumes = [...named.keys()].slice(0, most).sort((a, b) => a - b);
  const left = Math.max(x.start + widest / 2, 80 + widest / 2);
  const places = spread(volumes.map(x), widest, left, figure.width - widest / 2 - 2);
  volumes.forEach((at, i) => {
    figure.text([places[i], y.end - 16], named.get(at)[0], named.get(at)[1], "middle");
    figure.line([places[i], y.end - 11], [x(at), y.end], "axis");
    if (at !== own) figure.line([x(at), y.end], [x(at), y.start], "grid");
  });
}
