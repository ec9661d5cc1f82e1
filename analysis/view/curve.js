// The cumulative curve H_n / H_total with tau and N marked, as SVG in pixels of the page.
// `ranked` and `found` are what Selection.rank and Selection.dtf return.
const Curve = (() => {
  const HEIGHT = 210;
  const EDGE = { left: 44, right: 14, top: 16, bottom: 36 };
  const TICKS = [0, 0.25, 0.5, 0.75, 1];

  const scales = (svg, M) => {
    const width = Number(svg.dataset.width);
    return {
      x: (n) => EDGE.left + (n / M) * (width - EDGE.left - EDGE.right),
      y: (share) => HEIGHT - EDGE.bottom - Math.min(share, 1) * (HEIGHT - EDGE.top - EDGE.bottom),
    };
  };
  const portion = ({ cumulative, total }, n) => (total > 0 && n > 0 ? cumulative[n - 1] / total : 0);
  const line = ({ x, y }, ranked, upTo) => Array.from(
    { length: upTo + 1 }, (_, n) => `${x(n).toFixed(1)} ${y(portion(ranked, n)).toFixed(1)}`,
  ).join("L");

  return {
    // What does not depend on epsilon: the axes and the curve itself.
    axes(svg, ranked) {
      const M = ranked.order.length;
      svg.dataset.width = svg.clientWidth || 400; // read once: it makes the browser lay out the page
      const { x, y } = scales(svg, M);
      const rows = TICKS.map((s) => `<path class="axis" d="M${x(0)} ${y(s)}H${x(M)}"/>
        <text x="${x(0) - 7}" y="${y(s) + 4}" text-anchor="end">${s * 100} %</text>`);
      const columns = TICKS.map((s) => `<text x="${x(s * M)}" y="${y(0) + 16}"
        text-anchor="${s === 1 ? "end" : "middle"}">${Math.round(s * M)}</text>`);
      svg.querySelector(".fixed").innerHTML = `${rows.join("")}${columns.join("")}
        <text x="${x(M / 2)}" y="${HEIGHT - 3}" text-anchor="middle">number of patches n</text>
        <path class="line" d="M${line({ x, y }, ranked, M)}"/>`;
    },

    // tau, N, and the patch chosen: its rank (from 0), or null.
    marks(svg, ranked, found, chosen) {
      const M = ranked.order.length;
      const { x, y } = scales(svg, M);
      const N = found.count;
      const tau = ranked.total > 0 ? found.tau / ranked.total : 0;
      const share = tau > 1 ? "τ > H_total" : `τ = ${(100 * tau).toFixed(1)} %`;
      const after = N < M * 0.6;
      const dot = chosen === null ? "" : `<circle class="dot" r="5" cx="${x(chosen + 1)}" cy="${y(portion(ranked, chosen + 1))}"/>`;
      svg.querySelector(".moving").innerHTML = `
        <path class="area" d="M${line({ x, y }, ranked, N)}V${y(0)}H${x(0)}Z"/>
        <path class="mark" d="M${x(0)} ${y(tau)}H${x(N)}V${y(0)}"/>
        <text class="marked" x="${x(N) + (after ? 8 : -8)}" y="${y(0) - 8}"
          text-anchor="${after ? "start" : "end"}">N = ${N}, ${share}</text>${dot}`;
    },

    // The rank (from 0) under a pointer at `clientX`.
    rankAt(svg, clientX, M) {
      const box = svg.getBoundingClientRect();
      const along = (clientX - box.left - EDGE.left) / (box.width - EDGE.left - EDGE.right);
      return Math.min(Math.max(Math.ceil(along * M) - 1, 0), M - 1);
    },
  };
})();
