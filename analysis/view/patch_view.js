// The patch view. `wanted` is the whole state of the view; `map` and `reply` are what the server
// last sent for it. Whatever follows from the map (selection, curve, bits) is computed here.
const MAP_KEYS = ["picture", "box", "k", "estimator", "target_psnr"];
const PIXEL_KEYS = [...MAP_KEYS, "epsilon", "policy"];
const wanted = { picture: null, box: null, ...props.defaults };
let map = null;
let reply = null;
let found = null; // dtf at the wanted epsilon
let keep = null; // null while only the server knows: random, chain
let hovered = null;
let pinned = null;
let inFlight = null; // the question under way: its serial number and settings
let refused = null; // the settings that the server turned down
let serial = 0;

const find = (selector) => element.querySelector(selector);
const text = (name, value) => { find(`[data-text="${name}"]`).textContent = value; };
const canvas = (name) => find(`[data-panel="${name}"]`);
const agree = (a, b, keys) => keys.every((key) => JSON.stringify(a[key]) === JSON.stringify(b[key]));
const mapFits = () => map !== null && agree(map.settings, wanted, MAP_KEYS);
const pixelsFit = () => mapFits() && reply !== null && agree(reply.settings, wanted, PIXEL_KEYS);

const number = (value, digits = 3) => value.toLocaleString("en-US", {
  maximumSignificantDigits: value >= 1000 ? Math.max(digits, Math.floor(Math.log10(value)) + 1) : digits,
});
const unit = () => map.unit.split(/[ ,]/)[0];

// --- talking to the server: one question at a time, the newest settings win --------------------

function ask() {
  if (wanted.picture === null || inFlight !== null || pixelsFit()) return;
  if (refused !== null && agree(refused, wanted, PIXEL_KEYS)) return;
  serial += 1;
  inFlight = { serial, settings: { ...wanted } };
  trigger("ask", { ...wanted, serial, have: map ? map.key : null });
}

function receive(value) {
  if (!value || inFlight === null || value.serial !== inFlight.serial) return;
  const { settings } = inFlight;
  inFlight = null;
  refused = value.pixels ? null : settings;
  text("status", value.error || "");
  if (value.map) adopt(value.map);
  if (value.pixels) {
    map.settings = settings;
    reply = { ...value.pixels, settings, rgb: Panels.rgb(value.pixels.image) };
    Panels.paint(canvas("image"), Panels.picture(reply.rgb));
    Panels.paint(canvas("error"), Panels.error(map.rgb, reply.rgb));
  }
  draw();
  ask();
}

function adopt(next) {
  map = { ...next, rgb: Panels.rgb(next.picture), ranked: Selection.rank(next.entropy) };
  map.words = Panels.picture(map.rgb);
  map.M = map.entropy.length;
  map.low = Math.min(...map.entropy);
  map.high = Math.max(...map.entropy);
  map.rank = new Uint16Array(map.M);
  map.ranked.order.forEach((place, i) => { map.rank[place] = i; });
  map.patch = Panels.patches(map.size, map.grid, map.stride);
  if (pinned !== null && pinned >= map.M) pinned = null;
  hovered = null;
  find(".figure").style.setProperty("--grid", map.grid);
  find(".figure").classList.remove("empty");
  Panels.paint(canvas("picture"), map.words);
  Panels.paint(canvas("entropy"), Panels.entropy(map.entropy, map.low, map.high));
  Curve.axes(find(".curve svg"), map.ranked);
  text("size", `${map.size} × ${map.size} pixels, ${map.grid} × ${map.grid} patches`);
  const digits = Math.min(Math.max(Math.ceil(Math.log10(map.high / (map.high - map.low))) + 2, 3), 6);
  text("low", number(map.low, digits));
  text("high", number(map.high, digits));
  text("unit", map.unit);
}

// --- drawing ------------------------------------------------------------------------------------

function draw() {
  if (map === null) return;
  found = Selection.dtf(map.ranked, wanted.epsilon, map.minimum);
  const fits = pixelsFit();
  const own = Selection.keep(wanted.policy, found, map.M);
  const told = fits ? Uint8Array.from(reply.keep, Number) : null;
  if (own && told && own.some((kept, i) => kept !== told[i])) {
    console.error("The browser and the server disagree about the kept patches.");
  }
  keep = own || told;
  find(".figure").classList.toggle("waiting", !fits);
  find(".figure").classList.toggle("outdated", !mapFits() || keep === null);
  if (keep !== null) Panels.paint(canvas("kept"), Panels.kept(map.words, map.patch, keep));
  text("kept", `N = ${found.count} of M = ${map.M}${wanted.policy === "dtf" ? "" : `, ${wanted.policy}`}`);
  canvas("kept").setAttribute("aria-label", `${found.count} of ${map.M} patches are kept; the others are dimmed`);
  text("quality", fits ? `${decibels()}, SSIM ${reply.ssim.toFixed(3)}` : "…");
  find(".statistics").innerHTML = statistics(fits);
  drawCurve();
  drawChoice();
}

function drawCurve() {
  const place = hovered ?? pinned;
  Curve.marks(find(".curve svg"), map.ranked, found, place === null ? null : map.rank[place]);
}

const decibels = () => (reply.psnr === null ? "∞ dB" : `${reply.psnr.toFixed(2)} dB`);

const BINDING = {
  "loss rate": () => ["(1 − ε) H_total", map.minimum > 0 ? `exceeds T = ${number(map.minimum)} ${unit()}` : "no target PSNR, so T = 0"],
  minimum: () => ["T", `${number(map.minimum)} ${unit()} exceed (1 − ε) H_total`],
  unreachable: () => ["T > H_total", "all M are kept and Eq. 6 still does not hold"],
};

function statistics(fits) {
  const N = found.count;
  const { k } = map.settings;
  const bits = Selection.bits({
    M: map.M, k, N, codebookSize: map.codebook_size, layout: map.layout,
    policy: wanted.policy, fromGlobals: map.from_globals,
  });
  const tokens = k + N;
  const per256 = map.M === 256 ? "" : ` and ${(tokens / 256).toFixed(3)} of 256`;
  const [constraint, why] = BINDING[found.binding]();
  const cell = (key, name, value, note, kind = "") => `<div class="${kind}" data-stat="${key}"><dt>${name}</dt><dd>${value}</dd><dd>${note}</dd></div>`;
  return [
    cell("kept", "Kept patches N", N, `of M = ${map.M}`),
    cell("tokens", "Tokens k + N", tokens, `${k} + ${N}`),
    cell("ratio", "Ratio", (tokens / map.M).toFixed(3), `of ${map.M} tokens${per256}`),
    cell("bits", "Size", `${bits.toLocaleString("en-US")} bits`, `${(bits / map.size ** 2).toFixed(4)} bits per pixel`),
    cell("psnr", "PSNR", fits ? decibels() : "…", "of the clipped picture", "pixels"),
    cell("ssim", "SSIM", fits ? reply.ssim.toFixed(4) : "…", "Gaussian window, 11 px", "pixels"),
    cell("tau", "Threshold τ", `${number(found.tau, 4)} ${unit()}`, `of H_total = ${number(map.ranked.total, 4)}`),
    cell("binding", "Binding", constraint, why),
  ].join("").replace(/H_total/g, "<i>H</i><sub>total</sub>");
}

// --- one patch under the pointer, the finger or the arrow keys -----------------------------------

function describe(place) {
  const share = map.ranked.total > 0 ? `${((100 * map.entropy[place]) / map.ranked.total).toFixed(2)} %` : "0 %";
  return [
    `row ${Math.floor(place / map.grid) + 1}, column ${(place % map.grid) + 1}`,
    `H = ${number(map.entropy[place], 4)} ${unit()}`,
    `rank ${map.rank[place] + 1} of ${map.M}`,
    `${share} of the total`,
    keep === null ? "…" : keep[place] ? `kept, code ${map.codes[place]}` : "dropped",
  ];
}

function drawChoice() {
  const place = hovered ?? pinned;
  const figure = find(".figure");
  figure.classList.toggle("chosen", place !== null);
  const line = find('[data-text="readout"]');
  if (place === null) {
    line.innerHTML = '<span class="hint" style="white-space: normal">Point at a patch, or focus the panels and use the arrow keys, to read its entropy, rank and code.</span>';
    return;
  }
  figure.style.setProperty("--row", Math.floor(place / map.grid));
  figure.style.setProperty("--column", place % map.grid);
  line.innerHTML = describe(place).map((part) => `<span>${part}</span>`).join("");
}

function choose(place, pin) {
  if (map === null) return;
  if (pin) pinned = place;
  hovered = pin ? null : place;
  drawCurve();
  drawChoice();
  if (pin) text("spoken", place === null ? "" : describe(place).join(", "));
}

function placeUnder(event) {
  const square = event.target.closest(".square");
  if (!square || map === null) return null;
  const box = square.getBoundingClientRect();
  const cell = (at, from, length) => Math.min(Math.max(Math.floor(((at - from) / length) * map.grid), 0), map.grid - 1);
  return cell(event.clientY, box.top, box.height) * map.grid + cell(event.clientX, box.left, box.width);
}

function step(event) {
  if (map === null) return;
  const { grid } = map;
  const at = pinned ?? 0;
  const column = at % grid;
  const moves = {
    ArrowLeft: column > 0 ? -1 : 0,
    ArrowRight: column < grid - 1 ? 1 : 0,
    ArrowUp: at >= grid ? -grid : 0,
    ArrowDown: at < grid * (grid - 1) ? grid : 0,
    Home: -column,
    End: grid - 1 - column,
  };
  if (event.key === "Escape") choose(null, true);
  else if (!(event.key in moves)) return;
  else choose(pinned === null ? 0 : at + moves[event.key], true);
  event.preventDefault();
}

// --- wiring ---------------------------------------------------------------------------------------

function set(event) {
  if (!element.isConnected) { document.removeEventListener(props.channel, set); return; }
  Object.assign(wanted, event.detail);
  draw();
  ask();
}

find(".figure").classList.add("empty");
find('[data-bar="viridis"]').style.background = Colour.gradient(Colour.viridis);
find('[data-bar="magma"]').style.background = Colour.gradient(Colour.magma);
text("error-max", `≥ ${Panels.ERROR_MAX}`);
drawChoice();

const panels = find(".panels");
panels.addEventListener("pointermove", (event) => choose(placeUnder(event), false));
panels.addEventListener("pointerleave", () => choose(null, false));
panels.addEventListener("click", (event) => {
  const place = placeUnder(event);
  if (place !== null) choose(place === pinned ? null : place, true);
});
panels.addEventListener("keydown", step);
const curve = find(".curve svg");
curve.addEventListener("pointermove", (event) => {
  if (map) choose(map.ranked.order[Curve.rankAt(curve, event.clientX, map.M)], false);
});
curve.addEventListener("pointerleave", () => choose(null, false));
new ResizeObserver(() => {
  if (map === null) return;
  Curve.axes(curve, map.ranked);
  drawCurve();
}).observe(curve);

document.addEventListener(props.channel, set);
document.addEventListener(`${props.channel}-failed`, () => {
  inFlight = null;
  refused = { ...wanted };
  text("status", "The server did not answer; move a control to try again.");
});
watch("value", () => receive(props.value));
