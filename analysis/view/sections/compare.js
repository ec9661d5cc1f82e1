// Compare. The pinned setting is a copy of Studio.shown and needs no server; the other views ask for
// the results of one picture under several settings when the pixels on screen have settled.
const { Panels, Colour, Format, Numbers, courier } = Studio;
const PICTURE = ["picture", "box", "side", "k", "estimator", "target_psnr"];
const KEYS = { policies: [...PICTURE, "epsilon"], epsilon: [...PICTURE, "policy"], features: ["picture", "box", "side", "k"] };
const NOTES = {
  policies: "The five policies of Fig. 5 keep the same N, chosen by H (dtf), by chance (random, seed 0), evenly, or from either end. dtf and random have to send the places; the others follow a rule. Nothing is forced by hand.",
  epsilon: "The loss rates of Fig. 7 with the policy, estimator and k of the page; nothing is forced by hand.",
  features: "Of the encoder’s patch tokens pᵢ, before quantization: their length, the length of the part that lies outside span(G) (what the global tokens cannot express linearly), and their variance over the channels. residual-token is made of the last two, residual of the second and of the variance of the patch’s pixels.",
};
const MAPS = { norm: "‖pᵢ‖", orthogonal: "‖pᵢ − Proj(pᵢ, G)‖", variance: "Var(pᵢ)" };
const find = (selector) => element.querySelector(selector);
const text = (name, value) => { const place = find(`[data-text="${name}"]`); if (place.textContent !== value) place.textContent = value; };
const details = find("details");
const answers = {}; // by view, the last reply with its settings
let refused = null;
let last = "pin"; // the view to open with

const fits = (view, settings) => answers[view] !== undefined && Studio.agree(answers[view].settings, settings, KEYS[view]);

const line = courier("compare", element, {
  want: () => {
    const { settings, shown } = Studio;
    const view = settings.compare;
    if (view === null || view === "pin" || !shown?.pixels || fits(view, settings)) return null;
    return refused && refused.compare === view && Studio.agree(refused, settings, KEYS[view]) ? null : settings;
  },
  send: (question) => trigger("compare", question),
  receive: (reply, settings) => {
    const came = reply.rows || reply.maps;
    refused = came ? null : settings;
    text("status", reply.error || "");
    if (came) answers[settings.compare] = { ...reply, settings };
    draw();
  },
});

// --- cards: a title, squares under it, and lines of text --------------------------------------------

function card(title, squares, lines) {
  const figure = document.createElement("figure");
  figure.innerHTML = `<figcaption>${title}</figcaption>`;
  squares.forEach(({ words, label, kept, marks }) => {
    const square = document.createElement("div");
    square.className = kept ? "square kept" : "square";
    square.innerHTML = `<canvas role="img" aria-label="${label}"></canvas>${marks ? `<svg aria-hidden="true" preserveAspectRatio="none" viewBox="${marks.box}">${marks.paths}</svg>` : ""}`;
    Panels.paint(square.querySelector("canvas"), words);
    figure.append(square);
  });
  figure.insertAdjacentHTML("beforeend", lines);
  return figure;
}

const gradient = (low, high) => `<p class="ends"><span>${Format.number(low, 3)}</span><span class="bar" style="background:${Colour.gradient(Colour.viridis)}"></span><span>${Format.number(high, 3)}</span></p>`;

function rowCards({ rows }, { map }, view) {
  const best = Math.max(...rows.map(({ psnr }) => psnr ?? Infinity));
  return rows.map((row) => {
    const title = view === "policies" ? row.policy : `<i>ε</i> = ${row.epsilon}`;
    const name = view === "policies" ? `policy ${row.policy}` : `ε = ${row.epsilon}`;
    const decibels = Format.decibels(row.psnr);
    const highest = view === "policies" && (row.psnr ?? Infinity) === best;
    return card(title, [
      { words: Panels.kept(map.words, map.patch, Uint8Array.from(row.keep, Number)), kept: true, label: `${row.kept} of ${map.M} patches kept, ${name}` },
      { words: Panels.picture(Panels.rgb(row.image)), label: `Reconstruction, ${name}, ${decibels}` },
    ], `<p>N = ${row.kept} of ${map.M}</p><p>${highest ? `<b>${decibels}</b>, the highest` : decibels}</p><p>SSIM ${row.ssim.toFixed(4)}</p><p>${row.bits.toLocaleString("en-US")} bits</p>`);
  });
}

function mapCards({ maps }, { pixels, map }) {
  const image = card("Reconstruction <i>x̂</i>", [{ words: Panels.picture(pixels.rgb), label: "Reconstruction" }], `<p>${Format.decibels(pixels.psnr)}</p>`);
  const H = card("Entropy <i>H</i>", [{ words: Panels.entropy(map.entropy, map.low, map.high), label: "Heat map of the entropy of each patch" }], gradient(map.low, map.high));
  return [image, ...maps.map(({ name, values }) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return card(MAPS[name], [{ words: Panels.entropy(values, low, high), label: `Heat map of ${MAPS[name]}` }], gradient(low, high));
  }), H];
}

function pinCards(pinned, now) {
  const both = (which, name) => [
    card(`${name}: kept`, [{ words: Panels.kept(which.map.words, which.map.patch, which.keep), kept: true, label: `${name}: ${which.kept} of ${which.map.M} patches kept` }], `<p>N = ${which.kept} of ${which.map.M}</p>`),
    card(`${name}: <i>x̂</i>`, [{ words: Panels.picture(which.pixels.rgb), label: `${name}: reconstruction` }], `<p>${Format.decibels(which.pixels.psnr)}</p>`),
  ];
  const cards = [...both(pinned, "Pinned"), ...both(now, "Now")];
  if (!sameGrid(pinned, now)) return cards;
  const counts = differenceCounts(pinned, now);
  const entry = (rgb, sign, words) => `<li><i style="background:${rgb}">${sign}</i>${words}</li>`;
  const legend = entry(`rgb(${ONLY_PINNED})`, "−", `only pinned: ${counts.pinned}`) + entry(`rgb(${ONLY_NOW})`, "+", `only now: ${counts.now}`)
    + entry("none", "", `both: ${counts.both}; none (dimmed): ${counts.none}`);
  const label = `Difference of the kept sets: ${counts.pinned} only pinned, ${counts.now} only now, ${counts.both} in both, ${counts.none} in none`;
  const marks = { box: `0 0 ${now.map.grid} ${now.map.grid}`, paths: differenceMarks(pinned, now) };
  return [...cards, card("Kept sets, difference", [{ words: differenceWords(pinned, now), kept: true, label, marks }], `<ul class="legend">${legend}</ul>`)];
}

// --- the section --------------------------------------------------------------------------------

function pinNote() {
  const { pinned } = Studio;
  if (pinned === null) return "Pin this setting, then change something, or choose another picture: both stand here side by side.";
  const travels = pinned.settings.example === null ? "your own picture is kept in this page alone, not in its link" : "it is in the page’s link";
  return `Change anything above and compare. Pinning again replaces the pinned one; ${travels}.`;
}

function draw() {
  const { settings, shown, pinned } = Studio;
  const view = settings.compare;
  if (details.open !== (view !== null)) details.open = view !== null;
  find('[data-action="pin"]').disabled = !shown?.pixels;
  if (view === null) return;
  last = view;
  element.querySelectorAll("[data-view]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.view === view)));
  find('[data-action="pin"]').hidden = view !== "pin";
  text("note", NOTES[view] ?? pinNote());
  const ready = Boolean(shown?.pixels) && (view === "pin" ? pinned !== null : fits(view, settings));
  details.classList.toggle("waiting", !ready);
  if (!ready && find(".cards").dataset.view === view && (view !== "pin" || pinned !== null)) return; // the old one, dimmed
  find(".cards").dataset.view = view;
  const cards = !ready ? [] : view === "pin" ? pinCards(pinned, shown) : view === "features" ? mapCards(answers[view], shown) : rowCards(answers[view], shown, view);
  find(".cards").replaceChildren(...cards);
  find(".table").innerHTML = ready && view === "pin" ? differenceTable(pinned, shown) : "";
}

details.addEventListener("toggle", () => {
  if (details.open !== (Studio.settings.compare !== null)) Studio.set({ compare: details.open ? last : null });
});
element.querySelectorAll("[data-view]").forEach((button) => button.addEventListener("click", () => Studio.set({ compare: button.dataset.view })));
find('[data-action="pin"]').addEventListener("click", () => { if (Studio.shown?.pixels) Studio.pin(); });
const follow = () => { draw(); line.poke(); };
Studio.on("studio", element, follow);
Studio.on("studio-shown", element, follow);
Studio.on("studio-pinned", element, draw);
watch("value", () => line.hear(props.value));
follow();
