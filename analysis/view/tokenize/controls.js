// The knobs: they show Studio.settings and change it.
const { LIMITS, Format } = Studio;
const TARGETS = [12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32]; // dB
const RANGES = { epsilon: LIMITS.epsilon_max, k: LIMITS.k_max };

const knobs = [...element.querySelectorAll(".knob")].map((knob) => {
  const { name } = knob.dataset;
  const [number, range] = ["number", "range"].map((type) => knob.querySelector(`[type="${type}"]`));
  [number, range].forEach((input) => {
    input.min = 0;
    input.max = RANGES[name];
    input.addEventListener("input", () => { if (input.value !== "") Studio.set({ [name]: Number(input.value) }); });
  });
  number.addEventListener("change", show); // what was not allowed gives way to what holds
  knob.querySelector(".value button").addEventListener("click", () => Studio.set({ [name]: LIMITS.defaults[name] }));
  return { name, number, range };
});

const selects = [...element.querySelectorAll("select")];
const option = (value, label) => `<option value="${value}">${label}</option>`;
const decibels = (dB) => option(dB, `${dB} dB`);
// What the names stand for; one that is missing here stands for itself.
const NAMED = {
  residual: "residual, the paper’s",
  "residual-token": "residual-token, read another way",
  "residual-plain": "residual-plain, distance alone",
  gaussian: "gaussian, bits of the latent",
  code: "code, its surprise",
  prior: "prior, from G alone",
  rate: "rate, bits to a target", // `show` says which
  gain: "gain, error saved",
  dtf: "dtf, the paper’s",
  random: "random",
  uniform: "uniform, evenly spaced",
  first: "first, from the top",
  last: "last, from the bottom",
  chain: "chain, H given those kept",
  edges: "edges first, then H",
};
const named = (names) => names.map((name) => option(name, NAMED[name] ?? name)).join("");
const OPTIONS = {
  side: Object.keys(LIMITS.sides).map((side) => option(side, `${side} px`)).join(""),
  estimator: named(LIMITS.estimators),
  policy: named(LIMITS.policies),
  target_psnr: option("", "none") + TARGETS.map(decibels).join(""),
};
element.querySelector("#side").hidden = Object.keys(LIMITS.sides).length < 2;
const fromText = { side: Number, target_psnr: (value) => (value === "" ? null : Number(value)) };
selects.forEach((select) => {
  const { name } = select.dataset;
  select.innerHTML = OPTIONS[name];
  select.addEventListener("change", () => Studio.set({ [name]: (fromText[name] ?? String)(select.value) }));
});

function show() {
  const { settings } = Studio;
  knobs.forEach(({ name, number, range }) => {
    range.value = settings[name];
    // Do not correct a number while it is being typed.
    if (document.activeElement !== number || Number(number.value) !== settings[name]) number.value = settings[name];
  });
  const rate = element.querySelector('[data-name="estimator"] [value="rate"]');
  const label = `rate, bits to D₀ = ${settings.target_psnr ?? LIMITS.target} dB`;
  if (rate && rate.textContent !== label) rate.textContent = label; // an open list would be laid out anew
  selects.forEach((select) => {
    const value = settings[select.dataset.name];
    select.value = value ?? "";
    if (select.selectedIndex < 0) { // a target from an address or a story
      select.insertAdjacentHTML("beforeend", decibels(value));
      select.value = value;
    }
  });
}

// What the patches that ε drops are predicted to cost, where the estimator can tell.
function predict() {
  const loss = Studio.shown?.loss ?? null;
  const predicted = loss === null ? "" : `Predicted: ${Format.signed(-loss, 2)} dB against all patches`;
  element.querySelector(".predicted").textContent = predicted;
}

Studio.on("studio", element, show);
Studio.on("studio-drawn", element, predict);
show();
