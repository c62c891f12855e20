// What the page does: sliders that ask for another month, and numbers that show where they come from.
const data = JSON.parse(document.getElementById("bl-data").textContent);
data.curve = readCurve(data.curve);
const planned = { ...data.sliders };
const as = { tokens_per_day: (v) => `${tokens(v)} tokens/day`, output_share: (v) => `${percent(v)} output`,
  usd_per_gpu_hour: (v) => `${usd(v)} a GPU`, usable: (v) => `${percent(v)} of it`, team_usd_per_month: (v) => `${usd(v)} a month` };
const inputOf = (name) => document.getElementById(`s-${name}`);
const made = {};

// A slider's position is a share of its range; volume and price move by equal ratios.
function valueAt(name) {
  const element = inputOf(name);
  if (element.dataset.untouched === "1") return planned[name];
  const [low, high] = data.ranges[name], at = Number(element.value) / 1000;
  const value = data.logarithmic.includes(name) ? low * (high / low) ** at : low + (high - low) * at;
  return name === "team_usd_per_month" ? Math.round(value / 500) * 500 : Number(value.toPrecision(3));
}

function positionOf(name, value) {
  const [low, high] = data.ranges[name];
  return 1000 * (data.logarithmic.includes(name) ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low));
}

const answerAt = (to) => decide(movedTo(data, { ...planned, ...to }));

function show() {
  const to = Object.fromEntries(Object.keys(planned).map((name) => [name, valueAt(name)]));
  Object.entries(to).forEach(([name, value]) => {
    document.getElementById(`o-${name}`).textContent = as[name](value);
    inputOf(name).setAttribute("aria-valuetext", as[name](value));
  });
  const moved = Object.keys(planned).some((name) => to[name] !== planned[name]);
  document.body.classList.toggle("moved", moved);
  const found = answerAt(to);
  showWords(found, moved);
  showOptions(found);
  ["wide", "narrow"].forEach((size) => {
    put(`load-${size}`, moved ? drawLoad(found, size === "narrow") : null);
    put(`even-${size}`, moved ? drawBreakEven(found, found.answer, size === "narrow") : null);
  });
}

// The planned picture comes back as it was made.
function put(id, picture) {
  const element = document.getElementById(id);
  if (!(id in made)) made[id] = element.innerHTML;
  element.innerHTML = picture === null ? made[id] : picture;
}

const NUMBER = /(?<![\w.,\-−×+])−?\$?\d(?:[\d,]*\d)?(?:\.\d+)?(?:%|[kMB]\b)?(?:\+\d+)?(?![\w×])/g;
const linked = (text, source) => safe(text).replace(NUMBER, (number) => `<a class="n" href="#${source}">${number}</a>`);

function showWords(found, moved) {
  const saved = document.querySelectorAll("[data-live]");
  saved.forEach((element) => {
    if (!(element.dataset.live in made)) made[element.dataset.live] = element.innerHTML;
    if (!moved) { element.innerHTML = made[element.dataset.live]; return; }
    const [what, row] = element.dataset.live.split(":");
    const say = { answer: () => found.answer, verdict: () => found.verdicts[row],
      load: () => sayLoad(shownHybrid(found)), even: () => sayEven(found.breakEven[row]) };
    element.innerHTML = linked(say[what](), element.dataset.source);
  });
}

function sayEven(found) {
  const name = `${api(found.against.name)} at ${usdPerMillion(found.against.usd_per_million)}`;
  const owned = found.crossings.length
    ? `owning everything first pays at ${tokens(found.crossings[0].tokens_per_day, true)} tokens/day`
      + (found.crossings.length > 1 ? `, for good from ${tokens(found.crossings.at(-1).tokens_per_day, true)}` : "")
    : "owning everything never pays";
  const both = found.hybrid_from === null ? "a hybrid never pays" : `a hybrid pays from ${tokens(found.hybrid_from, true)} on`;
  return `Against ${name}: ${owned}; ${both}.`;
}

function showOptions(found) {
  const most = Math.max(...found.options.map((each) => each.usd));
  found.options.forEach((option, row) => {
    const line = document.querySelector(`[data-option="${row}"]`);
    line.classList.toggle("best", option === found.cheapest);
    const cells = { usd: usd(option.usd), per: usdPerMillion(option.per_million).replace("/M", ""),
      replicas: replicasCell(option.n, option.spare), owned: percent(option.share), use: option.n ? percent(option.use) : "–" };
    Object.entries(cells).forEach(([name, text]) => { line.querySelector(`[data-cell="${name}"]`).textContent = text; });
    const fleet = found.inputs.fleet, machines = (option.n + option.spare) * replicaMonth(fleet);
    const people = option.n ? fleet.team : 0, bought = Math.max(option.usd - machines - people, 0);
    [machines, people, bought].forEach((part, i) => {
      line.querySelectorAll(".bar i")[i].style.width = `${fixed(most ? part / most * 100 : 0, 2)}%`;
    });
  });
}

Object.keys(planned).forEach((name) => {
  const element = inputOf(name);
  element.value = positionOf(name, planned[name]);
  element.dataset.untouched = "1";
  element.addEventListener("input", () => { element.dataset.untouched = "0"; show(); });
});
document.getElementById("reset").addEventListener("click", () => {
  Object.keys(planned).forEach((name) => {
    inputOf(name).dataset.untouched = "1";
    inputOf(name).value = positionOf(name, planned[name]);
  });
  show();
});
document.getElementById("sliders").hidden = false;
show();

// A number's source in a card beside it; without this script the link leads to the same text at the page's end.
const card = document.getElementById("card");
let opener = null;
function closeCard(back) {
  if (!opener) return;
  card.hidden = true;
  opener.setAttribute("aria-expanded", "false");
  if (back) opener.focus();
  opener = null;
}
function openCard(link) {
  const source = document.getElementById(link.getAttribute("href").slice(1));
  if (!source) return;
  closeCard(false);
  opener = link;
  const moved = document.body.classList.contains("moved")
    ? '<p class="moved-note">The sliders changed the month; these figures are the plan\'s.</p>' : "";
  card.querySelector("div").innerHTML = moved + source.innerHTML;
  card.hidden = false;
  link.setAttribute("aria-expanded", "true");
  const at = link.getBoundingClientRect(), width = card.offsetWidth;
  card.style.left = `${Math.max(8, Math.min(at.left, document.documentElement.clientWidth - width - 8)) + scrollX}px`;
  card.style.top = `${at.bottom + 8 + scrollY}px`;
  card.querySelector("button").focus({ preventScroll: true });
}
document.addEventListener("click", (event) => {
  const link = event.target.closest("a.n");
  if (link) {
    event.preventDefault();
    if (link === opener) closeCard(true); else openCard(link);
  } else if (event.target.closest("#card button")) closeCard(true);
  else if (!event.target.closest("#card")) closeCard(false);
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") closeCard(true); });
// A table wider than the screen says that there is more of it, until its end is in sight.
function hint() {
  document.querySelectorAll(".scroll").forEach((box) => {
    box.classList.toggle("over", box.scrollLeft + box.clientWidth < box.scrollWidth - 4);
  });
}
document.querySelectorAll(".scroll").forEach((box) => box.addEventListener("scroll", hint, { passive: true }));
document.querySelectorAll("details").forEach((box) => box.addEventListener("toggle", hint));
window.addEventListener("resize", hint);
hint();
window.baseload = { answerAt, drawLoad, drawBreakEven, planned };
