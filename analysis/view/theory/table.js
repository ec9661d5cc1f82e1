// Rows of the paper's Table 1, and ours, on any two axes, both logarithmic. props.value = { axes:
// {key: label}, points: [{ name, kind, values: {key: number or null}, source }] }.
const { axes, points } = JSON.parse(JSON.stringify(props.value));
const find = (selector) => element.querySelector(selector);
const svg = find("svg");
const EDGE = { left: 48, right: 18, top: 14, bottom: 42 };
const shown = { x: "throughput", y: "gfid" };
const escaped = (value) => { const node = document.createElement("p"); node.textContent = value; return node.innerHTML; };
const number = (value) => (value === null ? "–" : value.toLocaleString("en-US", { maximumSignificantDigits: 4 }));

// Logarithmic, from a little below the smallest to a little above the largest value.
function scale(values, from, to) {
  const [low, high] = [Math.log(Math.min(...values)) - 0.15, Math.log(Math.max(...values)) + 0.15];
  const at = (value) => from + ((Math.log(value) - low) / (high - low)) * (to - from);
  const all = [-1, 0, 1, 2, 3, 4].flatMap((e) => [1, 2, 5].map((d) => d * 10 ** e));
  return { at, ticks: all.filter((v) => Math.log(v) > low && Math.log(v) < high) };
}

// The places of labels: beside its point at the right or left, above or below; none where all are taken.
function labels(placed, right) {
  const taken = placed.map(({ cx, cy }) => [cx - 6, cy - 6, cx + 6, cy + 6]);
  const free = (box) => taken.every(([l, t, r, b]) => box[2] < l || r < box[0] || box[3] < t || b < box[1]);
  return placed.map(({ point, cx, cy }) => {
    const width = 6.3 * point.name.length;
    const spots = [[cx + 9, cy + 4, "start"], [cx - 9, cy + 4, "end"], [cx, cy - 11, "middle"], [cx, cy + 19, "middle"], [cx + 8, cy - 11, "end"], [cx + 8, cy + 19, "end"]];
    for (const [x, y, anchor] of spots) {
      const left = anchor === "start" ? x : anchor === "end" ? x - width : x - width / 2;
      const box = [left, y - 11, left + width, y + 3];
      if (left >= EDGE.left && box[2] <= right + EDGE.right && free(box)) {
        taken.push(box);
        return `<text x="${x}" y="${y}" text-anchor="${anchor}">${escaped(point.name)}</text>`;
      }
    }
    return "";
  });
}

const rowText = (point) => `${point.name}: ${axes[shown.x].split(";")[0]} ${number(point.values[shown.x])}, ${axes[shown.y].split(";")[0]} ${number(point.values[shown.y])} (${point.source})`;

function draw() {
  const { clientWidth: width, clientHeight: height } = svg;
  if (width === 0) return;
  const has = (point) => point.values[shown.x] !== null && point.values[shown.y] !== null;
  const drawn = points.filter(has);
  const [right, base] = [width - EDGE.right, height - EDGE.bottom];
  const x = scale(drawn.map((p) => p.values[shown.x]), EDGE.left, right);
  const y = scale(drawn.map((p) => p.values[shown.y]), base, EDGE.top);
  const placed = drawn.map((point) => ({ point, cx: x.at(point.values[shown.x]), cy: y.at(point.values[shown.y]) }));
  placed.sort((a, b) => (b.point.kind === "tatok") - (a.point.kind === "tatok"));
  const names = labels(placed, right);
  const marks = placed.map(({ point, cx, cy }, i) => {
    const mark = point.kind === "ours" ? `<rect class="dot" x="${cx - 5}" y="${cy - 5}" width="10" height="10"/>` : `<circle class="dot" cx="${cx}" cy="${cy}" r="5.5"/>`;
    return `<g class="point ${point.kind}" tabindex="0" role="img" data-index="${points.indexOf(point)}" aria-label="${escaped(rowText(point)).replaceAll('"', "&quot;")}"><circle class="reach" cx="${cx}" cy="${cy}" r="12"/>${mark}${names[i]}</g>`;
  }).reverse();
  svg.innerHTML = `${x.ticks.map((v) => `<path class="axis" d="M${x.at(v)} ${EDGE.top}V${base}"/><text x="${x.at(v)}" y="${base + 16}" text-anchor="middle">${v}</text>`).join("")}
    ${y.ticks.map((v) => `<path class="axis" d="M${EDGE.left} ${y.at(v)}H${right}"/><text x="${EDGE.left - 6}" y="${y.at(v) + 4}" text-anchor="end">${v}</text>`).join("")}
    <text x="${(EDGE.left + right) / 2}" y="${base + 35}" text-anchor="middle">${axes[shown.x]}</text>${marks.join("")}`;
  const out = points.filter((point) => !has(point));
  const paper = out.filter((point) => point.kind !== "ours").map((point) => point.name);
  const ours = out.length - paper.length;
  const sentences = [
    `Vertical: ${axes[shown.y]}. Both axes are logarithmic.`,
    paper.length > 0 ? `Not drawn, as the paper gives no such number: ${[...new Set(paper)].join(", ")}.` : "",
    ours > 0 ? `Our ${ours} rows are not drawn: on these axes they do not compare. They stand on tokens against speed as a multiple.` : "",
  ];
  find('[data-text="left-out"]').textContent = sentences.filter(Boolean).join(" ");
  find('[data-text="told"]').textContent = "Hover over a point, or go from one to the next with the Tab key, to read its row.";
}

function tell(event) {
  const group = event.target.closest?.(".point");
  if (group) find('[data-text="told"]').textContent = rowText(points[Number(group.dataset.index)]);
}

["x", "y"].forEach((name) => {
  const field = find(`[data-name="${name}"]`);
  Object.entries(axes).forEach(([key, label]) => field.append(new Option(label, key)));
  field.value = shown[name];
  field.addEventListener("input", () => { shown[name] = field.value; draw(); });
});
["pointerover", "click", "focusin"].forEach((name) => svg.addEventListener(name, tell));
find("thead tr").innerHTML = `<th scope="col">row</th>${Object.values(axes).map((label) => `<th scope="col">${label.split(";")[0]}</th>`).join("")}`;
find("tbody").innerHTML = points.map((point) => `<tr><th scope="row">${escaped(point.name)}</th>${Object.keys(axes).map((key) => `<td>${number(point.values[key])}</td>`).join("")}</tr>`).join("");
new ResizeObserver(draw).observe(svg);
draw();
