// Drawings of the lab: canvases, profiles by column and row, stacked bars.
const { Share, Selection, Panels, Colour, Format, courier, LIMITS } = Studio;
const GRID = props.grid;
const M = GRID * GRID;
const find = (selector) => element.querySelector(selector);
const all = (selector) => [...element.querySelectorAll(selector)];
const text = (name, value) => { find(`[data-text="${name}"]`).textContent = value; };
const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;

const Charts = {
  entropy(canvas, H) { Panels.paint(canvas, Panels.entropy(H, Math.min(...H), Math.max(...H))); },

  // The picture with what is dropped dimmed; words are those of Panels.picture.
  kept(canvas, words, keep) {
    const size = Math.sqrt(words.length);
    Panels.paint(canvas, Panels.kept(words, Panels.patches(size, GRID, size / GRID), keep));
  },

  scale(H, unit) {
    const [low, high] = [Math.min(...H), Math.max(...H)];
    const digits = high > low ? Math.min(Math.max(Math.ceil(Math.log10(high / (high - low))) + 2, 3), 6) : 3;
    return `<span class="ends"><span>${Format.number(low, digits)}</span><span class="bar" style="background:${Colour.gradient(Colour.viridis)}"></span><span>${Format.number(high, digits)}</span></span>${unit}`;
  },

  // Kept share (bars) and mean H (line) of each column or row, as multiples of their means.
  profile(svg, name, kept, entropy) {
    const width = svg.clientWidth || 300;
    const height = svg.clientHeight || 200;
    const edge = { left: 26, top: 8, bottom: 18 };
    const top = Math.max(1.5, ...kept, ...entropy) * 1.05;
    const x = (i) => edge.left + (i / GRID) * (width - edge.left - 4);
    const y = (value) => height - edge.bottom - (value / top) * (height - edge.bottom - edge.top);
    const step = top > 6 ? Math.ceil(top / 4) : top > 3 ? 1 : 0.5;
    const ticks = Array.from({ length: Math.floor(top / step) + 1 }, (_, i) => i * step);
    const bars = kept.map((v, i) => `<rect class="kept" x="${x(i) + 0.5}" y="${y(v)}" width="${Math.max(x(1) - x(0) - 1, 1)}" height="${y(0) - y(v)}"/>`);
    const line = entropy.map((v, i) => `${x(i + 0.5).toFixed(1)} ${y(v).toFixed(1)}`).join("L");
    svg.innerHTML = `${ticks.map((v) => `<path class="axis" d="M${x(0)} ${y(v)}H${x(GRID)}"/><text x="${x(0) - 4}" y="${y(v) + 4}" text-anchor="end">${v}</text>`).join("")}
      ${bars.join("")}<path class="chance" d="M${x(0)} ${y(1)}H${x(GRID)}"/><path class="entropy" d="M${line}"/>
      <text x="${x(0.5)}" y="${height - 4}" text-anchor="middle">1</text><text x="${x(GRID - 0.5)}" y="${height - 4}" text-anchor="middle">${GRID}</text>`;
    const peak = kept.indexOf(Math.max(...kept));
    svg.setAttribute("aria-label", `Kept share by ${name}, as multiples of chance: ${name} 1 ${kept[0].toFixed(2)}, ${name} ${GRID} ${kept[GRID - 1].toFixed(2)}, most in ${name} ${peak + 1} with ${kept[peak].toFixed(2)}`);
  },

  // One bar per estimator and response; bars as the server sends them.
  stack(bars, noise) {
    const names = { entropy: "Variance of H", kept: "Variance of the kept mask (0 or 1)" };
    const rows = bars.map((bar, i) => {
      const head = i === 0 || bars[i - 1].response !== bar.response ? `<h3>${names[bar.response]}</h3>` : "";
      const words = bar.shares === null ? "nothing varies" : props.factors.map((factor, j) => `${factor} ${Format.percent(bar.shares[j])} (${Format.number(bar.variances[j])})`).join(", ");
      const parts = bar.shares === null ? "" : props.factors.map((factor, j) => `<span class="${factor}" style="width:${100 * bar.shares[j]}%" title="${factor} ${Format.percent(bar.shares[j])}, variance ${Format.number(bar.variances[j])}">${bar.shares[j] > 0.07 ? Format.percent(bar.shares[j], 0) : ""}</span>`).join("");
      return `${head}<span>${bar.estimator}</span><span class="whole" role="img" aria-label="${bar.estimator}: ${words}">${parts}</span><span class="variance" title="total variance">${bar.shares === null ? "nothing varies" : Format.number(bar.total)}</span>`;
    });
    const legend = props.factors.map((factor) => `<span><i class="${factor}"></i>${factor}</span>`).join("");
    return `<p class="legend">${legend}<span class="note">right: total variance; a factor without effect has the share ${Format.percent(noise)}</span></p><div class="stack">${rows.join("")}</div>${Charts.variances(bars)}`;
  },

  variances(bars) {
    const rows = bars.filter((bar) => bar.shares !== null).map((bar) => `<tr><th scope="row">${bar.estimator}, ${bar.response === "kept" ? "kept" : "H"}</th>${bar.variances.map((v, j) => `<td>${Format.percent(bar.shares[j])}<br><span class="note">${Format.number(v)}</span></td>`).join("")}</tr>`);
    return `<details><summary>Shares and absolute variances as a table</summary><table><thead><tr><th>response</th>${props.factors.map((factor) => `<th>${factor}</th>`).join("")}</tr></thead><tbody>${rows.join("")}</tbody></table></details>`;
  },
};
