// The cumulative curve H_n / H_total with τ, (1 - ε), T and N marked, as SVG in pixels of the page.
// `ranked` and `filtered` are what Selection.rank and Selection.dtf return.
const Curve = (() => {
  const HEIGHT = 236;
  const EDGE = { left: 44, right: 20, top: 26, bottom: 36 };
  const TICKS = [0, 0.25, 0.5, 0.75, 1];
  const BASE = HEIGHT - EDGE.bottom;
  const [LETTER, TALL, GAP] = [6.4, 10, 1]; // of words beside a level, and around them

  const y = (share) => BASE - Math.min(share, 1) * (BASE - EDGE.top);
  const scale = (svg, M) => {
    const width = Number(svg.dataset.width);
    return { x: (n) => EDGE.left + (n / M) * (width - EDGE.left - EDGE.right), end: width - EDGE.right };
  };
  const portion = ({ cumulative, total }, n) => (total > 0 && n > 0 ? cumulative[n - 1] / total : 0);
  const line = (x, ranked, upTo) => Array.from(
    { length: upTo + 1 }, (_, n) => `${x(n).toFixed(1)} ${y(portion(ranked, n)).toFixed(1)}`,
  ).join("L");
  // Beside a level: over it, or under it where there is no room over it.
  const beside = (share) => y(share) + (share > 0.86 ? 14 : -5);

  // Where the words of a level cross neither the curve nor the words of T: at the right end over or
  // under the level, else over it at the left end, else lower.
  function beyond({ x, end }, ranked, share, words, T) {
    const M = ranked.order.length;
    const long = words.length * LETTER;
    const crossed = (left, top) => { // the curve rises
      const at = (px) => y(portion(ranked, Math.round(Math.min(Math.max((px - x(0)) / (x(M) - x(0)), 0), 1) * M)));
      return at(left + long) < top + TALL + GAP && at(left) > top - GAP;
    };
    const [right, left] = [end - 14 - long, x(0) + 8];
    const [over, under] = [y(share) - 5 - TALL, y(share) + 4];
    const apart = T === 0 || Math.abs(y(T / ranked.total) - y(share)) > 2 * TALL;
    const places = [[right, over], [right, under], ...(apart ? [[left, over]] : []), [right, under + 1.7 * TALL]];
    const [px, top] = places.find(([from, at]) => at + TALL < BASE && !crossed(from, at)) ?? places.at(-1);
    return px === left ? [left, top + TALL, "start"] : [end - 14, top + TALL, "end"];
  }

  // T, where there is one: out of reach it is an arrow at the top.
  function minimum({ x, end }, ranked, T, binds) {
    if (T === 0) return "";
    const share = ranked.total > 0 ? T / ranked.total : Infinity;
    const equal = binds ? " = τ" : "";
    if (share > 1) {
      return `<path class="floor" d="M${x(0)} ${EDGE.top - 8}H${end}M${x(0) + 8} ${EDGE.top - 8}v-14m-4 5l4 -5l4 5"/>
        <text class="floored" x="${x(0) + 18}" y="${EDGE.top - 13}">T = ${Format.percent(share, 0)}${equal}, out of reach</text>`;
    }
    return `<path class="floor" d="M${x(0)} ${y(share)}H${end}"/>
      <text class="floored" x="${x(0) + 8}" y="${beside(share)}">T = ${Format.percent(share)}${equal}</text>`;
  }

  return {
    // What does not depend on epsilon: the axes and the curve itself.
    axes(svg, ranked) {
      const M = ranked.order.length;
      svg.dataset.width = svg.clientWidth || 400; // read once: it makes the browser lay out the page
      const { x, end } = scale(svg, M);
      const rows = TICKS.map((s) => `<path class="axis" d="M${x(0)} ${y(s)}H${end}"/>
        <text x="${x(0) - 7}" y="${y(s) + 4}" text-anchor="end">${s * 100} %</text>`);
      const columns = TICKS.map((s) => `<text x="${x(s * M)}" y="${BASE + 16}"
        text-anchor="${s === 1 ? "end" : "middle"}">${Math.round(s * M)}</text>`);
      svg.querySelector(".fixed").innerHTML = `${rows.join("")}${columns.join("")}
        <text x="${x(M / 2)}" y="${HEIGHT - 3}" text-anchor="middle">number of patches n</text>
        <path class="line" d="M${line(x, ranked, M)}"/>`;
      const level = `M${x(0)} 0H${end}`;
      svg.querySelector(".hit").setAttribute("d", level);
      svg.querySelector(".level").setAttribute("d", level);
      svg.querySelector(".grip").setAttribute("cx", end);
    },

    // τ, (1 - ε), T, N, and the dots of chosen patches: their ranks from 0.
    marks(svg, ranked, filtered, { epsilon, minimum: T }, dots) {
      const M = ranked.order.length;
      const { x, end } = scale(svg, M);
      const N = filtered.count;
      const tau = ranked.total > 0 ? filtered.tau / ranked.total : 0;
      const binds = filtered.binding === "loss rate";
      const after = N < M * 0.6;
      const words = `(1 − ε) = ${Format.percent(1 - epsilon)}${binds ? " = τ" : ""}`;
      const [edge, bottom, anchor] = beyond({ x, end }, ranked, 1 - epsilon, words, T);
      svg.querySelector(".moving").innerHTML = `
        <path class="area" d="M${line(x, ranked, N)}V${BASE}H${x(0)}Z"/>
        ${minimum({ x, end }, ranked, T, !binds)}
        <path class="mark" d="M${x(0)} ${y(tau)}H${x(N)}V${BASE}"/>
        <text class="marked" x="${x(N) + (after ? 8 : -8)}" y="${BASE - 8}"
          text-anchor="${after ? "start" : "end"}">N = ${N}</text>
        <text class="marked" x="${edge}" y="${bottom}" text-anchor="${anchor}">${words}</text>
        ${dots.map((rank) => `<circle class="dot" r="5" cx="${x(rank + 1)}" cy="${y(portion(ranked, rank + 1))}"/>`).join("")}`;
      const handle = svg.querySelector(".handle");
      handle.setAttribute("transform", `translate(0 ${y(1 - epsilon)})`);
      handle.setAttribute("aria-valuenow", (1 - epsilon).toFixed(3));
      handle.setAttribute("aria-valuetext", `(1 − ε) = ${Format.percent(1 - epsilon)}, N = ${N} of ${M}`);
    },

    // The rank (from 0) under a pointer.
    rankAt(svg, clientX, M) {
      const box = svg.getBoundingClientRect();
      const along = (clientX - box.left - EDGE.left) / (box.width - EDGE.left - EDGE.right);
      return Math.min(Math.max(Math.ceil(along * M) - 1, 0), M - 1);
    },

    // The share of H_total at the height of a pointer.
    shareAt: (svg, clientY) => (BASE - (clientY - svg.getBoundingClientRect().top)) / (BASE - EDGE.top),
  };
})();
