// The patch inspector. The lines of Alg. 1 follow from Studio.shown at once; codes, errors and the
// other estimators come from the server, asked when the pixels on screen have settled.
const { Panels, Format, courier } = Studio;
const KEYS = ["picture", "box", "side", "k", "estimator", "target_psnr", "epsilon", "policy", "forced_in", "forced_out", "selected"];
const LEVELS = 127.5 ** 2; // MSE of x in [-1, 1] -> levels of 255, squared
const find = (selector) => element.querySelector(selector);
const text = (name, value) => { find(`[data-text="${name}"]`).textContent = value; };
const details = find("details");
let answer = null; // the last inspection, with its settings
let refused = null;

const line = courier("inspect", element, {
  want: () => {
    const { settings, shown } = Studio;
    if (!settings.inspector || settings.selected === null || !shown?.pixels) return null;
    const have = [answer?.settings, refused].some((old) => old && Studio.agree(old, settings, KEYS));
    return have ? null : settings;
  },
  send: (question) => trigger("inspect", question),
  receive: (reply, settings) => {
    refused = reply.place === undefined ? settings : null;
    text("status", reply.error || "");
    if (reply.place !== undefined) answer = { ...reply, settings };
    draw();
  },
});

const n = (value) => Format.number(value, 4);
const FORMULAS = {
  residual: ({ distance, pixels, scale }) => ["c · ‖p̂ − Proj(p̂, Ĝ)‖² · Var(pixels)", `${n(scale)} × ${n(distance)} × ${n(pixels)}`],
  "residual-token": ({ distance, token }) => ["‖p̂ − Proj(p̂, Ĝ)‖² · Var(p̂)", `${n(distance)} × ${n(token)}`],
  "residual-plain": ({ distance }) => ["‖p̂ − Proj(p̂, Ĝ)‖²", n(distance)],
  gaussian: ({ nats, d_p, delta }) => ["max(0, −log₂ q(p̂ | G) − d<sub>p</sub> log₂ Δ)", `max(0, ${n(nats / Math.LN2)} − ${d_p} × log₂ ${n(delta)})`],
  code: ({ p }) => ["−log₂ p(q | G), q the code that occurred", `−log₂ ${n(p)}`],
  prior: ({ codes, likeliest, p_max }) => [`entropy of the ${codes} code probabilities predicted from G`, `likeliest is code ${likeliest} with p = ${n(p_max)}`],
  rate: ({ half, D_i, D_0 }) => ["(s²C / 2) log₂ max(1, D<sub>i</sub>(G) / D₀)", `${half} × log₂ max(1, ${n(D_i)} / ${n(D_0)})`],
  gain: ({ D_G, D_all }) => ["max(0, D<sub>i</sub>(G) − D<sub>i</sub>(all))", `max(0, ${n(D_G)} − ${n(D_all)})`],
};

function steps({ settings, map, filtered, keep }, parts) {
  const { selected: i, epsilon, policy, estimator, forced_in, forced_out } = settings;
  const { order, cumulative, total } = map.ranked;
  const unit = Format.unit(map.unit);
  const H = map.entropy[i];
  const rank = map.rank[i] + 1;
  const N = filtered.count;
  const before = rank > 1 ? cumulative[rank - 2] : 0;
  const [formula, numbers] = parts ? FORMULAS[estimator](parts) : ["…", "…"];
  const reaches = filtered.binding === "unreachable" ? `no H<sub>n</sub> reaches τ: all ${map.M}`
    : `${N > 1 ? `H<sub>${N - 1}</sub> = ${n(cumulative[N - 2])} &lt; ` : ""}τ ≤ H<sub>${N}</sub> = ${n(cumulative[N - 1])}`;
  const byHand = forced_in.includes(i) ? "but kept by hand" : forced_out.includes(i) ? "but dropped by hand" : "";
  const verdict = policy === "dtf" ? (byHand || (rank <= N ? "kept" : "dropped"))
    : `but the policy ${policy} chooses its own ${N}: ${keep === null ? "…" : keep[i] ? "kept" : "dropped"}${byHand ? " by hand" : ""}`;
  return [
    ["2–5", `H(p̂ | G) = ${formula}`, `= ${numbers}`, `= <b>${n(H)}</b> ${unit}`],
    ["7", `H<sub>total</sub> = Σ H = ${n(total)} ${unit}`, total > 0 ? `this patch is ${Format.percent(H / total, 2)} of it` : ""],
    ["8", "τ = max{T, (1 − ε) H<sub>total</sub>}", `= max{${n(map.minimum)}, ${Format.number(1 - epsilon, 3)} × ${n(total)}} = <b>${n(filtered.tau)}</b>`],
    ["10", `σ: this patch has rank <b>${rank}</b> of ${order.length}`],
    ["11", `H<sub>${rank}</sub> = ${rank > 1 ? `H<sub>${rank - 1}</sub> + H = ` : ""}${n(before)} + ${n(H)} = ${n(cumulative[rank - 1])}`],
    ["12", "N = min{n : H<sub>n</sub> ≥ τ} = " + `<b>${N}</b>`, reaches],
    ["14", `rank ${rank} ${rank <= N ? "≤" : ">"} N = ${N}: <b>${verdict}</b>`],
  ].map(([number, ...lines]) => `<li><span class="number">${number}</span><span>${lines.filter(Boolean).join("<br>")}</span></li>`).join("");
}

function codes({ code, nearest }) {
  text("code", `Code ${code} of ${Studio.shown.map.codebook_size}; the codes nearest to the patch:`);
  find(".codes").innerHTML = nearest.map((near) => `<li><canvas aria-hidden="true"></canvas><b>${near.code}</b><span>${Format.number(near.distance, 3)}</span></li>`).join("");
  find(".codes").querySelectorAll("canvas").forEach((canvas, i) => Panels.paint(canvas, Panels.picture(Panels.rgb(nearest[i].pixels))));
}

function alike({ map, keep, settings }) {
  const others = map.codes.flatMap((code, i) => (code === map.codes[settings.selected] && i !== settings.selected ? [i] : []));
  const shown = others.slice(0, 8).map((i) => `<button type="button" data-place="${i}">${Format.place(i, map.grid)}${keep?.[i] ? "" : " (dropped)"}</button>`);
  const rest = others.length - shown.length;
  find('[data-text="alike"]').innerHTML = others.length === 0 ? "No other patch of this picture has this code."
    : `${others.length} other ${others.length === 1 ? "patch has" : "patches have"} this code: ${shown.join(" ")}${rest > 0 ? ` and ${rest} more, framed above` : ""}`;
}

function errors({ kept, dropped }, isKept) {
  const [now, then] = isKept ? [kept, dropped] : [dropped, kept];
  text("if", isKept ? "If only this patch were dropped" : "If only this patch were added");
  text("then", isKept ? "dropped" : "added");
  const psnr = (mse) => (mse > 0 ? 10 * Math.log10(4 / mse) : null);
  const row = (name, before, after, digits, show) => {
    const difference = before === null || after === null ? "" : Format.signed(after - before, digits);
    return `<tr><th>${name}</th><td>${show(before)}</td><td>${show(after)}</td><td><b>${difference}</b></td></tr>`;
  };
  const level = (value) => value.toFixed(2);
  find(".errors tbody").innerHTML = row("MSE, picture", now.picture * LEVELS, then.picture * LEVELS, 2, level)
    + row("MSE, this patch", now.patch * LEVELS, then.patch * LEVELS, 1, (value) => value.toFixed(1))
    + row("PSNR", psnr(now.picture), psnr(then.picture), 4, (value) => (value === null ? "∞ dB" : `${value.toFixed(4)} dB`));
}

function opinions(list, M, chosen) {
  find(".opinions tbody").innerHTML = list.map((o) => `<tr title="${o.unit}" class="${o.estimator === chosen ? "chosen" : ""}"><th>${o.estimator}</th><td>${n(o.entropy)}</td><td>${o.rank} of ${M}</td><td>${o.keep ? "keeps" : "drops"}</td></tr>`).join("");
}

function draw() {
  const { settings, shown } = Studio;
  if (details.open !== settings.inspector) details.open = settings.inspector;
  const ready = shown !== null && settings.selected !== null;
  text("which", ready ? Format.place(settings.selected, shown.map.grid) : "");
  if (!settings.inspector) return;
  find(".columns").hidden = !ready;
  find('[data-text="hint"]').hidden = ready;
  if (!ready) return;
  // A policy that the browser cannot follow leaves `keep` null until the server has told.
  const fits = shown.keep !== null && answer !== null && Studio.agree(answer.settings, settings, KEYS);
  const formula = answer !== null && Studio.agree(answer.settings, settings, KEYS.filter((key) => !["epsilon", "policy", "forced_in", "forced_out"].includes(key)));
  find(".steps").innerHTML = steps(shown, formula ? answer.parts : null);
  alike(shown);
  details.classList.toggle("waiting", !fits);
  if (!fits) return;
  codes(answer);
  errors(answer, Boolean(shown.keep[settings.selected]));
  opinions(answer.opinions, shown.map.M, settings.estimator);
}

details.addEventListener("toggle", () => Studio.set({ inspector: details.open }));
find('[data-text="alike"]').addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) Studio.set({ selected: Number(button.dataset.place) });
});
const ask = () => { draw(); line.poke(); };
Studio.on("studio", element, ask);
Studio.on("studio-shown", element, ask);
watch("value", () => line.hear(props.value));
ask();
