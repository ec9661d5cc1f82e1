// The patch view. `map` and `reply` are what the server last sent: the entropies of a picture, and
// pixels for one setting. Whatever follows from the map (selection, curve, bits) is computed here.
//
// Studio.shown = { settings, map, filtered, keep, kept, tokens, bits, pixels, layers }:
//   map      size, grid, stride, M, entropy[M], codes[M], minimum (T), unit, error, layout, codebook_size,
//            rgb, ranked {order, cumulative, total}, rank[M], patch (of each pixel)
//   filtered {tau, count, binding, keep} of DTF; keep, kept, tokens, bits {codes, count, places,
//            total}, loss of the policy with what is forced; pixels {rgb, psnr, ssim} or null
//   layers   by name, the words that its panels show; of image and error the last that came
const { Selection, Panels, Colour, Curve, Format, courier } = Studio;
const MAP_KEYS = ["picture", "box", "side", "k", "estimator", "target_psnr"];
const PIXEL_KEYS = [...MAP_KEYS, "epsilon", "policy", "forced_in", "forced_out"];
const TITLES = { picture: "Picture x", entropy: "Entropy H", kept: "Kept patches", image: "Reconstruction x̂", error: "Absolute error" };
let map = null;
let reply = null;
let outcome = null; // what Selection.outcome makes of the map for the settings
let refused = null; // the settings that the server turned down
const layers = {}; // by name, what its canvases show

const find = (selector) => element.querySelector(selector);
const all = (selector) => [...element.querySelectorAll(selector)];
const text = (name, value) => { find(`[data-text="${name}"]`).textContent = value; };
const figure = find(".figure");
const mapFits = () => map !== null && Studio.agree(map.settings, Studio.settings, MAP_KEYS);
const pixelsFit = () => mapFits() && reply !== null && Studio.agree(reply.settings, Studio.settings, PIXEL_KEYS);

// --- talking to the server ----------------------------------------------------------------------

const line = courier("ask", element, {
  want: () => {
    const { settings } = Studio;
    if (settings.picture === null || pixelsFit()) return null;
    return refused !== null && Studio.agree(refused, settings, PIXEL_KEYS) ? null : settings;
  },
  send: (question) => trigger("ask", { ...question, have: map ? map.key : null }),
  receive,
});

function receive(value, settings) {
  refused = value.pixels ? null : settings;
  Studio.refusal = value.error || "";
  text("status", Studio.refusal);
  if (value.map) adopt(value.map);
  if (value.pixels) {
    map.settings = settings;
    reply = { ...value.pixels, settings, rgb: Panels.rgb(value.pixels.image) };
    lay("image", Panels.picture(reply.rgb));
    lay("error", Panels.error(map.rgb, reply.rgb));
  }
  draw();
  if (Studio.shown?.pixels) document.dispatchEvent(new CustomEvent("studio-shown"));
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
  figure.style.setProperty("--grid", map.grid);
  figure.classList.remove("empty");
  all(".marks").forEach((svg) => svg.setAttribute("viewBox", `0 0 ${map.grid} ${map.grid}`));
  lay("picture", map.words);
  lay("entropy", Panels.entropy(map.entropy, map.low, map.high));
  Curve.axes(find(".curve svg"), map.ranked);
  text("size", `${map.size} × ${map.size} pixels, ${map.grid} × ${map.grid} patches`);
  all('[data-scale="entropy"]').forEach((place) => { place.innerHTML = entropyScale(); });
}

// --- drawing ------------------------------------------------------------------------------------

function lay(name, words) {
  layers[name] = words;
  Panels.paint(find(`[data-panel="${name}"]`), words);
  ["base", "overlay"].forEach((which) => {
    if (Studio.settings[which] === name) Panels.paint(find(`[data-blend="${which}"]`), words);
  });
}

const scale = (map256, low, high, note) => `<span class="ends"><span>${low}</span><span class="bar" style="background:${Colour.gradient(map256)}"></span><span>${high}</span></span><span class="unit">${note}</span>`;
const errorScale = () => scale(Colour.magma, 0, `≥ ${Panels.ERROR_MAX}`, "levels of 255, mean of R, G, B");
function entropyScale() {
  const range = map.high - map.low; // 0 where all H are equal
  const digits = range > 0 ? Math.min(Math.max(Math.ceil(Math.log10(map.high / range)) + 2, 3), 6) : 3;
  return scale(Colour.viridis, Format.number(map.low, digits), Format.number(map.high, digits), map.unit);
}

function draw() {
  if (map === null) return;
  const { settings } = Studio;
  const fits = pixelsFit();
  const serverKeep = fits ? Uint8Array.from(reply.keep, Number) : null;
  outcome = Selection.outcome(map, settings, serverKeep);
  const { keep, kept } = outcome;
  if (keep && serverKeep && keep.some((mine, i) => mine !== serverKeep[i])) {
    console.error("The browser and the server disagree about the kept patches.");
  }
  Studio.shown = mapFits() ? { settings, map, ...outcome, pixels: fits ? reply : null, layers } : null;
  figure.classList.toggle("waiting", !fits);
  figure.classList.toggle("outdated", !mapFits() || keep === null);
  if (keep !== null) lay("kept", Panels.kept(map.words, map.patch, keep));
  text("kept", `N = ${kept ?? "…"} of M = ${map.M}${settings.policy === "dtf" ? "" : `, ${settings.policy}`}${Statistics.byHand(settings)}`);
  find('[data-panel="kept"]').setAttribute("aria-label", `${kept ?? "some"} of ${map.M} patches are kept; the others are dimmed`);
  text("quality", fits ? `${Format.decibels(reply.psnr)}, SSIM ${reply.ssim.toFixed(3)}` : "…");
  find(".statistics").innerHTML = Statistics.cells(map, settings, outcome, fits ? reply : null);
  find('[data-text="constraint"]').innerHTML = Statistics.constraint(map, settings, outcome.filtered, fits ? reply : null);
  drawMarks();
  drawChoice();
  document.dispatchEvent(new CustomEvent("studio-drawn"));
}

function drawMarks() {
  const { selected } = Studio.settings;
  const alike = selected === null ? [] : map.codes.flatMap((code, i) => (code === map.codes[selected] && i !== selected ? [i] : []));
  const marks = Panels.marks(map.grid, Studio.settings, alike);
  all(".marks").forEach((svg) => { if (svg.innerHTML !== marks) svg.innerHTML = marks; });
}

function drawMode() {
  const { settings } = Studio;
  figure.classList.toggle("blended", settings.mode === "blend");
  all("[data-mode]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.mode === settings.mode)));
  ["base", "overlay"].forEach((which) => {
    find(`[data-layer="${which}"]`).value = settings[which];
    const canvas = find(`[data-blend="${which}"]`);
    canvas.setAttribute("aria-label", TITLES[settings[which]]);
    canvas.classList.toggle("hatched", settings[which] === "kept");
    if (layers[settings[which]]) Panels.paint(canvas, layers[settings[which]]);
  });
  find('[data-blend="overlay"]').style.opacity = settings.opacity;
  find('[data-layer="opacity"]').value = settings.opacity;
  const has = (name) => [settings.base, settings.overlay].includes(name);
  find('[data-text="legends"]').innerHTML = (has("entropy") && map ? `<div class="scale">${entropyScale()}</div>` : "")
    + (has("error") ? `<div class="scale">${errorScale()}</div>` : "");
}

// --- wiring ---------------------------------------------------------------------------------------

figure.classList.add("empty");
all(".square").forEach((square) => square.insertAdjacentHTML("beforeend",
  '<svg class="marks" aria-hidden="true" preserveAspectRatio="none"></svg><span class="pin"></span><span class="cursor"></span>'));
all('[data-scale="error"]').forEach((place) => { place.innerHTML = errorScale(); });
all("select").forEach((select) => {
  select.innerHTML = Studio.LAYERS.map((name) => `<option value="${name}">${TITLES[name]}</option>`).join("");
  select.addEventListener("change", () => Studio.set({ [select.dataset.layer]: select.value }));
});
find('[data-layer="opacity"]').addEventListener("input", (event) => Studio.set({ opacity: Number(event.target.value) }));
all("[data-mode]").forEach((button) => button.addEventListener("click", () => Studio.set({ mode: button.dataset.mode })));

const VIEW_KEYS = ["mode", "base", "overlay", "opacity"];
Studio.on("studio", element, ({ changed }) => {
  if (changed.some((name) => VIEW_KEYS.includes(name))) drawMode();
  if (changed.some((name) => PIXEL_KEYS.includes(name) || name === "selected")) draw();
  line.poke();
});
new ResizeObserver(() => {
  if (map === null) return;
  Curve.axes(find(".curve svg"), map.ranked);
  drawChoice();
}).observe(find(".curve svg"));
watch("value", () => line.hear(props.value));
drawMode();
line.poke();
