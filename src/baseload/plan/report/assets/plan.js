// The plan's month in the page: costs.py, load.py, hybrid.py, break_even.py, decide.py and words.py, operation
// by operation, so that equal numbers go in and equal numbers come out. A test runs both on a grid of sliders.
const MILLION = 1e6, NANO = 1e9, DAYS_PER_MONTH = 30, HOURS_PER_MONTH = 720, SECONDS_PER_DAY = 86400;
const MOST_REPLICAS = 100000, MOST_DOUBLINGS = 64;

function readCurve(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const relative = new Float64Array(bytes.buffer).sort().reverse();
  const ascending = Float64Array.from(relative).reverse();
  const below = new Float64Array(ascending.length + 1);
  ascending.forEach((load, i) => { below[i + 1] = below[i] + load; });
  const busy = relative.filter((load) => load !== 0).length / relative.length;
  return { relative, ascending, below, peak: relative[0], busy };
}

function servedShare(curve, room) {
  let low = 0, high = curve.ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (room < curve.ascending[middle]) high = middle; else low = middle + 1;
  }
  const windows = curve.ascending.length;
  return Math.min((curve.below[low] + (windows - low) * room) / windows, 1);
}

function usdPerMillionAt(price, mix) {
  const cached = price.cached_input === null ? price.input : price.cached_input;
  const input = (1 - mix.cached_share) * price.input + mix.cached_share * cached;
  return ((1 - mix.output_share) * input + mix.output_share * price.output) / NANO;
}

const meteredMonth = (tokensPerDay, usdPerMillion) => tokensPerDay / MILLION * DAYS_PER_MONTH * usdPerMillion;
const whole = (replicas) => Math.ceil(replicas * (1 - 1e-12));
const usable = (fleet) => fleet.throughput * fleet.usable;
const replicaMonth = (fleet) => fleet.usd_per_hour * HOURS_PER_MONTH;
const spares = (fleet) => (fleet.spare === "none" ? 0 : 1);
const overheadMonth = (fleet) => spares(fleet) * replicaMonth(fleet) + fleet.team;
const fleetMonth = (fleet, n) => (n === 0 ? 0 : n * replicaMonth(fleet) + overheadMonth(fleet));
const floorPrice = (fleet, use) => fleet.usd_per_hour / (fleet.throughput * use * 3600 / MILLION);

function roomOf(fleet, n) {
  if (fleet.spare === "serving" && n > 0) return Math.min((n + 1) * usable(fleet), n * fleet.throughput);
  return n * usable(fleet);
}

function needed(fleet, tokensPerSecond) {
  if (fleet.spare === "serving") {
    return Math.max(whole(tokensPerSecond / usable(fleet)) - 1, whole(tokensPerSecond / fleet.throughput), 1);
  }
  return Math.max(whole(tokensPerSecond / usable(fleet)), 1);
}

const served = (curve, volume, fleet, n) => servedShare(curve, roomOf(fleet, n) * SECONDS_PER_DAY / volume);

function newsvendor(curve, volume, fleet, price) {
  let low = 0, high = needed(fleet, curve.peak * volume / SECONDS_PER_DAY);
  while (low < high) {
    const n = Math.floor((low + high + 1) / 2);
    const more = served(curve, volume, fleet, n) - served(curve, volume, fleet, n - 1);
    if (meteredMonth(volume * more, price) > replicaMonth(fleet)) low = n; else high = n - 1;
  }
  return low;
}

const pays = (curve, volume, fleet, price, n) =>
  meteredMonth(volume * served(curve, volume, fleet, n), price) > fleetMonth(fleet, n);

function hybrid(curve, volume, fleet, price) {
  let n = newsvendor(curve, volume, fleet, price);
  if (!pays(curve, volume, fleet, price, n)) n = 0;
  const share = served(curve, volume, fleet, n);
  const spill = meteredMonth(volume * (1 - share), price);
  const serving = fleet.spare === "serving" && n ? n + spares(fleet) : n;
  const use = serving ? share * (volume / SECONDS_PER_DAY) / (serving * fleet.throughput) : 0;
  return { n, usd: fleetMonth(fleet, n) + spill, spill, share, use };
}

function hybridFrom(curve, fleet, price) {
  if (floorPrice(fleet, fleet.usable * curve.busy) >= price) return null;
  const good = (volume) => pays(curve, volume, fleet, price, Math.max(newsvendor(curve, volume, fleet, price), 1));
  let low = 0, high = usable(fleet) * SECONDS_PER_DAY;
  for (let doubling = 0; !good(high); doubling += 1) {
    if (doubling === MOST_DOUBLINGS - 1) return null;
    low = high;
    high *= 2;
  }
  for (let middle = (low + high) / 2; low < middle && middle < high; middle = (low + high) / 2) {
    if (good(middle)) high = middle; else low = middle;
  }
  return high;
}

function crossings(fleet, price, peak) {
  const perDailyToken = price * DAYS_PER_MONTH / MILLION;
  if (perDailyToken <= 0) return [];
  const filled = usable(fleet) * SECONDS_PER_DAY / peak, paid = replicaMonth(fleet) / perDailyToken;
  if (filled <= paid) return [];
  const overhead = overheadMonth(fleet) / perDailyToken;
  const most = Math.floor(Math.min((paid + overhead) / (filled - paid) + 2, MOST_REPLICAS));
  const steps = [];
  for (let n = 1, begin = 0; n <= most; n += 1) {
    const end = roomOf(fleet, n) * SECONDS_PER_DAY / peak;
    const from = Math.max(begin, (n * replicaMonth(fleet) + overheadMonth(fleet)) / perDailyToken);
    steps.push({ begin, end, from, pays: from < end });
    begin = end;
  }
  const joined = steps.map((step, i) => step.pays && i > 0 && steps[i - 1].pays && step.from <= step.begin);
  const found = [];
  steps.forEach((step, i) => {
    if (step.pays && !joined[i]) found.push({ tokens_per_day: step.from, cheaper_above: "owned", replicas: i + 1 });
    if (step.pays && i + 1 < steps.length && !joined[i + 1]) {
      found.push({ tokens_per_day: step.end, cheaper_above: "metered", replicas: i + 2 });
    }
  });
  return found.sort((a, b) => a.tokens_per_day - b.tokens_per_day);
}

// The planned numbers with the sliders at `to`: what `moved` of slide.py makes.
function movedTo(data, to) {
  const mix = { output_share: to.output_share, cached_share: data.mix.cached_share };
  const fleet = {
    ...data.fleet,
    usd_per_hour: data.fleet.usd_per_hour * (to.usd_per_gpu_hour / data.sliders.usd_per_gpu_hour),
    usable: to.usable,
    team: to.team_usd_per_month,
  };
  const metered = data.metered.map((each) => (each.price === null ? each : {
    ...each,
    usd_per_million: each.usd_per_million + (usdPerMillionAt(each.price, mix) - usdPerMillionAt(each.price, data.mix)),
  }));
  return { ...data, volume: to.tokens_per_day, mix, fleet, metered };
}

function priceOptions(inputs) {
  const { curve, fleet, volume } = inputs, million = meteredMonth(volume, 1);
  const bought = inputs.metered.map((each) => ({
    name: each.name, kind: "bought", role: each.role, metered: each.name, n: 0, spare: 0, share: 0, use: 0, spill: 0,
    usd: meteredMonth(volume, each.usd_per_million), per_million: each.usd_per_million,
  }));
  const mean = volume / SECONDS_PER_DAY, n = needed(fleet, mean * curve.peak), usd = fleetMonth(fleet, n);
  const serving = n + (fleet.spare === "serving" ? spares(fleet) : 0);
  const owned = {
    name: "owned", kind: "owned", metered: null, n, spare: spares(fleet), share: 1, spill: 0, usd,
    use: mean / (serving * fleet.throughput), per_million: usd / million,
  };
  const hybrids = inputs.metered.map((each) => {
    const best = hybrid(curve, volume, fleet, each.usd_per_million);
    return {
      ...best, name: `hybrid with ${each.name}`, kind: "hybrid", role: each.role, metered: each.name,
      spare: best.n ? spares(fleet) : 0, per_million: best.usd / million,
    };
  });
  return [...bought, owned, ...hybrids];
}

const least = (options) => options.reduce((best, each) => (each.usd < best.usd ? each : best));

function decide(inputs) {
  const options = priceOptions(inputs), cheapest = least(options);
  const breakEven = inputs.metered.map((each) => ({
    against: each,
    crossings: crossings(inputs.fleet, each.usd_per_million, inputs.curve.peak),
    hybrid_from: hybridFrom(inputs.curve, inputs.fleet, each.usd_per_million),
  }));
  return {
    inputs, options, cheapest, breakEven,
    answer: sayAnswer(inputs, options, cheapest),
    verdicts: inputs.metered.map((each) => sayVerdict(each, options)),
  };
}

// Words
function halfEven(value) {
  const floor = Math.floor(value), rest = value - floor;
  if (rest === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return Math.round(value);
}

function fixed(value, places) {
  const size = 10 ** places, scaled = value * size;
  if (Math.abs(scaled) < 2 ** 52 && scaled / size === value && Math.abs(scaled % 1) === 0.5) {
    return (halfEven(scaled) / size).toFixed(places);
  }
  return value.toFixed(places);
}

const commas = (text) => text.replace(/^(-?\d+)/, (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ","));
function usd(amount) {
  const size = Math.abs(amount), text = `$${commas(fixed(size, size >= 1000 || size === 0 ? 0 : 2))}`;
  return amount < 0 && text !== "$0.00" ? `−${text}` : text;
}
const usdPerMillion = (price) => `$${fixed(price, price >= 0.1 ? 2 : 3)}/M`;
const wholeNumber = (value, up) => (up ? Math.ceil(value * (1 - 1e-9)) : halfEven(value));

function threeFigures(value, up) {
  const places = Math.max(0, 2 - Math.floor(Math.log10(value)));
  const text = commas(fixed(wholeNumber(value * 10 ** places, up) / 10 ** places, places));
  return places ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
}

function tokens(count, up = false) {
  if (!Number.isFinite(count)) return "∞";
  if (count >= 1e10) return `${threeFigures(count / 1e9, up)}B`;
  if (count >= 1e9) {
    const millions = wholeNumber(count / MILLION, up);
    return millions % 100 === 0 ? `${millions / 1000}B` : `${commas(String(millions))}M`;
  }
  if (count >= MILLION) return `${threeFigures(count / MILLION, up)}M`;
  if (count >= 10000) return `${threeFigures(count / 1000, up)}k`;
  return commas(String(wholeNumber(count, up)));
}

function percent(share) {
  if (share <= 0 || share >= 1) return `${fixed(share * 100, 0)}%`;
  if (share < 0.001) return "<0.1%";
  if (share > 0.999) return ">99.9%";
  return `${fixed(share * 100, share < 0.1 || share > 0.99 ? 1 : 0)}%`;
}

const api = (name) => (name && name.endsWith(" API") ? `the ${name}` : name || "no API");
const replicas = (count, spare = 0) =>
  (spare ? `${count}+${spare} replicas` : `${commas(String(count))} replica${count === 1 ? "" : "s"}`);
const replicasCell = (count, spare) =>
  (spare ? `${commas(String(count))}+${spare}` : count ? commas(String(count)) : "–");

function sayAnswer(inputs, options, cheapest) {
  const short = (option) => (option.kind === "owned"
    ? `owning everything (${replicas(option.n, option.spare)})` : api(option.name));
  const beside = options.filter((each) => each.kind !== "hybrid" && each !== cheapest)
    .map((each) => `${short(each)} ${usd(each.usd)}`).join(", ");
  return `At ${tokens(inputs.volume)} tokens/day ${sayDo(inputs, cheapest)} for ${usd(cheapest.usd)} a month; ${beside}.`;
}

function sayDo(inputs, option) {
  const held = `own ${replicas(option.n, option.spare)} of ${inputs.replica}`;
  if (option.kind === "owned") return `${held} and buy nothing`;
  if (option.kind === "hybrid" && option.n) {
    return `${held} and buy the other ${percent(1 - option.share)} of the tokens from ${api(option.metered)}`;
  }
  return `buy everything from ${api(option.metered)}`;
}

function sayVerdict(metered, options) {
  const bought = options.find((each) => each.kind === "bought" && each.metered === metered.name);
  const owned = options.find((each) => each.kind === "owned");
  const both = options.find((each) => each.kind === "hybrid" && each.metered === metered.name);
  const pure = owned.usd < bought.usd ? owned : bought, best = both.usd < pure.usd ? both : pure;
  const against = `Against ${api(metered.name)} alone`;
  if (best === bought) {
    return `${against}: buying wins, ${usd(bought.usd)} a month; owning everything costs ${usd(owned.usd)}.`;
  }
  const less = percent(1 - best.usd / bought.usd), owning = replicas(best.n, best.spare);
  const text = `${against}: ${usd(best.usd)} a month instead of ${usd(bought.usd)}, ${less} less, `;
  if (best === owned) return `${text}owning everything on ${owning}.`;
  return `${text}owning ${owning} and buying ${percent(1 - best.share)} of the tokens; `
    + `${percent(1 - best.usd / pure.usd)} below the better pure option.`;
}
