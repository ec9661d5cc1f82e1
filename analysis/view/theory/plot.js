// R over D of one picture as SVG in pixels of the page: both rates, D_G, D0, α R(D0), T and what M
// codes carry. `rates` is the server's reply; D stands as decibels, 10 log10(4 / D). `at` says where
// the handles stand: { scale, psnr (of D0), G: { psnr, rate, assumed } }; G.psnr is null where D_G = 0.
const TARGETS = props.targets;
const Plot = (() => {
  const EDGE = { left: 54, right: 16, top: 32, bottom: 38 };
  const FOOT = 60; // pixels, where D_G is taken hold of; above it D0, which may stand at the same place
  const FLOOR = 10; // bits, the foot of the logarithmic axis
  const LOW = TARGETS[0];
  const HIGH = TARGETS.at(-1);
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const bits = (value) => (value >= 1e6 ? `${value / 1e6} M` : value >= 1000 ? `${value / 1000} k` : `${value}`);

  // 1, 2 or 5 times a power of ten, so that some four steps fill the axis.
  function steps(top) {
    const raw = top / 4;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw);
    return Array.from({ length: Math.floor(top / step) + 1 }, (_, i) => i * step);
  }

  function scales(svg, rates, scale) {
    const { clientWidth: width, clientHeight: height } = svg;
    const [right, base] = [width - EDGE.right, height - EDGE.bottom];
    const top = Math.max(...rates.rate, rates.capacity) * 1.02;
    const power = Math.ceil(Math.log10(top));
    const share = scale === "log"
      ? (value) => Math.log10(Math.max(value, FLOOR) / FLOOR) / (power - 1)
      : (value) => value / top;
    const ticks = scale === "log" ? Array.from({ length: power }, (_, i) => 10 ** (i + 1)) : steps(top);
    return {
      x: (dB) => EDGE.left + ((clamp(dB, LOW, HIGH) - LOW) / (HIGH - LOW)) * (right - EDGE.left),
      y: (value) => base - clamp(share(value), 0, 1) * (base - EDGE.top),
      ticks, right, base,
    };
  }

  const beside = (x, right, gap) => (x > right - 130 ? [x - gap, "end"] : [x + gap, "start"]);

  function fixed(svg, rates, scale) {
    const { x, y, ticks, right, base } = scales(svg, rates, scale);
    const line = (values) => values.map((value, i) => `${x(TARGETS[i]).toFixed(1)} ${y(value).toFixed(1)}`).join("L");
    const rows = ticks.map((v) => `<path class="axis" d="M${x(LOW)} ${y(v)}H${right}"/><text x="${x(LOW) - 7}" y="${y(v) + 4}" text-anchor="end">${bits(v)}</text>`);
    const columns = TARGETS.filter((v) => v % 5 === 0).map((v) => `<text x="${x(v)}" y="${base + 16}" text-anchor="middle">${v}</text>`);
    svg.querySelector(".fixed").innerHTML = `${rows.join("")}${columns.join("")}
      <text x="${x(LOW) - 7}" y="${EDGE.top - 10}" text-anchor="end">bits</text>
      <text x="${(x(LOW) + right) / 2}" y="${base + 33}" text-anchor="middle">distortion D as PSNR, dB: better to the right</text>
      <path class="capacity" d="M${x(LOW)} ${y(rates.capacity)}H${right}"/>
      <path class="globals" d="M${x(rates.psnr_G ?? HIGH)} ${EDGE.top}V${base}"/>
      <path class="gaussian" d="M${line(rates.rate)}"/><path class="water" d="M${line(rates.water)}"/>`;
  }

  function grip(handle, x, y, base, reach) { // a pointer takes hold of it from `reach` down to the foot
    handle.querySelector(".hit").setAttribute("d", `M${x} ${reach}V${base}`);
    handle.querySelector(".level").setAttribute("d", `M${x} ${EDGE.top}V${base}`);
    handle.querySelector(".grip").setAttribute("cx", x);
    handle.querySelector(".grip").setAttribute("cy", y);
  }

  function moving(svg, rates, { scale, psnr, G }) {
    const { x, y, right, base } = scales(svg, rates, scale);
    const [at, reached] = [x(psnr), x(G.psnr ?? HIGH)];
    const i = TARGETS.indexOf(psnr);
    const known = Math.min(G.rate, rates.rate[i]);
    const [label, anchor] = beside(at, right, 9);
    const named = (low, high, name) => (y(low) - y(high) < 28 ? "" : `<text class="over" x="${label}" y="${(y(low) + y(high)) / 2 + 4}" text-anchor="${anchor}">${name}</text>`);
    const textOfG = G.psnr === null ? "= 0" : `${G.psnr.toFixed(1)} dB${G.assumed ? ", what if" : ""}`;
    svg.querySelector(".moving").innerHTML = `
      <path class="alpha" d="M${at} ${base}V${y(known)}"/><path class="minimum" d="M${at} ${y(known)}V${y(rates.rate[i])}"/>
      <circle class="gaussian" r="4.5" cx="${at}" cy="${y(rates.rate[i])}"/><circle class="water" r="4.5" cx="${at}" cy="${y(rates.water[i])}"/>
      ${named(0, known, "α R(D<tspan dy='3' font-size='9'>0</tspan><tspan dy='-3'>)</tspan>")}${named(known, rates.rate[i], "T")}
      <text class="over" x="${reached}" y="${EDGE.top - 14}" text-anchor="middle">D<tspan dy="3" font-size="9">G</tspan><tspan dy="-3"> ${textOfG}</tspan></text>
      <text class="over" x="${label}" y="${EDGE.top + 12}" text-anchor="${anchor}">D<tspan dy="3" font-size="9">0</tspan><tspan dy="-3"> ${psnr.toFixed(1)} dB</tspan></text>`;
    grip(svg.querySelector('[data-handle="D0"]'), at, EDGE.top, base, EDGE.top);
    grip(svg.querySelector('[data-handle="DG"]'), reached, base, base, base - FOOT);
  }

  return {
    LOW,
    HIGH,
    nearest: (dB) => TARGETS.reduce((best, one) => (Math.abs(one - dB) < Math.abs(best - dB) ? one : best)),
    draw(svg, rates, at) {
      fixed(svg, rates, at.scale);
      moving(svg, rates, at);
    },
    moving,
    dBAt(svg, clientX) {
      const box = svg.getBoundingClientRect();
      return LOW + ((clientX - box.left - EDGE.left) / (box.width - EDGE.left - EDGE.right)) * (HIGH - LOW);
    },
  };
})();
