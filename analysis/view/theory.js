// The tab Theory: one reply of the server for a picture and k holds R at every target and at D_G;
// D0, α and T follow here. See theory.py for the reply.
const { Panels, Format, courier, LIMITS } = Studio;
const find = (selector) => element.querySelector(selector);
const text = (name, value) => { find(`[data-text="${name}"]`).textContent = value; };
const svg = find("svg.rate");
const handle = find(".handle");
const settings = {
  picture: Studio.settings.example ?? LIMITS.examples[0] ?? null, // null: the uploaded one
  k: Studio.settings.k,
  psnr: Plot.nearest(Studio.settings.target_psnr ?? props.target),
  scale: "linear",
};
let shown = null; // { key, found, name }
let refused = null; // the question that was not served

// --- questions ------------------------------------------------------------------------------------

function question() {
  const { picture, k } = settings;
  if (picture !== null) return { k, subject: { kind: "example", name: picture } };
  return props.uploaded ? { k, subject: { kind: "upload", name: props.uploaded.id } } : null;
}

const key = () => JSON.stringify(question());
const line = courier("theory", element, {
  want: () => (question() === null || [shown?.key, refused].includes(key()) ? null : question()),
  send: (asked) => trigger("theory", asked),
  receive(reply, asked) {
    text("status", reply.error || "");
    if (reply.error) refused = JSON.stringify(asked);
    else {
      shown = { key: JSON.stringify(asked), found: reply, name: asked.subject.kind === "upload" ? props.uploaded.name : asked.subject.name };
      draw();
    }
  },
});

// --- numbers --------------------------------------------------------------------------------------

// By one of the two rates: R(D0), R(D_G), α (null where R(D0) = 0) and T, as App. B has them.
function asked(found, name) {
  const rate = found[name][TARGETS.indexOf(settings.psnr)];
  const rate_G = found[`${name}_G`];
  return { rate, rate_G, alpha: rate > 0 ? rate_G / rate : null, T: Math.max(0, rate - rate_G) };
}

const bits = (value) => `${Math.round(value).toLocaleString("en-US")} bits`;
const times = (value) => (value >= 100 ? Math.round(value).toLocaleString("en-US") : Format.number(value, 2));

function verdict(found, gaussian, water) {
  const { capacity, rate } = found;
  const enough = `G alone is already good enough: D_G is no larger than D0, so T = 0 and the patches owe nothing.`;
  const tells = (T) => (T > capacity ? `${times(T / capacity)} times what all M = ${LIMITS.M} patch codes carry, so no N can supply it` : `${Format.percent(T / capacity)} of what all M = ${LIMITS.M} patch codes carry`);
  const perDecibel = (props.pixels / 2) * (Math.log2(10) / 10);
  if (rate.every((R) => R === 0)) return "This picture is of one colour: σ² = 0, so R(D) = 0 at every D and T = 0.";
  if (gaussian.rate === 0) return "This target is coarser than the picture’s own variance: R(D0) = 0, α is undefined, and T = 0.";
  if (gaussian.T === 0 && water.T === 0) return enough;
  return `By Eq. 18 T is ${bits(gaussian.T)}: ${tells(gaussian.T)}. Below σ², Eq. 18 charges ${bits(perDecibel)} for each decibel, so all these codes would buy ${(capacity / perDecibel).toFixed(2)} dB. By reverse water-filling T is ${bits(water.T)}: ${tells(water.T)}.`;
}

function bars(found, gaussian, water) {
  const rows = [
    ["minimum", "T by Eq. 18", gaussian.T],
    ["water", "T by reverse water-filling", water.T],
    ["capacity", `M = ${LIMITS.M} codes of ${props.code_bits} bits carry`, found.capacity],
  ];
  const top = Math.max(...rows.map(([, , value]) => value));
  return rows.map(([name, label, value]) => `<span class="label">${label}</span><span class="whole" role="img" aria-label="${label}: ${bits(value)}"><i class="${name}" style="width:${(100 * value) / top}%"></i></span><span class="number">${bits(value)}</span>`).join("");
}

function table(found, gaussian, water) {
  const alpha = (one) => (one.alpha === null ? "undefined" : Format.number(one.alpha, 3));
  const rows = [
    ["<em>R</em>(<em>D</em><sub>0</sub>)", (one) => bits(one.rate)],
    ["<em>R</em>(<em>D<sub>G</sub></em>)", (one) => bits(one.rate_G)],
    ["α = <em>R</em>(<em>D<sub>G</sub></em>) / <em>R</em>(<em>D</em><sub>0</sub>)", alpha],
    ["<em>T</em> = max(0, <em>R</em>(<em>D</em><sub>0</sub>) − <em>R</em>(<em>D<sub>G</sub></em>))", (one) => bits(one.T)],
    [`<em>T</em> against ${props.code_bits} <em>M</em> = ${bits(found.capacity)}`, (one) => `${times(one.T / found.capacity)} ×`],
  ];
  return rows.map(([head, cell]) => `<tr><th scope="row">${head}</th><td>${cell(gaussian)}</td><td>${cell(water)}</td></tr>`).join("");
}

// --- drawing --------------------------------------------------------------------------------------

function tell() {
  const { found } = shown;
  const [gaussian, water] = ["rate", "water"].map((name) => asked(found, name));
  const D0 = 4 * 10 ** (-settings.psnr / 10);
  text("verdict", verdict(found, gaussian, water));
  text("target", `D0 = ${Format.number(D0)} (${settings.psnr.toFixed(1)} dB), where D_G = ${Format.number(found.D_G)} with k = ${found.k}`);
  find('[data-text="bars"]').innerHTML = bars(found, gaussian, water);
  find("tbody").innerHTML = table(found, gaussian, water);
  Object.entries({ valuemin: Plot.LOW, valuemax: Plot.HIGH, valuenow: settings.psnr, valuetext: `D0 at ${settings.psnr.toFixed(1)} dB, T by Eq. 18 ${bits(gaussian.T)}, by water-filling ${bits(water.T)}` })
    .forEach(([name, value]) => handle.setAttribute(`aria-${name}`, value));
}

function draw() {
  const fields = { picture: settings.picture ?? "", k: settings.k, scale: settings.scale };
  Object.entries(fields).forEach(([name, value]) => { find(`[data-name="${name}"]`).value = value; });
  text("k", settings.k);
  text("hint", question() === null ? "Upload a picture of your own to begin." : "");
  find(".plane").hidden = find(".result").hidden = shown === null;
  if (shown === null) return;
  const canvas = find("canvas");
  Panels.paint(canvas, Panels.picture(Panels.rgb(shown.found.picture)));
  canvas.setAttribute("aria-label", `${shown.name}, as the model sees it`);
  if (svg.clientWidth > 0) Plot.draw(svg, shown.found, settings.scale, settings.psnr);
  tell();
}

// --- controls -------------------------------------------------------------------------------------

function set(changes) {
  Object.assign(settings, changes);
  text("status", "");
  refused = null;
  draw();
  line.poke();
}

function move(dB) {
  const psnr = Plot.nearest(dB);
  if (shown === null || psnr === settings.psnr) return;
  settings.psnr = psnr;
  Plot.moving(svg, shown.found, settings.scale, psnr);
  tell();
}

handle.addEventListener("pointerdown", (event) => {
  handle.setPointerCapture(event.pointerId);
  handle.focus({ preventScroll: true });
});
handle.addEventListener("pointermove", (event) => {
  if (handle.hasPointerCapture(event.pointerId)) move(Plot.dBAt(svg, event.clientX));
});
const STEP = TARGETS[1] - TARGETS[0];
const KEYS = {
  ArrowLeft: () => settings.psnr - STEP, ArrowDown: () => settings.psnr - STEP,
  ArrowRight: () => settings.psnr + STEP, ArrowUp: () => settings.psnr + STEP,
  PageDown: () => settings.psnr - 2, PageUp: () => settings.psnr + 2,
  Home: () => Plot.LOW, End: () => Plot.HIGH,
};
handle.addEventListener("keydown", (event) => {
  if (!(event.key in KEYS)) return;
  event.preventDefault();
  move(KEYS[event.key]());
});

const READ = { picture: (field) => field.value || null, k: (field) => Number(field.value), scale: (field) => field.value };
element.querySelectorAll("[data-name]").forEach((field) => field.addEventListener("input", () => {
  set({ [field.dataset.name]: READ[field.dataset.name](field) });
}));

function listPictures() {
  const list = find('[data-name="picture"]');
  list.replaceChildren(...LIMITS.examples.map((name) => new Option(name, name)));
  if (props.uploaded) list.append(new Option(`Yours: ${props.uploaded.name}`, ""));
}

find('[data-name="k"]').max = LIMITS.k_max;
listPictures();
watch("value", () => line.hear(props.value));
watch("uploaded", () => {
  listPictures();
  set({ picture: null });
});
Studio.on("studio", element, ({ changed }) => {
  if (changed.includes("example") && Studio.settings.example !== null) set({ picture: Studio.settings.example });
  if (changed.includes("k")) set({ k: Studio.settings.k });
});
new ResizeObserver(() => { if (shown !== null && svg.clientWidth > 0) Plot.draw(svg, shown.found, settings.scale, settings.psnr); }).observe(svg);
draw();
line.poke();
