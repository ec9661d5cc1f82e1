// The numbers beside the curve, and the sentence under it, as HTML.
const Statistics = (() => {
  const total = "<i>H</i><sub>total</sub>";
  const cell = (key, name, value, note, kind = "") => `<div class="${kind}" data-stat="${key}"><dt>${name}</dt><dd>${value}</dd><dd>${note}</dd></div>`;
  const term = (name, what) => `<button type="button" class="term" data-term="${name}" aria-label="What ${what} is">?</button>`;
  const grouped = (value) => value.toLocaleString("en-US");

  // ", 2 in and 1 out by hand", or nothing
  function byHand({ forced_in, forced_out }) {
    const parts = [[forced_in, "in"], [forced_out, "out"]].filter(([list]) => list.length);
    return parts.length ? `, ${parts.map(([list, way]) => `${list.length} ${way}`).join(" and ")} by hand` : "";
  }

  // What T is, and what was reached: by `gain` it is measured, else it is the theory's.
  function aimed(estimator, unit, target, pixels) {
    if (target === null) return "";
    const reached = pixels ? ` Decoded: ${Format.decibels(pixels.psnr)}.` : "";
    if (Format.unit(unit) === "arbitrary") return ` This estimator has no unit in which a target could be told.${reached}`;
    return estimator === "gain"
      ? ` T is the error that the patches have to save to reach ${target} dB, as measured one by one.${reached}`
      : ` T is the theory’s (App. B), not measured on this tokenizer: the estimator gain looks for the N that reaches ${target} dB.${reached}`;
  }

  const BINDING = {
    "loss rate": [`(1 − ε) ${total}`, "the loss rate"],
    minimum: ["T", "the target PSNR"],
    unreachable: [`T &gt; ${total}`, "no N satisfies Eq. 6"],
  };

  return {
    byHand,

    cells(map, settings, { filtered, kept, tokens, bits }, pixels) {
      const { k } = map.settings;
      const N = kept ?? "…";
      const per256 = map.M === 256 ? "" : ` and ${(tokens / 256).toFixed(3)} of 256`;
      const unit = Format.unit(map.unit);
      return [
        cell("kept", "Kept patches N", N, `of M = ${map.M}${byHand(settings)}`),
        cell("tokens", `Tokens k + N ${term("token", "a token")}`, tokens ?? "…", `${k} + ${N}`),
        cell("ratio", "Ratio", kept === null ? "…" : (tokens / map.M).toFixed(3), `of ${map.M} tokens${per256}`),
        bits === null ? cell("bits", "Size", "…", "")
          : cell("bits", "Size", `${grouped(bits.total)} bits`, `${(bits.total / map.size ** 2).toFixed(4)} per pixel: codes ${grouped(bits.codes)}, N ${bits.count}, places ${bits.places}`),
        cell("psnr", "PSNR", pixels ? Format.decibels(pixels.psnr) : "…", "of the clipped picture", "pixels"),
        cell("ssim", "SSIM", pixels ? pixels.ssim.toFixed(4) : "…", "Gaussian window, 11 px", "pixels"),
        cell("tau", `Threshold τ ${term("threshold", "τ")}`, `${Format.number(filtered.tau, 4)} ${unit}`, `of ${total} = ${Format.number(map.ranked.total, 4)}: a score, not the size`),
        cell("binding", "Binding", ...BINDING[filtered.binding]),
      ].join("");
    },

    // Eq. 5-6 with their numbers: which constraint binds, and what happens when none can.
    constraint(map, { epsilon, policy, estimator, target_psnr }, { tau, count, binding }, pixels) {
      const unit = Format.unit(map.unit);
      const H = map.ranked.total;
      const T = map.minimum;
      const sum = `τ = max{T, (1 − ε) ${total}} = max{${Format.number(T, 4)}, ${Format.number((1 - epsilon) * H, 4)}} = ${Format.number(tau, 4)} ${unit}.`;
      const others = aimed(estimator, map.unit, target_psnr, pixels) + (policy === "dtf" ? "" : ` The policy ${policy} keeps as many, chosen its own way.`);
      if (H === 0) return `Every <i>H</i> is 0: the global tokens lack nothing. Eq. 6 asks for at least one patch, so N = ${count}.${others}`;
      if (binding === "unreachable") {
        return `${sum} T binds and lies above ${total} = ${Format.number(H, 4)}: no N satisfies Eq. 6. All ${map.M} patches are kept, and the target is still not guaranteed.`;
      }
      const why = binding === "minimum" ? "T binds: the target PSNR asks for more than ε does."
        : T > 0 ? "The loss rate ε binds; it asks for more than T." : "The loss rate ε binds; without a target PSNR, T = 0.";
      return `${sum} ${why} The first ${count} patches reach it.${others}`;
    },
  };
})();
