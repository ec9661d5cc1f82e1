// The pinned setting beside the present one: kept sets as a difference map, numbers in a table.
// `pinned` and `now` are what Studio.shown was and is. Part of the section Compare.
const ONLY_PINNED = [230, 159, 0]; // orange and blue of Okabe and Ito, told apart by the colour-blind
const ONLY_NOW = [86, 180, 233];
const TINT = 0.72; // of a patch in which the kept sets differ
const DIGITS = { epsilon: 3, k: 0, target: 1, N: 0, tokens: 0, ratio: 3, bits: 0, psnr: 2, ssim: 4 };

const sameGrid = (a, b) => a.map.size === b.map.size && a.map.grid === b.map.grid;
const mix = (word, rgb) => rgb.reduce((sum, v, c) => (sum | (Math.round(v * TINT + ((word >>> (8 * c)) & 255) * (1 - TINT)) << (8 * c))), 0xff000000) >>> 0;

// The present picture: kept in both as it is, in neither dimmed, in one alone tinted.
function differenceWords(pinned, now) {
  return now.map.words.map((word, i) => {
    const place = now.map.patch[i];
    const [before, after] = [pinned.keep[place], now.keep[place]];
    if (before && after) return word;
    if (before || after) return mix(word, before ? ONLY_PINNED : ONLY_NOW);
    return ((word & 0xffffff) | 0x26000000) >>> 0;
  });
}

// "−" on what only the pinned one keeps, "+" on what only the present one keeps.
function differenceMarks(pinned, now) {
  const { grid } = now.map;
  return Array.from(now.keep, (kept, i) => {
    if (Boolean(kept) === Boolean(pinned.keep[i])) return "";
    const [x, y] = [i % grid, Math.floor(i / grid)];
    return `<path d="M${x + 0.25} ${y + 0.5}h.5${kept ? `M${x + 0.5} ${y + 0.25}v.5` : ""}"/>`;
  }).join("");
}

// How many patches are kept in both, by one alone, by none.
function differenceCounts(pinned, now) {
  const counts = { both: 0, pinned: 0, now: 0, none: 0 };
  now.keep.forEach((kept, i) => {
    const before = pinned.keep[i];
    counts[before && kept ? "both" : before ? "pinned" : kept ? "now" : "none"] += 1;
  });
  return counts;
}

function differenceTable(pinned, now) {
  const value = (shown) => {
    const n = Numbers.of(shown);
    const { example, epsilon, k, estimator, policy, target_psnr } = shown.settings;
    return {
      picture: example ?? "own picture", epsilon, k, estimator, policy, target: target_psnr, N: n.N, tokens: n.tokens, ratio: n.ratio,
      bits: n.bits.total, psnr: n.psnr_dB, ssim: n.ssim, tau: n.tau, total: n.H_total,
    };
  };
  const NAMES = {
    picture: "Picture", epsilon: "Loss rate <i>ε</i>", k: "Global tokens <i>k</i>", estimator: "Estimator of <i>H</i>", policy: "Policy",
    target: "Target PSNR, dB", N: "Kept patches <i>N</i>", tokens: "Tokens <i>k</i> + <i>N</i>", ratio: "Ratio (<i>k</i> + <i>N</i>) / <i>M</i>",
    bits: "Size, bits", psnr: "PSNR, dB", ssim: "SSIM", tau: "Threshold τ", total: "<i>H</i><sub>total</sub>",
  };
  const [a, b] = [value(pinned), value(now)];
  const unit = Format.unit(now.map.unit);
  const digits = (name, v) => (["tau", "total"].includes(name) ? Format.number(v, 4) : v.toLocaleString("en-US", { minimumFractionDigits: DIGITS[name], maximumFractionDigits: DIGITS[name] }));
  const show = (name, v) => {
    if (v === null) return name === "psnr" ? "∞" : "none";
    return typeof v === "number" ? digits(name, v) : new Option(v).innerHTML; // a name, escaped
  };
  const change = (name) => {
    if (typeof a[name] !== "number" || typeof b[name] !== "number") return a[name] === b[name] ? "" : "differs";
    const by = b[name] - a[name];
    const H = ["tau", "total"].includes(name);
    // Bits under one estimator are no bits under another.
    if (H && a.estimator !== b.estimator) return "other estimator";
    return by === 0 ? "0" : `${by < 0 ? "−" : "+"}${digits(name, Math.abs(by))}${H ? ` ${unit}` : ""}`;
  };
  const rows = Object.keys(NAMES).map((name) => `<tr class="${a[name] === b[name] ? "" : "changed"}" data-row="${name}"><th>${NAMES[name]}</th><td>${show(name, a[name])}</td><td>${show(name, b[name])}</td><td>${change(name)}</td></tr>`);
  return `<table><thead><tr><th>number</th><th>Pinned</th><th>Now</th><th>Difference</th></tr></thead><tbody>${rows.join("")}</tbody></table>`;
}
