// What goes with a plot of the tab Curves. Gradio draws it (and brings Plotly along); here it gets
// the page's colours, the mark of the tab Tokenize, and its two downloads.
//
// props.value = { title, name, csv, mark, made, note } or { missing: sentence }; `mark` says which
// number of Studio has its place on the x-axis. props.plot is the element's id, props.header the
// bytes of a .tatok file's header.
const find = (selector) => element.querySelector(selector);
const text = (name, value) => { find(`[data-text="${name}"]`).textContent = value ?? ""; };
const graph = () => document.querySelector(`#${props.plot} .js-plotly-plot`);
const WIDTH = 1100; // of a saved picture, pixels
const LETTERS = 150; // of a line below it
let seen = null; // the data that have their colours

const bytes = (shown) => Math.ceil(shown.bits.total / 8);
const known = (number, form) => (shown) => (shown?.bits ? [number(shown), form(number(shown))] : null);
const PLACES = {
  k: (shown, { k }) => [k, `k = ${k}`],
  side: (shown, { side }) => [side, `${side} px`],
  epsilon: (shown, { epsilon }) => [epsilon, `ε = ${epsilon}`],
  policy: (shown, { policy, estimator }) => {
    const label = policy === "dtf" ? `DTF, ${estimator}` : policy;
    return [label, label];
  },
  removed: known((shown) => shown.map.M - shown.kept, (n) => `${n} patches left out`),
  bits_per_pixel: known((shown) => shown.bits.total / shown.map.size ** 2, (rate) => `${rate.toFixed(3)} bits per pixel`),
  file: known((shown) => bytes(shown) + props.header, (n) => `${n} bytes`),
  payload: known(bytes, (n) => `${n} bytes`),
};

function place() {
  if (!window.Studio || !props.value?.mark) return null;
  return PLACES[props.value.mark](Studio.shown, Studio.settings);
}

// --- the plot -------------------------------------------------------------------------------------

function dress() {
  const plot = graph();
  if (!plot?.data || !plot._fullLayout || !window.Plotly) return;
  seen = plot.data;
  const index = plot.data.findIndex((trace) => trace.meta === "mark");
  const found = place();
  text("mark", found ? `The Tokenize tab stands at ${found[1]}.` : "");
  const line = { x: [found ? [found[0], found[0]] : []], y: [[0, 1]], visible: found !== null, name: `Tokenize: ${found?.[1]}` };
  const layout = { "font.color": getComputedStyle(find(".made")).color };
  if (matchMedia("(hover: none)").matches) layout.dragmode = false; // a finger scrolls the page
  Plotly.update(plot, line, layout, [index]);
}

function look() {
  const plot = graph();
  if (plot?.data && plot.data !== seen) dress();
}

function show() {
  const { value } = props;
  const parts = find(".made").classList;
  parts.toggle("empty", !value || value.missing === "");
  parts.toggle("bare", !value?.csv);
  ["missing", "made", "note"].forEach((name) => text(name, value?.[name]));
  dress();
}

// --- saving ---------------------------------------------------------------------------------------

function saveCsv() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([props.value.csv], { type: "text/csv" }));
  link.download = `${props.value.name}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function wrapped(line) {
  const lines = [""];
  for (const word of line.split(" ")) {
    if (lines.at(-1).length + word.length > LETTERS) lines.push("");
    lines[lines.length - 1] += `${word} `;
  }
  return lines.join("<br>");
}

function savePng() {
  const plot = graph();
  const { title, name, made, note } = props.value;
  const below = { text: wrapped(`${made}. ${note ?? ""}`), showarrow: false, xref: "paper", yref: "paper", x: 0, y: 0, xanchor: "left", yanchor: "top", yshift: -150, align: "left", font: { size: 10 } };
  const legend = { ...plot.layout.legend, xref: "paper", yref: "paper", y: -0.12, yanchor: "top" }; // above the line
  const layout = {
    ...plot.layout, legend, autosize: false, paper_bgcolor: "white", plot_bgcolor: "white", font: { size: 12, color: "#222222" },
    title: { text: title, x: 0.05, font: { size: 16 } }, annotations: [below],
    margin: { l: 70, r: 70, t: plot.layout.xaxis2 ? 90 : 50, b: 210 },
  };
  Plotly.downloadImage({ data: plot.data, layout }, { format: "png", width: WIDTH, height: 720, scale: 2, filename: name });
}

find('[data-save="csv"]').addEventListener("click", saveCsv);
find('[data-save="png"]').addEventListener("click", savePng);

// --- following ------------------------------------------------------------------------------------

const changes = new MutationObserver(() => (element.isConnected ? look() : changes.disconnect()));
changes.observe(element.closest('[role="tabpanel"]') ?? document.body, { childList: true, subtree: true });
const theme = new MutationObserver(() => (element.isConnected ? dress() : theme.disconnect()));
theme.observe(document.body, { attributes: true, attributeFilter: ["class"] });
["studio", "studio-shown"].forEach((name) => window.Studio?.on(name, element, dress));
watch("value", show);
show();
