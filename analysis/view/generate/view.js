// Keeps every step of the last drawing and replays it without the server. `pictures` holds for each
// picture its newest frame (all tokens known so far) and the decoded picture of every step.
const SHAPE = { k: props.k, grid: props.grid };
const PLAY_MS = 450;
let run = null; // what all pictures share: { id, settings, pictures, live }
let pictures = [];
let shown = 1; // the step that the scrubber is at
let following = true; // the scrubber goes with the drawing
let chosen = 0; // index of a picture
let pointed = null; // a token under the pointer or the keyboard: { picture, cell }
let playing = null;
const fresh = new Set(); // pictures with a frame that is not drawn yet
let waiting = false; // for the first frame of a new drawing
let by = "confidence";
let stale = false; // the mode was changed after this drawing began
let offered = {}; // the pictures beside the knobs when Generate was pressed, by id
const STARTS_FROM = { class: [], between: ["source-a", "source-b"] }; // any other mode: the first

const find = (selector) => element.querySelector(selector);
const text = (name, value) => { find(`[data-text="${name}"]`).textContent = value; };
const say = (message) => { text("status", message); text("spoken", message); };
const steps = () => run.settings.steps;
// While the drawing is followed, whole pictures stay whole.
const atStep = (picture) => (following ? picture.frame.step : Math.min(shown, picture.frame.step));
const ended = (picture) => picture !== undefined && picture.frame.numbers !== null;
const number = (value) => value.toLocaleString("en-US");
const minus = (value) => value.toFixed(2).replace("-", "−");

// --- what comes from the server -------------------------------------------------------------------

function receive(value) {
  if (!value) return;
  const frame = JSON.parse(JSON.stringify(value)); // out of the proxy that props are
  if (run === null || run.id !== frame.run) begin(frame);
  const picture = pictures[frame.picture] ?? add(frame);
  picture.images[frame.step] = frame.image;
  picture.frame = frame;
  if (following) shown = frame.step;
  if (run.live) text("status", `Picture ${frame.picture + 1} of ${run.settings.pictures}, step ${frame.step} of ${steps()}.`);
  if (run.live && pictures.length === run.settings.pictures && ended(picture)) end();
  else if (fresh.add(frame.picture).size === 1) requestAnimationFrame(catchUp);
}

// Frames may come faster than they can be shown: draw once for all that came in the meantime.
function catchUp() {
  if (pictures.length > 0) drawShared();
  fresh.forEach((index) => { if (pictures[index]) drawPicture(pictures[index], index); });
  fresh.clear();
}

function begin(frame) {
  stop();
  waiting = false;
  run = { id: frame.run, settings: frame.settings, live: true };
  pictures = [];
  [following, chosen, pointed] = [true, 0, null];
  find(".drawing").classList.remove("empty");
  find(".drawing").style.setProperty("--grid", SHAPE.grid);
  stale = false;
  find(".drawing").classList.remove("stale");
  const from = STARTS_FROM[run.settings.from] ?? ["source-a"];
  find(".origins").replaceChildren(...from.filter((id) => offered[id]).map((id) => origin(offered[id])));
  find(".cards").replaceChildren();
  find(".cards").style.setProperty("--columns", Math.min(run.settings.pictures, 4));
  find(".cards").classList.toggle("few", run.settings.pictures < 3);
  slider.max = steps();
  legend();
}

// A picture beside the knobs as it stands there: { name, image, cover }, cover: what is painted over.
function offer(id) {
  const source = document.getElementById(id)?.querySelector(".source:not([hidden])");
  if (!source) return null;
  const image = source.querySelector("img");
  const cover = source.classList.contains("paint") ? source.querySelector("canvas").toDataURL() : null;
  return { name: image.alt, image: image.src, cover };
}

function origin({ name, image, cover }) {
  const figure = document.createElement("figure");
  figure.innerHTML = '<figcaption>Given</figcaption><div class="square"><img></div>';
  const picture = figure.querySelector("img");
  [picture.src, picture.alt, figure.title] = [image, `Given: ${name}`, name];
  if (cover !== null) figure.querySelector(".square").insertAdjacentHTML("beforeend", `<img class="cover" alt="" src="${cover}">`);
  return figure;
}

// After a change of the mode: what is on screen is not what Generate would draw.
function age() {
  stale = true;
  if (run === null || run.live || waiting) return;
  find(".drawing").classList.add("stale");
  say("Drawn before the mode was changed; press Generate to draw anew.");
}

function add(frame) {
  const card = document.createElement("article");
  card.className = "card";
  card.innerHTML = `<button type="button" class="name" aria-pressed="false"></button>
    <div class="pair"><div class="square"><img alt=""><span class="cursor"></span></div>
    <canvas class="tokens" role="application" aria-roledescription="token grid" aria-describedby="token-grid-help" tabindex="-1"></canvas></div>
    <p class="below"></p>`;
  card.querySelector(".name").innerHTML = `Picture ${frame.picture + 1}<small></small>`;
  card.querySelector("small").textContent = frame.title;
  const index = frame.picture;
  card.querySelector(".name").addEventListener("click", () => choose(index));
  card.querySelector(".square").addEventListener("click", () => choose(index));
  listen(card.querySelector(".tokens"), index);
  find(".cards").append(card);
  resized.observe(card.querySelector(".tokens"));
  pictures[index] = { card, frame, images: [] };
  return pictures[index];
}

// The drawing is over: whole, or stopped (what was made stays).
function end() {
  if (run === null || !run.live) return;
  run.live = false;
  const whole = pictures.filter(ended).length;
  const settings = run.settings;
  const all = whole === settings.pictures;
  [following, shown] = [false, steps()];
  const seconds = pictures.reduce((sum, { frame }) => sum + (frame.numbers?.seconds ?? 0), 0);
  const what = settings.class === null ? "no class" : `class ${settings.class}`;
  say(all
    ? `${whole} picture${whole > 1 ? "s" : ""}, ${what}, ${steps()} step${steps() > 1 ? "s" : ""}: drawn in ${seconds.toFixed(2)} s, decoding not counted.`
    : `Stopped: ${whole} of ${settings.pictures} pictures are whole.`);
  if (stale) age();
  draw();
}

// --- drawing --------------------------------------------------------------------------------------

function draw() {
  if (run === null) return;
  drawShared();
  pictures.forEach(drawPicture);
}

function drawShared() {
  slider.value = shown;
  const phase = `Step ${shown} of ${steps()}`;
  text("step", phase);
  slider.setAttribute("aria-valuetext", phase);
  find(".drawing").classList.toggle("given", pictures.some(({ frame }) => [...frame.globals, ...frame.patches].some((row) => row[3] === 0)));
  const now = pictures[chosen];
  text("chosen", `Picture ${chosen + 1}:`);
  find('[data-do="tatok"]').disabled = !ended(now);
  find('[data-do="json"]').disabled = !ended(now);
  drawPointed();
}

function drawPicture(picture, index) {
  const { card, frame, images } = picture;
  const step = atStep(picture);
  picture.cells = TokenGrid.cells(frame, SHAPE, step);
  const image = card.querySelector("img");
  let nearest = step; // a frame that the browser missed: the one before it
  while (nearest > 1 && !images[nearest]) nearest -= 1;
  if (images[nearest] && image.getAttribute("src") !== images[nearest]) image.src = images[nearest];
  image.alt = `Picture ${index + 1}, ${frame.title}, after step ${step} of ${steps()}`;
  card.classList.toggle("chosen", index === chosen);
  card.querySelector(".name").setAttribute("aria-pressed", String(index === chosen));
  const canvas = card.querySelector(".tokens");
  canvas.tabIndex = index === chosen ? 0 : -1;
  const { width, height } = TokenGrid.layout(SHAPE);
  canvas.style.aspectRatio = `${width} / ${height}`;
  TokenGrid.paint(canvas, picture.cells, SHAPE, { by, step, steps: steps(), codebookSize: props.codebook_size });
  const caption = summary(picture, step);
  canvas.setAttribute("aria-label", `Tokens of picture ${index + 1}: ${caption}`);
  card.querySelector(".below").textContent = caption;
}

function summary({ frame, cells }, step) {
  const whole = frame.numbers;
  if (whole !== null && step === steps()) {
    const doubt = whole.mean_ln_p === null ? "" : `, mean ln p ${minus(whole.mean_ln_p)}`;
    return `N = ${whole.kept}, k + N = ${whole.tokens} tokens, ${number(whole.bits)} bits${doubt}`;
  }
  const known = (state) => state === "DRAWN" || state === "GIVEN";
  const globals = cells.slice(0, SHAPE.k).filter(({ state }) => known(state)).length;
  const patches = cells.slice(SHAPE.k);
  const drawn = patches.filter(({ state }) => known(state)).length;
  const kept = patches.filter(({ state }) => state !== "DROPPED" && state !== "UNPLACED").length;
  const placed = patches.every(({ state }) => state !== "UNPLACED");
  return `${globals} of ${SHAPE.k} global tokens, ${placed ? `${drawn} of N = ${kept} patches` : "N not known yet"}`;
}

function legend() {
  const T = steps();
  text("low", by === "step" ? "step 1" : `ln p ≤ −${Math.log(props.codebook_size).toFixed(1)}, a guess`);
  text("high", by === "step" ? `step ${T}` : "0, certain");
  find(".gradient").style.background = Colour.gradient(Colour.viridis);
  element.querySelectorAll("[data-cell]").forEach((canvas) => {
    canvas.width = canvas.height = 28;
    const isNew = canvas.dataset.cell === "NEW";
    const cell = { state: isNew ? "DRAWN" : canvas.dataset.cell };
    TokenGrid.paintCell(canvas.getContext("2d"), 0, 0, 28, cell, () => "#35b779", isNew);
  });
}

// --- choosing a picture, pointing at a token --------------------------------------------------------

function choose(index) {
  chosen = index;
  draw();
}

function point(picture, cell, speak) {
  pointed = cell === null ? null : { picture, cell };
  drawPointed();
  if (speak) text("spoken", pointed === null ? "" : find('[data-text="readout"]').textContent);
}

function drawPointed() {
  pictures.forEach(({ card }, index) => {
    const place = pointed !== null && pointed.picture === index ? pointed.cell - SHAPE.k : -1;
    card.classList.toggle("pointed", place >= 0);
    if (place < 0) return;
    card.style.setProperty("--row", Math.floor(place / SHAPE.grid));
    card.style.setProperty("--column", place % SHAPE.grid);
  });
  const line = find('[data-text="readout"]');
  line.classList.toggle("hint", pointed === null);
  line.textContent = pointed === null
    ? "Point at a token, or focus the grid and use the arrow keys, to read its code, step and ln p."
    : `Picture ${pointed.picture + 1}. ${TokenGrid.describe(pictures[pointed.picture].cells, pointed.cell, SHAPE)}.`;
}

function listen(canvas, index) {
  const under = (event) => {
    const box = canvas.getBoundingClientRect();
    const side = box.width / SHAPE.grid;
    return TokenGrid.layout(SHAPE).under((event.clientX - box.left) / side, (event.clientY - box.top) / side);
  };
  canvas.addEventListener("pointermove", (event) => point(index, under(event), false));
  canvas.addEventListener("pointerleave", () => point(index, null, false));
  canvas.addEventListener("click", (event) => { choose(index); point(index, under(event), true); });
  canvas.addEventListener("keydown", (event) => walk(event, index));
}

function walk(event, index) {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (event.key === "Escape") point(index, null, true);
  else if (!(event.key in moves)) return;
  else {
    const from = pointed !== null && pointed.picture === index ? pointed.cell : null;
    point(index, from === null ? 0 : TokenGrid.neighbour(from, ...moves[event.key], SHAPE), true);
  }
  event.preventDefault();
}

// --- replay ---------------------------------------------------------------------------------------

const slider = find('.bar input[type="range"]');

function show(step) {
  following = false;
  shown = step;
  draw();
}

function stop() {
  clearInterval(playing);
  playing = null;
  find('[data-do="play"]').textContent = "Play";
}

function play() {
  if (playing !== null) { stop(); return; }
  show(shown >= steps() ? 1 : shown);
  playing = setInterval(() => {
    if (!element.isConnected || shown >= steps()) stop();
    else show(shown + 1);
  }, PLAY_MS);
  find('[data-do="play"]').textContent = "Pause";
}

slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
const ways = [...element.querySelectorAll("[data-by]")];
ways.forEach((way) => way.addEventListener("click", () => {
  by = way.dataset.by;
  ways.forEach((other) => other.setAttribute("aria-pressed", String(other === way)));
  legend();
  draw();
}));

// --- taking a picture away --------------------------------------------------------------------------

const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

function name(ending) {
  const { settings } = run;
  const label = (settings.class ?? "no-class").replace(/[^A-Za-z0-9]+/g, "-");
  return `tatok-${label}-${pictures[chosen].frame.title.replace(/[^A-Za-z0-9.]+/g, "")}${ending}`;
}

function save(content, type, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name(ending);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const png = () => bytes(pictures[chosen].card.querySelector("img").src.split(",")[1]);

// Codes of the k global tokens and of all M places, -1 where a patch was dropped; and how a decoder
// learns the places.
function tokens() {
  const { frame } = pictures[chosen];
  const patches = Array(SHAPE.grid ** 2).fill(-1);
  const globals = Array(SHAPE.k).fill(-1);
  frame.globals.forEach(([place, code]) => { globals[place] = code; });
  frame.patches.forEach(([place, code]) => { patches[place] = code; });
  return { globals, patches, places: frame.places };
}

const actions = {
  play,
  png: () => save(png(), "image/png", atStep(pictures[chosen]) < steps() ? `-step${atStep(pictures[chosen])}.png` : ".png"),
  async tatok() {
    const reply = await server.pack(tokens());
    if (reply.error) say(reply.error);
    else save(bytes(reply.file), "application/octet-stream", ".tatok");
  },
  json() {
    const { frame } = pictures[chosen];
    const row = ([place, code, ln_p, step]) => ({ place, code, ln_p, step });
    const content = {
      settings: run.settings, picture: frame.picture, title: frame.title, numbers: frame.numbers,
      global_tokens: frame.globals.map(row), patch_tokens: frame.patches.map(row),
    };
    save(`${JSON.stringify(content, null, 1)}\n`, "application/json", ".json");
  },
  async send() {
    const { path } = await upload(new File([png()], name(".png"), { type: "image/png" }));
    trigger("send", { path });
  },
};
element.querySelectorAll("[data-do]").forEach((button) => button.addEventListener("click", async () => {
  try { await actions[button.dataset.do](); } catch { say("The server did not answer; please try again."); }
}));

// --- wiring -----------------------------------------------------------------------------------------

const resized = new ResizeObserver(() => { if (run !== null) draw(); });

function hear(event) {
  if (!element.isConnected) { document.removeEventListener(props.channel, hear); return; }
  if (event.detail === "stale") age();
  else if (event.detail === "wait") {
    waiting = true;
    offered = Object.fromEntries(["source-a", "source-b"].map((id) => [id, offer(id)]));
    say("Waiting for the server …");
  } else if (event.detail === "stop") {
    say("Stopping …");
  } else if (waiting) {
    waiting = false;
    say("Nothing was drawn.");
  } else end();
}

// The tab opens with pictures: when it is first seen, what the address asks for is drawn.
function open() {
  if (!document.body.dataset.generate) setTimeout(open, 100); // the address is not read yet
  else if (document.querySelector('#generate-mode [value="inpaint"]:checked')) say("Paint over a part of the picture, then press Generate.");
  else if (run === null && !waiting) document.querySelector("#generate-go").click();
}

new IntersectionObserver(([entry], observer) => {
  if (!entry.isIntersecting) return;
  observer.disconnect();
  open();
}).observe(element);
document.addEventListener(props.channel, hear);
text("status", "The first pictures are on their way …");
watch("value", () => receive(props.value));
