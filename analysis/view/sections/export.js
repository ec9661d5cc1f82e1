// The link to the view and the files that can be saved of it. Only the .tatok file needs the server.
const { Share, Format, Numbers, Colour, Panels, courier } = Studio;
const KEYS = ["picture", "box", "side", "k", "estimator", "target_psnr", "epsilon", "policy", "forced_in", "forced_out"];
const WEIGHTS = props.weights; // fingerprint
const find = (selector) => element.querySelector(selector);
const announce = (value) => { find('[data-text="said"]').textContent = value; };
const buttons = [...element.querySelectorAll("[data-save]")];
let packing = null; // the settings whose tokens are wanted

const line = courier("tokens", element, {
  want: () => packing,
  send: (question) => trigger("tokens", question),
  receive: (reply, settings) => {
    if (packing === settings) packing = null;
    if (reply.error) announce(reply.error);
    if (reply.tatok) save("tatok", [Uint8Array.from(atob(reply.tatok), (c) => c.charCodeAt(0))], "application/octet-stream", settings);
    draw();
  },
});

const size = (bytes) => (bytes < 1000 ? `${bytes} bytes` : `${(bytes / 1000).toFixed(1)} kB`);

function save(ending, parts, type, { example, side, k, epsilon, estimator, policy }) {
  const blob = new Blob(parts, { type });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `tatok-${example ?? "picture"}-${side}px-k${k}-eps${epsilon}-${estimator}-${policy}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  announce(`Saved ${link.download}, ${size(blob.size)}.`);
}

function csv({ settings, map, keep }) {
  const { grid, entropy, rank, ranked, codes, unit } = map;
  const hand = (i) => (settings.forced_in.includes(i) ? "in" : settings.forced_out.includes(i) ? "out" : "");
  const rows = Array.from(entropy, (H, i) => [
    Math.floor(i / grid) + 1, (i % grid) + 1, H, rank[i] + 1, ranked.total > 0 ? H / ranked.total : 0, keep[i], hand(i), codes[i],
  ].join(","));
  return `row,column,H (${Format.unit(unit)}),rank,share,kept,forced,code\n${rows.join("\n")}\n`;
}

// Of one's own picture neither the name nor the server's id is written down.
function json(shown) {
  const { picture, example, selected, mode, base, overlay, opacity, inspector, play, pinned, compare, ...settings } = shown.settings;
  return `${JSON.stringify({
    made_by: "TaTok Studio",
    date: new Date().toISOString(),
    weights: WEIGHTS,
    picture: example ?? "a picture of one's own",
    link: example === null ? null : Share.link(shown.settings),
    settings,
    numbers: Numbers.of(shown),
  }, null, 1)}\n`;
}

const FILES = {
  tatok: () => {
    packing = Studio.settings;
    line.poke();
  },
  csv: (shown) => save("csv", [csv(shown)], "text/csv", shown.settings),
  json: (shown) => save("json", [json(shown)], "application/json", shown.settings),
  png: (shown) => figurePng(shown, WEIGHTS).toBlob((blob) => save("png", [blob], "image/png", shown.settings)),
};

function draw() {
  const { settings, shown } = Studio;
  buttons.forEach((button) => { button.disabled = !shown?.pixels; });
  if (packing !== null) find('[data-save="tatok"]').disabled = true;
  find('[data-text="private"]').hidden = settings.example !== null || settings.picture === null;
}

buttons.forEach((button) => button.addEventListener("click", () => {
  if (!Studio.shown?.pixels) return;
  FILES[button.dataset.save]({ ...Studio.shown, settings: Studio.settings }); // how it is shown may have changed since
  draw();
}));
find('[data-action="link"]').addEventListener("click", () => Share.copy(Share.link(Studio.settings), find("input"), announce));
Studio.on("studio", element, () => {
  announce("");
  find("input").hidden = true;
  draw();
});
Studio.on("studio-shown", element, draw);
watch("value", () => line.hear(props.value));
draw();
