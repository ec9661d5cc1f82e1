// The first thing that a visitor sees: what is kept, what is decoded from it under a wipe, and one sentence with the
// numbers of what is on screen. All of it is the patch view's, which asks the server; see Studio.shown there.
const { Panels, Format } = Studio;
const find = (selector) => element.querySelector(selector);
const buttons = (name) => [...element.querySelectorAll(`[data-${name}]`)];
const front = find(".front");
const wipe = find(".wipe");
const LABELS = { kept: "The kept patches; dropped ones are dimmed", entropy: "Entropy of each patch: bright where the global tokens tell least", error: "Absolute error of what was decoded" };
const SAME = ["picture", "box", "side", "k", "epsilon", "estimator", "target_psnr", "forced_in", "forced_out"];
let standing = ""; // the sentence that stands
let over = "kept"; // what the left square shows
let last = null; // {settings, psnr} of the pixels on screen
let other = null; // the same of the last that another policy made

// --- drawing -------------------------------------------------------------------------------------

const painted = {}; // by canvas, the words on it: what has not changed is not painted again
const grouped = (value) => value.toLocaleString("en-US");

function paint(name, words) {
  if (!words || painted[name] === words) return;
  painted[name] = words;
  Panels.paint(find(`[data-front="${name}"]`), words);
}

function sentence({ settings, map, kept, bits, pixels }) {
  const all = grouped(map.M);
  const pixelBytes = 3 * map.size ** 2;
  const bytes = bits === null ? "…" : grouped(Math.ceil(bits.total / 8));
  const ratio = bits === null ? "…" : Math.round((8 * pixelBytes) / bits.total);
  const first = `${grouped(kept)} of ${all} patches kept: with ${settings.k} ${term("globals", "global tokens")}, ${bytes} bytes, ${ratio} times fewer than the pixels.`;
  const quality = pixels ? Format.decibels(pixels.psnr) : "…";
  return `${first} The other ${grouped(map.M - kept)} are painted from these. The result is ${quality} from the original${compared(settings, pixels)}.`;
}

// ", 2.1 dB more than as many at random", where that was on screen before.
function compared(settings, pixels) {
  if (!pixels || other === null || !Studio.agree(other.settings, settings, SAME)) return "";
  const names = { dtf: "those chosen by entropy", random: "as many at random" };
  const name = names[other.settings.policy];
  if (!name || other.settings.policy === settings.policy) return "";
  const more = pixels.psnr - other.psnr;
  return `, ${Math.abs(more).toFixed(1)} dB ${more < 0 ? "less" : "more"} than ${name}`;
}

// What was refused, with what is still to be seen.
const refusal = () => (front.classList.contains("empty") ? Studio.refusal : `${Studio.refusal} What you see is the last picture that came.`);
const term = (name, words) => `<button type="button" class="term" data-term="${name}">${words}</button>`;

function draw() {
  const { shown, settings } = Studio;
  buttons("policy").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.policy === settings.policy)));
  front.classList.toggle("waiting", !shown?.pixels && !Studio.refusal);
  if (Studio.refusal && !shown?.pixels) {
    standing = find('[data-text="sentence"]').textContent = refusal();
    return;
  }
  if (!shown?.keep) return;
  front.classList.remove("empty");
  paint("left", shown.layers[over]);
  paint("picture", shown.layers.picture);
  paint("image", shown.layers.image);
  const now = sentence(shown); // numbers and names of ours alone
  if (now !== standing) find('[data-text="sentence"]').innerHTML = now; // what stands may have the focus
  standing = now;
}

// A tap on a term anywhere on the page explains it there, in the words of the list below.
function explain(event) {
  if (!element.isConnected) {
    document.removeEventListener("click", explain);
    return;
  }
  const asked = event.target.closest?.("[data-term]");
  const entry = asked && find(`dt[data-of="${asked.dataset.term}"]`);
  if (!entry) return;
  const note = find(".explained");
  note.innerHTML = `<b>${entry.innerHTML}</b>${entry.nextElementSibling.innerHTML}`;
  note.showPopover();
  const at = asked.getBoundingClientRect();
  note.style.left = `${Math.max(12, Math.min(at.left, innerWidth - note.offsetWidth - 12))}px`;
  const below = at.bottom + 6;
  note.style.top = `${below + note.offsetHeight < innerHeight ? below : Math.max(6, at.top - note.offsetHeight - 6)}px`;
}

function remember() {
  const { settings, pixels } = Studio.shown ?? {};
  if (!pixels) return;
  if (last !== null && last.settings.policy !== settings.policy) other = last;
  last = { settings, psnr: pixels.psnr };
  draw();
}

// --- wiring --------------------------------------------------------------------------------------

function move(share) {
  const percent = Math.round(100 * Math.min(Math.max(share, 0), 1));
  wipe.style.setProperty("--wipe", `${percent}%`);
  wipe.setAttribute("aria-valuenow", percent);
}

wipe.addEventListener("pointermove", (event) => {
  const box = wipe.getBoundingClientRect();
  move((event.clientX - box.left) / box.width);
});
wipe.addEventListener("keydown", (event) => {
  const now = Number(wipe.getAttribute("aria-valuenow"));
  const to = { ArrowLeft: now - 5, ArrowDown: now - 5, ArrowRight: now + 5, ArrowUp: now + 5, Home: 0, End: 100 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  move(to / 100);
});
buttons("over").forEach((button) => button.addEventListener("click", () => {
  over = button.dataset.over;
  buttons("over").forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
  find('[data-front="left"]').setAttribute("aria-label", LABELS[over]);
  draw();
}));
buttons("policy").forEach((button) => button.addEventListener("click", () => Studio.set({ policy: button.dataset.policy })));
document.addEventListener("click", explain);
front.classList.add("empty");
Studio.on("studio-drawn", element, draw);
Studio.on("studio-shown", element, remember);
draw();
