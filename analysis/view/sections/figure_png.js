// The view as a figure on white: the panels of the patch view, the cumulative curve and the numbers.
// Lengths are in CSS pixels; the canvas has SCALE times as many.
const SCALE = 2;
const SIDE = 240; // of a panel
const GAP = 16;
const MARGIN = 24;
const LINE = 18; // of text
const INK = "#1f2937";
const FAINT = "#6b7280";
const RULE = "#d1d5db";
const MARK = "#d9480f";
const LETTERS = { picture: "a  Picture x", entropy: "b  Entropy H(p̂ᵢ | G)", kept: "c  Kept patches", image: "d  Reconstruction x̂", error: "e  Absolute error |x − x̂|" };

function write(pen, value, x, y, { size = 12, colour = INK, align = "left" } = {}) {
  pen.font = `${size}px system-ui, "Liberation Sans", Arial, sans-serif`;
  pen.fillStyle = colour;
  pen.textAlign = align;
  pen.strokeStyle = "#fff"; // a halo, for text on lines
  pen.lineWidth = 3;
  pen.setLineDash([]);
  pen.strokeText(value, x, y);
  pen.fillText(value, x, y);
}

function stroke(pen, colour, width, points, dash = []) {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.setLineDash(dash);
  pen.beginPath();
  points.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.stroke();
}

function drawScale(pen, colours, low, high, note, x, y) {
  colours.forEach((rgb, i) => {
    pen.fillStyle = `rgb(${rgb})`;
    pen.fillRect(x + (i * SIDE) / 256, y, SIDE / 256 + 0.5, 7);
  });
  write(pen, low, x, y + 20, { colour: FAINT, size: 11 });
  write(pen, high, x + SIDE, y + 20, { colour: FAINT, size: 11, align: "right" });
  write(pen, note, x + SIDE / 2, y + 20, { colour: FAINT, size: 11, align: "center" });
}

// What is forced by hand (+ kept, × dropped), and the selected patch.
function drawMarksOn(pen, { settings, map }, x, y, side) {
  const cell = side / map.grid;
  const at = (index) => [x + (index % map.grid) * cell, y + Math.floor(index / map.grid) * cell];
  const mark = (index, lines, colour) => lines.forEach((points) => {
    const [left, top] = at(index);
    const there = points.map(([u, v]) => [left + u * cell, top + v * cell]);
    stroke(pen, "#000", 3, there);
    stroke(pen, colour, 1.6, there);
  });
  settings.forced_in.forEach((i) => mark(i, [[[0.5, 0.2], [0.5, 0.8]], [[0.2, 0.5], [0.8, 0.5]]], "#74c0fc"));
  settings.forced_out.forEach((i) => mark(i, [[[0.25, 0.25], [0.75, 0.75]], [[0.75, 0.25], [0.25, 0.75]]], "#ffa94d"));
  if (settings.selected === null) return;
  const [left, top] = at(settings.selected);
  [["#000", 4], ["#fff", 2]].forEach(([colour, width]) => {
    pen.setLineDash([]);
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.strokeRect(left - 1, top - 1, cell + 2, cell + 2);
  });
}

// Layers of one picture, each [name, opacity], drawn over one another.
function drawLayers(pen, shown, layers, x, y, side) {
  layers.forEach(([name, opacity]) => {
    if (name === "kept") {
      pen.fillStyle = "#e5e7eb"; // shows where dropped patches are dimmed
      pen.fillRect(x, y, side, side);
    }
    pen.globalAlpha = opacity;
    pen.drawImage(document.querySelector(`#patch-view [data-panel="${name}"]`), x, y, side, side);
    pen.globalAlpha = 1;
  });
  drawMarksOn(pen, shown, x, y, side);
  pen.setLineDash([]);
  pen.strokeStyle = RULE;
  pen.lineWidth = 1;
  pen.strokeRect(x - 0.5, y - 0.5, side + 1, side + 1);
}

function drawCurve(pen, { settings, map, filtered }, x, y, width, height) {
  const { cumulative, total } = map.ranked;
  const across = (n) => x + 40 + (n / map.M) * (width - 50);
  const up = (share) => y + height - 34 - Math.min(share, 1) * (height - 60);
  const portion = (n) => (n > 0 && total > 0 ? cumulative[n - 1] / total : 0);
  write(pen, "f  Cumulative entropy Hₙ / H_total of the n patches with most of it", x, y + 8, { size: 13 });
  [0, 0.5, 1].forEach((share) => {
    stroke(pen, RULE, 1, [[across(0), up(share)], [across(map.M), up(share)]]);
    write(pen, `${100 * share} %`, across(0) - 6, up(share) + 4, { colour: FAINT, size: 11, align: "right" });
    write(pen, Math.round(share * map.M), across(share * map.M), up(0) + 15, { colour: FAINT, size: 11, align: "center" });
  });
  write(pen, "number of patches n", across(map.M / 2), up(0) + 30, { colour: FAINT, size: 11, align: "center" });
  const tau = total > 0 ? filtered.tau / total : 0;
  stroke(pen, MARK, 1.2, [[across(0), up(tau)], [across(filtered.count), up(tau)], [across(filtered.count), up(0)]], [4, 3]);
  stroke(pen, INK, 1.5, Array.from({ length: map.M + 1 }, (_, n) => [across(n), up(portion(n))]));
  const right = filtered.count > 0.6 * map.M;
  write(pen, `N = ${filtered.count} by DTF`, across(filtered.count) + (right ? -6 : 6), up(0) - 7, { colour: MARK, align: right ? "right" : "left" });
  const why = filtered.binding === "loss rate" ? `τ = (1 − ε) H_total, ε = ${settings.epsilon}` : "τ = T";
  if (right) write(pen, why, across(0) + 6, up(tau) - 5, { colour: MARK });
  else write(pen, why, across(filtered.count) + 6, up(tau) + 16, { colour: MARK });
}

function drawNumbers(pen, shown, weights, x, y, width) {
  const { settings, map } = shown;
  const n = Numbers.of(shown);
  const unit = Format.unit(n.unit);
  const byHand = settings.forced_in.length + settings.forced_out.length;
  const cells = [
    ["Kept patches N", n.N, `of M = ${n.M}${byHand ? `, ${byHand} by hand` : ""}`],
    ["Tokens k + N", n.tokens, `${n.k} + ${n.N}`],
    ["Ratio", n.ratio.toFixed(3), `of ${n.M} tokens`],
    ["Size", `${n.bits.total.toLocaleString("en-US")} bits`, `${n.bits_per_pixel.toFixed(4)} per pixel`],
    ["PSNR", Format.decibels(n.psnr_dB), "of the clipped picture"],
    ["SSIM", n.ssim.toFixed(4), "Gaussian window, 11 px"],
    ["Threshold τ", `${Format.number(n.tau, 4)} ${unit}`, `of H_total = ${Format.number(n.H_total, 4)}`],
    ["Binding", n.binding === "unreachable" ? "T > H_total" : n.binding === "minimum" ? "T" : "(1 − ε) H_total", n.binding],
  ];
  cells.forEach(([name, value, note], i) => {
    const left = x + ((i % 4) * width) / 4;
    const top = y + Math.floor(i / 4) * 76;
    stroke(pen, RULE, 1.5, [[left, top - 4], [left, top + 48]]);
    write(pen, name, left + 9, top + 8, { colour: FAINT });
    write(pen, value, left + 9, top + 30, { size: 17 });
    write(pen, note, left + 9, top + 46, { colour: FAINT, size: 11 });
  });
  const target = settings.target_psnr === null ? "" : `, target PSNR ${settings.target_psnr} dB`;
  [
    `${settings.example ?? "A picture of one's own"}, ${map.size} × ${map.size} pixels, ${map.grid} × ${map.grid} patches`,
    `ε = ${settings.epsilon}, k = ${settings.k}, H by ${settings.estimator} (${map.unit}), policy ${settings.policy}${target}`,
    `TaTok Studio, weights ${weights}, ${new Date().toISOString().slice(0, 10)}`,
  ].forEach((value, i) => write(pen, value, x, y + 172 + i * LINE, { colour: FAINT }));
}

function drawBelow(pen, name, { settings, map, kept, pixels }, x, y) {
  const note = (value) => write(pen, value, x, y + 14, { colour: FAINT });
  if (name === "picture") note(`${map.size} × ${map.size} pixels`);
  if (name === "kept") note(`N = ${kept} of M = ${map.M}, ${settings.policy}`);
  if (name === "image") note(`${Format.decibels(pixels.psnr)}, SSIM ${pixels.ssim.toFixed(4)}`);
  const { viridis, magma } = Colour;
  if (name === "entropy") drawScale(pen, viridis, Format.number(map.low, 4), Format.number(map.high, 4), Format.unit(map.unit), x, y + 6);
  if (name === "error") drawScale(pen, magma, "0", `≥ ${Panels.ERROR_MAX}`, "levels of 255", x, y + 6);
}

// Studio.shown -> a canvas; five panels side by side, or the blended one if that is shown.
function figurePng(shown, weights) {
  const { mode, base, overlay, opacity } = shown.settings;
  const blended = mode === "blend";
  const side = blended ? 2 * SIDE : SIDE;
  const top = MARGIN + LINE;
  const row = top + side + 44;
  const width = 2 * MARGIN + 5 * SIDE + 4 * GAP;
  const canvas = document.createElement("canvas");
  canvas.width = width * SCALE;
  canvas.height = (blended ? row + 20 : row + 250) * SCALE;
  const pen = canvas.getContext("2d");
  pen.scale(SCALE, SCALE);
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, width, canvas.height);
  pen.imageSmoothingEnabled = false;
  if (blended) {
    write(pen, `${LETTERS[overlay].slice(3)} at ${Math.round(100 * opacity)} % over ${LETTERS[base].slice(3)}`, MARGIN, MARGIN + 8, { size: 13 });
    drawLayers(pen, shown, [[base, 1], [overlay, opacity]], MARGIN, top, side);
    [base, overlay].forEach((name, i) => drawBelow(pen, name, shown, MARGIN + i * SIDE, top + side));
    const left = MARGIN + side + 3 * GAP;
    drawCurve(pen, shown, left, MARGIN, width - left - MARGIN, 250);
    drawNumbers(pen, shown, weights, left, MARGIN + 290, width - left - MARGIN);
    return canvas;
  }
  Object.entries(LETTERS).forEach(([name, caption], i) => {
    const x = MARGIN + i * (SIDE + GAP);
    write(pen, caption, x, MARGIN + 8, { size: 13 });
    drawLayers(pen, shown, [[name, 1]], x, top, side);
    drawBelow(pen, name, shown, x, top + side);
  });
  drawCurve(pen, shown, MARGIN, row, 560, 240);
  drawNumbers(pen, shown, weights, MARGIN + 600, row + 20, width - 2 * MARGIN - 600);
  return canvas;
}
