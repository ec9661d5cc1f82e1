// A picture as the model sees it. Where it is to be painted on, whole patches are painted over: by
// mouse, finger, or arrow keys and space. The painted patches go to the server in `props.value`.
const find = (selector) => element.querySelector(selector);
const canvas = find("canvas");
let picture = null; // { id, name, image, grid }
let hidden = []; // per patch, 0 or 1
let cursor = null; // the patch under the keyboard
let reach = 1; // of the brush: patches on either side
let stroke = null; // while the pointer is down: { to, at }, what patches become, and the last one


function middle(grid) { // the square in the middle, a third as wide as the picture
  const inside = (at) => at >= Math.floor(grid / 3) && at < Math.ceil((2 * grid) / 3);
  return Array.from({ length: grid * grid }, (_, i) => Number(inside(i % grid) && inside(Math.floor(i / grid))));
}

function draw() {
  const { grid } = picture;
  const side = 16;
  canvas.width = canvas.height = side * grid;
  const context = canvas.getContext("2d");
  hidden.forEach((covered, i) => {
    if (!covered) return;
    const [x, y] = [(i % grid) * side, Math.floor(i / grid) * side];
    context.fillStyle = "rgba(120, 126, 138, .93)";
    context.fillRect(x, y, side, side);
    context.strokeStyle = "rgba(255, 255, 255, .35)";
    context.strokeRect(x + 0.5, y + 0.5, side - 1, side - 1);
  });
  if (cursor !== null && document.activeElement === canvas) {
    const [x, y] = [(cursor % grid) * side, Math.floor(cursor / grid) * side];
    context.lineWidth = 2;
    context.strokeStyle = "#000";
    context.strokeRect(x + 1, y + 1, side - 2, side - 2);
    context.strokeStyle = "#fff";
    context.strokeRect(x + 3, y + 3, side - 6, side - 6);
  }
  note();
}

function note() {
  const number = hidden.reduce((sum, covered) => sum + covered, 0);
  find(".note").textContent = props.paint
    ? `${picture.name}: ${number} of ${hidden.length} patches are painted over. Arrow keys and space paint too.`
    : `${picture.name}, its centre square.`;
}

// Paint patch i and those within reach.
function cover(i, to) {
  const { grid } = picture;
  const [row, column] = [Math.floor(i / grid), i % grid];
  for (let r = Math.max(row - reach, 0); r <= Math.min(row + reach, grid - 1); r += 1) {
    for (let c = Math.max(column - reach, 0); c <= Math.min(column + reach, grid - 1); c += 1) hidden[r * grid + c] = to;
  }
}

// All patches on the straight way from one to another, so that a quick stroke has no holes.
function line(from, to) {
  const { grid } = picture;
  const [r0, c0, r1, c1] = [Math.floor(from / grid), from % grid, Math.floor(to / grid), to % grid];
  const length = Math.max(Math.abs(r1 - r0), Math.abs(c1 - c0));
  return Array.from({ length: length + 1 }, (_, i) => {
    const share = length === 0 ? 0 : i / length;
    return Math.round(r0 + (r1 - r0) * share) * grid + Math.round(c0 + (c1 - c0) * share);
  });
}

function patchUnder(event) {
  const box = canvas.getBoundingClientRect();
  const cell = (at, from, length) => Math.min(Math.max(Math.floor(((at - from) / length) * picture.grid), 0), picture.grid - 1);
  return cell(event.clientY, box.top, box.height) * picture.grid + cell(event.clientX, box.left, box.width);
}

const send = () => { props.value = { ...picture, hidden: hidden.join("") }; };

canvas.addEventListener("pointerdown", (event) => {
  const i = patchUnder(event);
  stroke = { to: hidden[i] ? 0 : 1, at: i };
  cover(i, stroke.to);
  canvas.setPointerCapture(event.pointerId);
  draw();
});
canvas.addEventListener("pointermove", (event) => {
  if (stroke === null) return;
  const i = patchUnder(event);
  line(stroke.at, i).forEach((patch) => cover(patch, stroke.to));
  stroke.at = i;
  draw();
});
["pointerup", "pointercancel"].forEach((name) => canvas.addEventListener(name, () => {
  if (stroke === null) return;
  stroke = null;
  send();
}));

canvas.addEventListener("keydown", (event) => {
  const { grid } = picture;
  const at = cursor ?? 0;
  const moves = {
    ArrowLeft: at % grid > 0 ? -1 : 0,
    ArrowRight: at % grid < grid - 1 ? 1 : 0,
    ArrowUp: at >= grid ? -grid : 0,
    ArrowDown: at < grid * (grid - 1) ? grid : 0,
  };
  if (event.key === " ") {
    cover(at, hidden[at] ? 0 : 1);
    send();
  } else if (!(event.key in moves)) return;
  cursor = cursor === null ? 0 : at + (moves[event.key] ?? 0);
  event.preventDefault();
  draw();
});
["focus", "blur"].forEach((name) => canvas.addEventListener(name, () => { if (picture !== null) draw(); }));

const tools = {
  clear: () => hidden.fill(0),
  invert: () => { hidden = hidden.map((covered) => 1 - covered); },
  wide(button) {
    reach = 1 - reach;
    button.setAttribute("aria-pressed", String(reach === 1));
  },
};
element.querySelectorAll("[data-do]").forEach((button) => button.addEventListener("click", () => {
  tools[button.dataset.do](button);
  send();
  draw();
}));

function receive() {
  if (!props.value) return;
  const next = JSON.parse(JSON.stringify(props.value));
  if (picture === null || picture.id !== next.id) hidden = middle(next.grid);
  picture = next;
  find(".source").hidden = false;
  find(".source").classList.toggle("paint", props.paint);
  find("img").src = picture.image;
  find("img").alt = `${picture.name}, its centre square`;
  send();
  draw();
}

watch(["value", "paint"], receive);
receive();
