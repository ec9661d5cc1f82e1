// The tab Theory: one reply of the server for the picture of the page at one k holds R at every target
// and at D_G; α and T follow here from D0 and D_G. See theory.py for the reply.
const { Panels, Format, courier, LIMITS } = Studio;
const KEYS = ["picture", "box", "side", "k"];
const find = (selector) => element.querySelector(selector);
const text = (name, value) => { find(`[data-text="${name}"]`).textContent = value; };
const svg = find("svg.rate");
const settings = {
  k: Studio.settings.k,
  psnr: Plot.nearest(Studio.settings.target_psnr ?? props.target), // of D0
  assumed: null, // dB of a D_G that nobody measured, or null
  scale: "linear",
};
let shown = null; // { asked, rates, name }
let refused = null; // the question that was not served

// --- questions ------------------------------------------------------------------------------------

const question = () => (Studio.settings.picture === null ? null : { ...Studio.settings, k: settings.k });
const fits = (asked) => Boolean(asked) && question() !== null && Studio.agree(asked, question(), KEYS);
const line = courier("theory", element, {
  want: () => (element.clientWidth === 0 || fits(shown?.asked) || fits(refused) ? null : question()), // none while hidden
  send: (asked) => trigger("theory", asked),
  receive(reply, asked) {
    text("status", reply.error || "");
    refused = reply.rate ? null : asked;
    if (reply.rate) {
      shown = { asked, rates: reply, name: asked.example ?? "Your picture" };
      settings.assumed = null; // it was about another picture or k
    }
    draw();
  },
});

// --- numbers --------------------------------------------------------------------------------------

const distortion = (dB) => 4 * 10 ** (-dB / 10);

// D_G in dB and by itself, and R there by both rates: as measured, or as assumed.
function reached(rates) {
  const { assumed } = settings;
  if (assumed === null) return { psnr: rates.psnr_G, D: rates.D_G, rate: rates.rate_G, water: rates.water_G, assumed: false };
  const i = TARGETS.indexOf(assumed);
  return { psnr: assumed, D: distortion(assumed), rate: rates.rate[i], water: rates.water[i], assumed: true };
}

// By one of the two rates: R(D0), R(D_G), α (null where R(D0) = 0) and T, as App. B has them.
function demand(rates, name) {
  const rate = rates[name][TARGETS.indexOf(settings.psnr)];
  const rate_G = reached(rates)[name];
  return { rate, rate_G, alpha: rate > 0 ? rate_G / rate : null, T: Math.max(0, rate - rate_G) };
}

const bits = (value) => `${Math.round(value).toLocaleString("en-US")} bits`;
const times = (value) => (value >= 100 ? Math.round(value).toLocaleString("en-US") : Format.number(value, 2));

function verdict(rates, gaussian, water) {
  const { capacity, rate } = rates;
  const enough = `G alone is already good enough: D_G is no larger than D0, so T = 0 and the patches owe nothing.`;
  const tells = (T) => (T > capacity ? `${times(T / capacity)} times what all M = ${rates.M} patch codes carry, so no N can supply it` : `${Format.percent(T / capacity)} of what all M = ${rates.M} patch codes carry`);
  const perDecibel = (rates.values / 2) * (Math.log2(10) / 10);
  if (rate.every((R) => R === 0)) return "This picture is of one colour: σ² = 0, so R(D) = 0 at every D and T = 0.";
  if (gaussian.rate === 0) return "This target is coarser than the picture’s own variance: R(D0) = 0, α is undefined, and T = 0.";
  if (gaussian.T === 0 && water.T === 0) return enough;
  return `By Eq. 18 T is ${bits(gaussian.T)}: ${tells(gaussian.T)}. Below σ², Eq. 18 charges ${bits(perDecibel)} for each decibel, so all these codes would buy ${(capacity / perDecibel).toFixed(2)} dB. By reverse water-filling T is ${bits(water.T)}: ${tells(water.T)}.`;
}

function bars(rates, gaussian, water) {
  const rows = [
    ["minimum", "T by Eq. 18", gaussian.T],
    ["water", "T by reverse water-filling", water.T],
    ["capacity", `M = ${rates.M} codes of ${props.code_bits} bits carry`, rates.capacity],
  ];
  const top = Math.max(...rows.map(([, , value]) => value));
  return rows.map(([name, label, value]) => `<span class="label">${label}</span><span class="whole" role="img" aria-label="${label}: ${bits(value)}"><i class="${name}" style="width:${(100 * value) / top}%"></i></span><span class="number">${bits(value)}</span>`).join("");
}

function table(rates, gaussian, water) {
  const alpha = (one) => (one.alpha === null ? "undefined" : Format.number(one.alpha, 3));
  const rows = [
    ["<em>R</em>(<em>D</em><sub>0</sub>)", (one) => bits(one.rate)],
    ["<em>R</em>(<em>D<sub>G</sub></em>)", (one) => bits(one.rate_G)],
    ["α = <em>R</em>(<em>D<sub>G</sub></em>) / <em>R</em>(<em>D</em><sub>0</sub>)", alpha],
    ["<em>T</em> = max(0, <em>R</em>(<em>D</em><sub>0</sub>) − <em>R</em>(<em>D<sub>G</sub></em>))", (one) => bits(one.T)],
    [`<em>T</em> against ${props.code_bits} <em>M</em> = ${bits(rates.capacity)}`, (one) => `${times(one.T / rates.capacity)} ×`],
  ];
  return rows.map(([head, cell]) => `<tr><th scope="row">${head}</th><td>${cell(gaussian)}</td><td>${cell(water)}</td></tr>`).join("");
}

// --- drawing --------------------------------------------------------------------------------------

const decibels = (dB) => (dB === null ? "no error" : `${dB.toFixed(1)} dB`);

function slides(name, now, words) {
  Object.entries({ valuemin: Plot.LOW, valuemax: Plot.HIGH, valuenow: now, valuetext: words })
    .forEach(([key, value]) => find(`[data-handle="${name}"]`).setAttribute(`aria-${key}`, value));
}

function tell() {
  const { rates } = shown;
  const G = reached(rates);
  const [gaussian, water] = ["rate", "water"].map((name) => demand(rates, name));
  find(".what-if").hidden = !G.assumed;
  text("what-if", `What if G alone reached ${decibels(G.psnr)}? D_G, α and T below are hypothetical: measured is ${decibels(rates.psnr_G)}, with k = ${rates.k}.`);
  text("verdict", verdict(rates, gaussian, water));
  text("target", `D0 = ${Format.number(distortion(settings.psnr))} (${settings.psnr.toFixed(1)} dB), where D_G = ${Format.number(G.D)} ${G.assumed ? "is assumed" : `with k = ${rates.k}`}`);
  find('[data-text="bars"]').innerHTML = bars(rates, gaussian, water);
  find("tbody").innerHTML = table(rates, gaussian, water);
  const asks = `T by Eq. 18 ${bits(gaussian.T)}, by water-filling ${bits(water.T)}`;
  slides("D0", settings.psnr, `D0 at ${decibels(settings.psnr)}, ${asks}`);
  slides("DG", Plot.nearest(G.psnr ?? Plot.HIGH), `D_G ${G.assumed ? "assumed" : "measured"} at ${decibels(G.psnr)}, ${asks}`);
}

const handles = () => ({ scale: settings.scale, psnr: settings.psnr, G: reached(shown.rates) });

function draw() {
  listPictures();
  Object.entries({ k: settings.k, scale: settings.scale }).forEach(([name, value]) => { find(`[data-name="${name}"]`).value = value; });
  text("k", settings.k);
  text("hint", Studio.settings.picture === null && Studio.settings.example === null ? "Choose a picture, or upload one in the tab Tokenize." : "");
  find(".plane").hidden = find(".result").hidden = shown === null;
  find(".theory").classList.toggle("waiting", !fits(shown?.asked));
  if (shown === null) return;
  const canvas = find("canvas");
  Panels.paint(canvas, Panels.picture(Panels.rgb(shown.rates.pixels)));
  canvas.setAttribute("aria-label", `${shown.name}, as the model sees it`);
  plot();
  tell();
}

function plot() {
  if (shown !== null && svg.clientWidth > 0) Plot.draw(svg, shown.rates, handles());
}

function listPictures() {
  const list = find('[data-name="example"]');
  const { example, picture } = Studio.settings;
  list.replaceChildren(...LIMITS.examples.map((name) => new Option(name, name)));
  if (example === null) list.append(new Option(picture === null ? "" : "Yours", ""));
  list.value = example ?? "";
}

// --- controls -------------------------------------------------------------------------------------

function set(changes) {
  Object.assign(settings, changes);
  ask();
}

function ask() {
  text("status", "");
  refused = null;
  draw();
  line.poke();
}

// A handle: D0 (`psnr`) or D_G (`assumed`) goes to the target nearest to dB.
function move(name, dB) {
  const to = Plot.nearest(dB);
  if (shown === null || to === settings[name]) return;
  settings[name] = to;
  Plot.moving(svg, shown.rates, handles());
  tell();
}

const STEP = TARGETS[1] - TARGETS[0];
const STEPS = {
  ArrowLeft: (dB) => dB - STEP, ArrowDown: (dB) => dB - STEP, ArrowRight: (dB) => dB + STEP, ArrowUp: (dB) => dB + STEP,
  PageDown: (dB) => dB - 2, PageUp: (dB) => dB + 2, Home: () => Plot.LOW, End: () => Plot.HIGH,
};
Object.entries({ D0: "psnr", DG: "assumed" }).forEach(([id, name]) => {
  const handle = find(`[data-handle="${id}"]`);
  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    handle.focus({ preventScroll: true });
  });
  handle.addEventListener("pointermove", (event) => {
    if (handle.hasPointerCapture(event.pointerId)) move(name, Plot.dBAt(svg, event.clientX));
  });
  handle.addEventListener("keydown", (event) => {
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    move(name, STEPS[event.key](Number(handle.getAttribute("aria-valuenow"))));
  });
});
find(".what-if button").addEventListener("click", () => set({ assumed: null }));

find('[data-name="example"]').addEventListener("input", (event) => Studio.set({ example: event.target.value || null }));
const READ = { k: Number, scale: String };
Object.keys(READ).forEach((name) => find(`[data-name="${name}"]`).addEventListener("input", (event) => {
  set({ [name]: READ[name](event.target.value) });
}));

find('[data-name="k"]').max = LIMITS.k_max;
watch("value", () => line.hear(props.value));
Studio.on("studio", element, ({ changed }) => {
  if (changed.includes("k")) settings.k = Studio.settings.k;
  if (changed.some((name) => [...KEYS, "example"].includes(name))) ask();
});
new ResizeObserver(plot).observe(svg);
new ResizeObserver(() => line.poke()).observe(element); // the tab comes up
draw();
line.poke();
