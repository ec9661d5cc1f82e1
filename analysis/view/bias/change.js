// Two selections side by side, and how far they agree: for the changes and for the cure.
const SAME = Array.from({ length: M }, (_, i) => i);
const shareText = (value) => (Number.isFinite(value) ? Format.percent(value) : "–");
const signedText = (value) => (Number.isFinite(value) ? Format.signed(value, 2) : "–");

function pairTemplate(place) {
  const panel = (name, caption) => `<figure><figcaption>${caption}</figcaption><canvas data-pair="${name}" role="img" aria-label="${caption}"></canvas><div class="scale" data-below="${name}"></div></figure>`;
  place.innerHTML = `<div class="squares">${panel("before-entropy", "H before")}${panel("before-kept", "Kept before")}${panel("after-entropy", "H after")}${panel("after-kept", "Kept after")}
    <div class="wide"><table><caption>How far the two agree</caption><thead><tr><th>measure</th><th>by place</th><th>by content</th></tr></thead><tbody></tbody></table><p class="note" data-below="said"></p></div></div>`;
  place.querySelectorAll('[data-pair$="kept"]').forEach((canvas) => canvas.classList.add("hatched"));
}

const sideOf = (map, epsilon) => ({ H: map.entropy, ...Place.select(map, epsilon) });

// before, after: { words, map } of the chosen estimator.
function drawPair(place, before, after, source, epsilon, sentence) {
  const canvas = (name) => place.querySelector(`[data-pair="${name}"]`);
  const below = (name, value) => { place.querySelector(`[data-below="${name}"]`).textContent = value; };
  const sides = [before, after].map(({ words, map }, i) => {
    const name = ["before", "after"][i];
    const selection = sideOf(map, epsilon);
    Charts.entropy(canvas(`${name}-entropy`), map.entropy);
    Charts.kept(canvas(`${name}-kept`), words, selection.keep);
    const none = selection.total === 0 ? ", but H = 0 everywhere" : "";
    below(`${name}-kept`, `N = ${selection.N} of ${M}${none}; outer columns ${shareText(Place.share(selection.keep, Place.column))} of them`);
    place.querySelector(`[data-below="${name}-entropy"]`).innerHTML = Charts.scale(map.entropy, "");
    return selection;
  });
  const { place: still, content } = Agreement.moved(...sides, source);
  const row = (name, digits, value) => `<tr><th scope="row">${name}</th><td>${value(still)}</td><td>${content ? value(content) : "–"}</td></tr>`;
  place.querySelector("tbody").innerHTML = row("kept before and after", 1, (a) => shareText(a.common))
    + row("by chance", 1, (a) => shareText(a.chance))
    + row("beyond chance (1: all, 0: chance)", 2, (a) => signedText(a.beyond))
    + row("correlation of H", 2, (a) => signedText(a.correlation));
  below("said", sentence(still, content, sides));
}

function changeSaid(still, content, [before, after]) {
  if (before.total === 0 || after.total === 0) return "H is 0 everywhere on one side, so there is nothing to compare.";
  if (content === null) return `${shareText(1 - still.common)} of the places kept before are kept no more; by chance it would be ${shareText(1 - still.chance)}. No patch is followed here: none moved, or all are alike.`;
  const [p, c] = [still.beyond, content.beyond];
  if (!Number.isFinite(p) || !Number.isFinite(c)) return "All or none of the patches are kept, so nothing can move.";
  if (Math.max(p, c) < 0.1) return "The selection agrees little more than chance with the old one, by place or by content.";
  const follows = c > p ? "follows the content" : "stays at its place";
  return `Here the selection ${follows} more than it ${c > p ? "stays at its place" : "follows the content"}: beyond chance ${signedText(Math.max(p, c))} against ${signedText(Math.min(p, c))}.`;
}

const cureSaid = (still, content, [before, after]) => (before.total === 0 || after.total === 0
  ? "H is 0 everywhere on one side: nothing is left to choose by."
  : `N goes from ${before.N} to ${after.N}; ${shareText(1 - still.common)} of the patches kept before are kept no more. Outer columns: ${shareText(Place.share(before.keep, Place.column))} of the kept before, ${shareText(Place.share(after.keep, Place.column))} after; chance ${Format.percent(Place.chance)}.`);

// --- the controls of the change -------------------------------------------------------------------

const half = Math.floor(GRID / 2);
const change = { kind: "roll", dy: half, dx: half, shuffle: 0, row: half + 1, column: half + 1, row2: 1, column2: 1, how: "zero", part: "all" };
const CHANGE = Object.freeze({ ...change });
const whole = (value, low, high) => Math.min(Math.max(Math.round(value), low), high);

// What the server is asked for.
function changeAsked() {
  const { kind, how, part } = change;
  const place = (row, column) => (row - 1) * GRID + column - 1;
  if (kind === "roll" || kind === "crop") return { kind, dy: change.dy, dx: change.dx };
  if (kind === "shuffle") return { kind, seed: change.shuffle };
  if (kind === "swap") return { kind, first: place(change.row, change.column), second: place(change.row2, change.column2) };
  if (kind === "repeat") return { kind, first: place(change.row, change.column) };
  if (kind === "positions") return { kind, how, parts: part === "all" ? ["encoder", "decoder", "predictor"] : [part] };
  return { kind };
}

function changeRange(name) {
  if (name === "shuffle") return [0, 9999];
  if (name === "dy" || name === "dx") return change.kind === "crop" ? [-GRID, GRID] : [0, GRID - 1];
  return [1, GRID];
}

function showChange() {
  all("[data-kinds]").forEach((label) => { label.hidden = !label.dataset.kinds.split(" ").includes(change.kind); });
  all("[data-change]").forEach((input) => {
    const { change: name } = input.dataset;
    if (input.type === "number") {
      [input.min, input.max] = changeRange(name);
      change[name] = whole(change[name], ...changeRange(name));
    }
    if (document.activeElement !== input || input.type !== "number") input.value = change[name];
  });
}

function wireChange(changed) {
  all("[data-change]").forEach((input) => input.addEventListener("input", () => {
    if (input.value === "") return;
    const { change: name } = input.dataset;
    change[name] = input.type === "number" ? whole(Number(input.value), ...changeRange(name)) : input.value;
    showChange();
    changed();
  }));
  all("[data-change]").forEach((input) => input.addEventListener("blur", showChange));
}
