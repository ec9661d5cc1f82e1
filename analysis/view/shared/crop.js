// The whole picture with the square that is tokenized: drag it, or move it with the arrow keys.
const find = (selector) => element.querySelector(selector);
const stage = find(".stage");
const frame = find(".frame");
const side = find(".side input");
const MIN_SIDE = 8;
const STRIP = 2.5; // a picture so many times as wide as high, or as high as wide, is scrolled
let picture = null; // { id, example, name, width, height, preview }
let box = null; // [left, top, side] in pixels of the upright original
find("img").addEventListener("load", () => { if (box !== null) show(); }); // its place is known now
let grip = null; // where the drag began: pointer and box

// A box as the page's state names it: null for the centre square.
const named = (square) => (square.every((value, i) => value === centred()[i]) ? null : square);
const clamp = (value, low, high) => Math.min(Math.max(Math.round(value), low), high);

function centred() {
  const length = Math.min(picture.width, picture.height);
  return [Math.floor((picture.width - length) / 2), Math.floor((picture.height - length) / 2), length];
}

function show() {
  const [left, top, length] = box;
  frame.style.left = `${(100 * left) / picture.width}%`;
  frame.style.top = `${(100 * top) / picture.height}%`;
  frame.style.width = `${(100 * length) / picture.width}%`;
  frame.style.height = `${(100 * length) / picture.height}%`;
  if (grip === null) {
    const scroll = find(".scroll");
    const scale = stage.clientWidth / picture.width;
    scroll.scrollLeft = (left + length / 2) * scale - scroll.clientWidth / 2;
    scroll.scrollTop = (top + length / 2) * scale - scroll.clientHeight / 2;
  }
  side.value = length;
  find("output").textContent = `${length} px`;
  find(".note").textContent = `${picture.name}, ${picture.width} × ${picture.height} pixels. `
    + (length === picture.width && length === picture.height ? "All of it is used."
      : `The square at (${left}, ${top}) is used; drag it or use the arrow keys.`);
}

function move(left, top, length) {
  length = clamp(length, MIN_SIDE, Math.min(picture.width, picture.height));
  const next = [clamp(left, 0, picture.width - length), clamp(top, 0, picture.height - length), length];
  if (next.every((value, i) => value === box[i])) return;
  box = next;
  show();
  Studio.set({ box: named(box) });
}

const fits = (wanted) => wanted !== null && wanted[2] >= MIN_SIDE
  && wanted[0] + wanted[2] <= picture.width && wanted[1] + wanted[2] <= picture.height;

frame.addEventListener("pointerdown", (event) => {
  grip = { x: event.clientX, y: event.clientY, box };
  frame.setPointerCapture(event.pointerId);
});
frame.addEventListener("pointermove", (event) => {
  if (grip === null) return;
  const scale = picture.width / stage.clientWidth;
  move(grip.box[0] + (event.clientX - grip.x) * scale, grip.box[1] + (event.clientY - grip.y) * scale, box[2]);
});
["pointerup", "pointercancel"].forEach((name) => frame.addEventListener(name, () => { grip = null; }));

frame.addEventListener("keydown", (event) => {
  const by = Math.max(1, Math.round(box[2] / 40));
  const moves = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] };
  if (!(event.key in moves)) return;
  event.preventDefault();
  move(box[0] + moves[event.key][0], box[1] + moves[event.key][1], box[2]);
});

side.addEventListener("input", () => {
  const length = Number(side.value);
  const shift = (box[2] - length) / 2; // grow and shrink about the middle
  move(box[0] + shift, box[1] + shift, length);
});

// A picture has come. Of two that are on their way the one chosen last counts: an example that is
// no longer wanted is passed over, and so is an upload while an example is awaited.
watch("value", () => {
  const next = props.value;
  const { example, picture: shown, box: wanted } = Studio.settings;
  if (!next || (next.example === null ? example !== null && shown === null : next.example !== example)) return;
  picture = next;
  box = next.example !== null && fits(wanted) ? wanted : centred();
  find(".crop").hidden = false;
  find(".crop").classList.toggle("wide", picture.width > STRIP * picture.height);
  find(".crop").classList.toggle("tall", picture.height > STRIP * picture.width);
  find("img").src = picture.preview;
  find("img").alt = `The whole picture, ${picture.name}`;
  side.min = MIN_SIDE;
  side.max = Math.min(picture.width, picture.height);
  show();
  const cleared = next.example === null ? { forced_in: [], forced_out: [], selected: null } : {};
  Studio.set({ ...cleared, example: next.example, picture: next.id, box: named(box) });
});

Studio.on("studio", element, ({ changed }) => {
  const { box: wanted, picture: shown } = Studio.settings;
  if (!changed.includes("box") || picture === null || shown !== picture.id) return;
  if (wanted !== null && !fits(wanted)) return;
  box = wanted ?? centred();
  show();
});
