// Choosing a patch by pointer, finger or keys, on the panels and on the curve, forcing it in or
// out, and dragging the threshold. Part of the patch view: uses its `map`, `outcome`, `find`, `all`, `text`.
let hovered = null;

function describe(place) {
  const { ranked, entropy, rank, codes, M } = map;
  const share = ranked.total > 0 ? Format.percent(entropy[place] / ranked.total, 2) : "0 %";
  const { forced_in, forced_out } = Studio.settings;
  const hand = forced_in.includes(place) || forced_out.includes(place) ? " by hand" : "";
  const kept = Studio.shown?.keep?.[place];
  return [
    Format.place(place, map.grid),
    `H = ${Format.number(entropy[place], 4)} ${Format.unit(map.unit)}`,
    `rank ${rank[place] + 1} of ${M}`,
    `${share} of the total`,
    kept === undefined ? "…" : kept ? `kept${hand}, code ${codes[place]}` : `dropped${hand}, its code would be ${codes[place]}`,
  ];
}

function put(kind, place) {
  figure.classList.toggle(kind, place !== null);
  if (place === null) return;
  figure.style.setProperty(`--${kind}-row`, Math.floor(place / map.grid));
  figure.style.setProperty(`--${kind}-column`, place % map.grid);
}

function drawChoice() {
  const { selected, forced_in, forced_out, epsilon } = Studio.settings;
  const { minimum, ranked, rank } = map;
  const place = hovered ?? selected;
  put("hovered", hovered);
  put("selected", selected);
  const dots = [...new Set([selected, hovered])].filter((index) => index !== null);
  Curve.marks(curve, ranked, outcome.filtered, { epsilon, minimum }, dots.map((index) => rank[index]));
  find('[data-text="readout"]').innerHTML = place === null ? HINT : describe(place).map((part) => `<span>${part}</span>`).join("");
  const forced = forced_in.length + forced_out.length;
  const byHand = forced_in.includes(selected) || forced_out.includes(selected);
  const button = (name) => find(`[data-action="${name}"]`);
  button("force").textContent = byHand ? "As chosen by the policy" : Studio.shown?.keep?.[selected] ? "Drop by hand" : "Keep by hand";
  button("force").hidden = button("inspect").hidden = selected === null;
  button("reset").textContent = `Undo ${forced} by hand`;
  button("reset").hidden = forced === 0;
}

function hover(place) {
  if (map === null || place === hovered) return;
  hovered = place;
  drawChoice();
}

function select(place) {
  hovered = null;
  Studio.set({ selected: place });
  drawChoice();
  text("spoken", place === null ? "" : describe(place).join(", "));
}

function force(place) {
  Studio.force(place);
  text("spoken", describe(place).join(", "));
}

function placeUnder(event) {
  const square = event.target.closest(".square");
  if (!square || map === null) return null;
  const box = square.getBoundingClientRect();
  const cell = (at, from, length) => Math.min(Math.max(Math.floor(((at - from) / length) * map.grid), 0), map.grid - 1);
  return cell(event.clientY, box.top, box.height) * map.grid + cell(event.clientX, box.left, box.width);
}

function step(event) {
  const { selected } = Studio.settings;
  if (map === null || event.target !== panels || event.ctrlKey || event.metaKey || event.altKey) return;
  const { grid } = map;
  const at = selected ?? 0;
  const column = at % grid;
  const moves = {
    ArrowLeft: column > 0 ? -1 : 0,
    ArrowRight: column < grid - 1 ? 1 : 0,
    ArrowUp: at >= grid ? -grid : 0,
    ArrowDown: at < grid * (grid - 1) ? grid : 0,
    Home: -column,
    End: grid - 1 - column,
  };
  if (event.key in moves) select(selected === null ? 0 : at + moves[event.key]);
  else if (event.key === "Escape") select(null);
  else if (event.key === "f" && selected !== null) force(selected);
  else if (event.key === "Enter" && selected !== null) inspect();
  else return;
  event.preventDefault();
}

function inspect() {
  Studio.set({ inspector: true });
  document.querySelector("#inspector")?.scrollIntoView({ behavior: "smooth", block: "nearest" });
}

// --- the panels -----------------------------------------------------------------------------------

const HINT = '<span class="hint">Point at a patch, or focus the panels and use the arrow keys, to read its entropy, rank and code. Click it to follow it; Shift-click keeps or drops it by hand.</span>';
find('[data-text="readout"]').innerHTML = HINT;
all("[data-action]").forEach((button) => { button.hidden = true; });
const panels = find(".panels");
panels.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse") hover(placeUnder(event)); });
panels.addEventListener("pointerleave", () => hover(null));
panels.addEventListener("click", (event) => {
  const place = placeUnder(event);
  if (place === null) return;
  if (event.shiftKey) {
    select(place);
    force(place);
  } else select(place === Studio.settings.selected ? null : place);
});
panels.addEventListener("keydown", step);
find('[data-action="force"]').addEventListener("click", () => force(Studio.settings.selected));
find('[data-action="inspect"]').addEventListener("click", inspect);
find('[data-action="reset"]').addEventListener("click", () => { Studio.set({ forced_in: [], forced_out: [] }); panels.focus(); });

// --- the curve and its threshold ------------------------------------------------------------------

const curve = find(".curve svg");
const handle = find(".handle");
const placeAt = (event) => map.ranked.order[Curve.rankAt(curve, event.clientX, map.M)];
const setShare = (share) => Studio.set({ epsilon: Math.min(Math.max(Math.round(1000 * (1 - share)) / 1000, 0), Studio.LIMITS.epsilon_max) });
let grip = null; // how far from the line it was taken

curve.addEventListener("pointermove", (event) => { if (map && grip === null && event.pointerType === "mouse") hover(placeAt(event)); });
curve.addEventListener("pointerleave", () => hover(null));
curve.addEventListener("click", (event) => { if (map && !event.target.closest(".handle")) select(placeAt(event)); });
handle.addEventListener("pointerdown", (event) => {
  if (map === null) return;
  hover(null);
  grip = Curve.shareAt(curve, event.clientY) - (1 - Studio.settings.epsilon);
  handle.setPointerCapture(event.pointerId);
});
// touch-action has no effect on parts of an SVG: keep the page from scrolling by hand.
handle.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
handle.addEventListener("pointermove", (event) => { if (grip !== null) setShare(Curve.shareAt(curve, event.clientY) - grip); });
["pointerup", "pointercancel"].forEach((name) => handle.addEventListener(name, () => { grip = null; }));
handle.addEventListener("keydown", (event) => {
  const share = 1 - Studio.settings.epsilon;
  const moves = {
    ArrowUp: share + 0.005, ArrowRight: share + 0.005, ArrowDown: share - 0.005, ArrowLeft: share - 0.005,
    PageUp: share + 0.05, PageDown: share - 0.05, Home: 0, End: 1,
  };
  if (!(event.key in moves)) return;
  setShare(moves[event.key]);
  event.preventDefault();
});
