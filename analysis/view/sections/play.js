// Play: `frames` are the run decoded so far and `keep` their patches, in batches, each asked for when
// the one before it has come. They depend on the picture, k, estimator and target; another of these
// begins a new run.
const { Panels, Format, courier } = Studio;
const KEYS = ["picture", "box", "side", "k", "estimator", "target_psnr"];
const BETWEEN = 110; // milliseconds from frame to frame
const find = (selector) => element.querySelector(selector);
const text = (name, value) => { find(`[data-text="${name}"]`).textContent = value; };
const details = find("details");
const range = find("input");
const buttons = { play: find('[data-action="play"]'), gif: find('[data-action="gif"]') };
let counts = []; // patches n of every frame
let run = { settings: null, frames: [], keep: [], psnr: [], batches: 0, gif: null };
let at = 0; // the frame shown
let wanted = 0; // frames asked for: all of them once Play was pressed
let timer = null; // while playing
let making = false; // a GIF is wanted
let refused = null;

const whole = () => run.frames.length === counts.length;
const fits = () => run.settings !== null && Studio.agree(run.settings, Studio.settings, KEYS);

const line = courier("play", element, {
  want: () => {
    const { settings, shown } = Studio;
    if (!settings.play || !shown?.pixels || (refused && Studio.agree(refused, settings, KEYS))) return null;
    if (making && whole()) return { ...settings, gif: true };
    return run.frames.length < wanted ? { ...settings, batch: run.batches } : null;
  },
  send: (question) => trigger("play", question),
  receive: (reply, settings) => {
    refused = reply.error ? settings : null;
    text("status", reply.error || "");
    if (reply.error) stop();
    if (!fits() || !Studio.agree(settings, run.settings, KEYS)) return;
    if (reply.gif) offer(reply.gif);
    if (reply.frames && settings.batch === run.batches) {
      run.batches += 1;
      run.frames.push(...reply.frames.map((frame) => Panels.picture(Panels.rgb(frame))));
      run.keep.push(...reply.keep.map((mask) => Uint8Array.from(mask, Number)));
      run.psnr.push(...reply.psnr);
    }
    draw();
  },
});

function begin() {
  stop();
  if (run.gif) URL.revokeObjectURL(run.gif);
  counts = props.counts[Studio.settings.side];
  run = { settings: Studio.settings, frames: [], keep: [], psnr: [], batches: 0, gif: null };
  at = 0;
  wanted = 0;
  making = false;
  find("a").hidden = true;
}

function stop() {
  clearTimeout(timer);
  timer = null;
}

function tick() {
  if (!element.isConnected) return;
  if (at + 1 < run.frames.length) at += 1;
  timer = at + 1 < counts.length ? setTimeout(tick, BETWEEN) : null;
  draw();
}

function play() {
  refused = null;
  if (timer !== null) stop();
  else {
    if (at + 1 >= counts.length) at = 0;
    wanted = counts.length;
    timer = setTimeout(tick, BETWEEN);
    line.poke();
  }
  draw();
}

function offer(base64) {
  making = false;
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  run.gif = URL.createObjectURL(new Blob([bytes], { type: "image/gif" }));
  const link = find("a");
  const { example, k, estimator } = run.settings;
  link.href = run.gif;
  link.download = `tatok-${example ?? "picture"}-k${k}-${estimator}.gif`;
  link.textContent = `Save the GIF, ${(bytes.length / 1e6).toFixed(1)} MB, at most 256 colours a frame`;
  link.hidden = false;
  link.focus();
}

// --- drawing --------------------------------------------------------------------------------------

function chart(N) {
  const svg = find("svg");
  const width = svg.clientWidth || 400;
  const height = 190;
  const { k } = run.settings;
  const M = counts[counts.length - 1];
  const known = run.psnr.filter((value) => value !== null);
  const low = Math.floor(Math.min(...known, 99));
  const high = known.length ? Math.max(Math.ceil(Math.max(...known)), low + 2) : low + 2;
  const x = (tokens) => 44 + (tokens / (k + M)) * (width - 56);
  const y = (value) => height - 34 - (((value ?? high) - low) / (high - low)) * (height - 50);
  const points = run.psnr.map((value, i) => `${x(k + counts[i]).toFixed(1)} ${y(value).toFixed(1)}`);
  const levels = known.length ? [low, (low + high) / 2, high] : [];
  const right = k + N > 0.7 * (k + M);
  svg.innerHTML = `${levels.map((v) => `<path class="axis" d="M${x(0)} ${y(v)}H${x(k + M)}"/><text x="${x(0) - 6}" y="${y(v) + 4}" text-anchor="end">${v} dB</text>`).join("")}
    ${[0, 0.5, 1].map((s) => `<text x="${x(s * (k + M))}" y="${height - 16}" text-anchor="${["start", "middle", "end"][2 * s]}">${Math.round(s * (k + M))}</text>`).join("")}
    <text x="${x((k + M) / 2)}" y="${height - 2}" text-anchor="middle">tokens k + n</text>
    <path class="mark" d="M${x(k + N)} ${y(high)}V${y(low)}"/>
    <text class="marked" x="${x(k + N) + (right ? -5 : 5)}" y="${y(low) - 6}" text-anchor="${right ? "end" : "start"}">DTF’s N = ${N}</text>
    ${points.length ? `<path class="rest" d="M${points.join("L")}"/><path class="line" d="M${points.slice(0, at + 1).join("L")}"/><circle r="4.5" cx="${points[at].split(" ")[0]}" cy="${points[at].split(" ")[1]}"/>` : ""}`;
}

function draw() {
  const { settings, shown } = Studio;
  if (details.open !== settings.play) details.open = settings.play;
  if (!settings.play || shown === null) return;
  if (!fits()) begin();
  const { map, filtered } = shown;
  const n = counts[at];
  Panels.paint(find('[data-panel="kept"]'), Panels.kept(map.words, map.patch, run.keep[at] ?? new Uint8Array(map.M)));
  find('[data-panel="image"]').hidden = run.frames.length === 0;
  if (run.frames.length) Panels.paint(find('[data-panel="image"]'), run.frames[at]);
  chart(filtered.count);
  range.max = counts.length - 1;
  range.value = at;
  range.disabled = run.frames.length < 2;
  range.setAttribute("aria-valuetext", `${settings.k} + ${n} tokens`);
  text("frame", `k + n = ${settings.k} + ${n}${run.frames.length ? `, ${Format.decibels(run.psnr[at])}` : ""}`);
  buttons.play.textContent = timer === null ? "Play" : "Pause";
  buttons.gif.disabled = !whole() || making;
  buttons.gif.textContent = making ? "Making it …" : "Make a GIF";
  const some = run.frames.length && !whole() ? ` ${run.frames.length} of ${counts.length} frames are decoded.` : "";
  const byHand = settings.forced_in.length + settings.forced_out.length;
  const ignored = byHand === 0 ? "" : ` What is kept or dropped by hand (${byHand} of the patches) does not change it either.`;
  text("note", `${counts.length} frames from n = 0, the global tokens alone, to all ${map.M} patches, in the order of H by ${settings.estimator} before it is clamped at 0; ε and the policy do not change it.${ignored} Each frame is decoded by the model.${some}`);
}

// --- wiring ---------------------------------------------------------------------------------------

buttons.play.addEventListener("click", play);
buttons.gif.addEventListener("click", () => {
  making = true;
  draw();
  line.poke();
});
range.addEventListener("input", () => {
  stop();
  at = Math.min(Number(range.value), Math.max(run.frames.length - 1, 0));
  draw();
});
details.addEventListener("toggle", () => {
  if (!details.open) stop();
  Studio.set({ play: details.open });
});
const follow = () => { draw(); line.poke(); };
Studio.on("studio", element, ({ changed }) => {
  if (changed.some((name) => [...KEYS, "epsilon", "forced_in", "forced_out", "play"].includes(name))) follow();
});
Studio.on("studio-shown", element, follow);
new ResizeObserver(() => { if (fits() && Studio.shown) chart(Studio.shown.filtered.count); }).observe(find("svg"));
watch("value", () => line.hear(props.value));
follow();
