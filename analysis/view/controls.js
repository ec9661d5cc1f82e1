// The knobs: they show Studio.settings and change it.
const { LIMITS } = Studio;
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
  knob.querySelector("button").addEventListener("click", () => Studio.set({ [name]: LIMITS.defaults[name] }));
  return { name, number, range };
});

const selects = [...element.querySelectorAll("select")];
const option = (value, label) => `<option value="${value}">${label}</option>`;
const decibels = (dB) => option(dB, `${dB} dB`);
const OPTIONS = {
  estimator: LIMITS.estimators.map((name) => option(name, name)).join(""),
  policy: LIMITS.policies.map((name) => option(name, name)).join(""),
  target_psnr: option("", "none") + TARGETS.map(decibels).join(""),
};
const fromText = { target_psnr: (value) => (value === "" ? null : Number(value)) };
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
  selects.forEach((select) => {
    const value = settings[select.dataset.name];
    select.value = value ?? "";
    if (select.selectedIndex < 0) { // a target from an address or a story
      select.insertAdjacentHTML("beforeend", decibels(value));
      select.value = value;
    }
  });
}

Studio.on("studio", element, show);
show();
