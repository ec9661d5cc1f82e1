// Stories: each is a set of settings on the live model and a sentence that points at what the page
// computes. Where two regions of the grid are named, their mean H and share of kept patches are
// computed from what is shown.
const { Format, LIMITS } = Studio;
const START = { ...LIMITS.defaults, box: null, selected: null, mode: "side", inspector: false, play: false, compare: null };
const STORIES = [
  {
    title: "By entropy or by chance",
    settings: { example: "astronaut", policy: "random" },
    text: "As many patches are kept as DTF would keep, but drawn at random. Press <i>Chosen by entropy</i> under the pictures: the number stays, only the choice changes, and the PSNR says what the choice is worth.",
  },
  {
    title: "Plain sky, foliage",
    settings: { example: "pagoda" },
    text: "What the <i>k</i> global tokens already tell is dark in b and dropped in c. Compare the sky at the top right with the foliage along the lower edge; click a patch of each and read <i>H</i> and its rank.",
    regions: [
      ["sky (top right)", (row, column, grid) => row < grid / 5 && column > (2 * grid) / 3],
      ["lower edge", (row, column, grid) => row > grid - grid / 5],
    ],
  },
  {
    title: "What global tokens remember",
    settings: { example: "coffee", epsilon: LIMITS.epsilon_max },
    text: "With ε at its end only the few patches lit in c are stored; all the rest of d is decoded from the <i>k</i> global tokens. Move <i>k</i> to 0, then up again, and watch d and the PSNR.",
  },
  {
    title: "Half the patches gone?",
    settings: { example: "dahlia" },
    text: "Read under c how many of the <i>M</i> patches are kept; d fills the dimmed ones from <i>G</i> and from their neighbours. Set ε to 0: the change in PSNR and in size is what those with any <i>H</i> left would have added.",
    regions: [["all patches", () => true]],
  },
  {
    title: "Edge bias on white",
    settings: { example: "white", estimator: "residual-token", epsilon: 0.15 },
    text: "White is the same everywhere, so whatever differs in b comes from the place alone. The paper reports that kept patches crowd the left and right edges (App. D.3, Fig. 8, ε = 0.15): compare the outer columns with the others to see whether these weights do so.",
    regions: [
      ["two outer columns", (row, column, grid) => column === 0 || column === grid - 1],
      ["other columns", (row, column, grid) => column > 0 && column < grid - 1],
    ],
  },
  {
    title: "Where DTF is wrong",
    settings: { example: "noise", epsilon: 0.3, compare: "policies" },
    text: "<i>H</i> says how much a patch lacks, not how much its code can give back: noise lacks much, and there are too few codes for it. In Compare below every policy keeps the same <i>N</i>: read by how much DTF’s PSNR differs from that of patches chosen at random, and its bits from those of uniform, which need not send the places.",
  },
].filter(({ settings }) => LIMITS.examples.includes(settings.example));

const find = (selector) => element.querySelector(selector);
const wanted = STORIES.map(({ settings }) => ({ ...START, ...settings }));
// What makes a story: looking closer does not leave it.
const KEYS = ["example", "box", "side", "epsilon", "k", "estimator", "policy", "target_psnr", "forced_in", "forced_out"];
let story = null; // index of the story on screen

const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
const percent = (share) => Format.percent(share, 0);

function measured({ map, keep }, regions) {
  const parts = regions.map(([name, inside]) => {
    const places = [...map.entropy.keys()].filter((i) => inside(Math.floor(i / map.grid), i % map.grid, map.grid));
    const H = mean(places.map((i) => map.entropy[i]));
    return `${name}: mean H = ${Format.number(H, 3)} ${Format.unit(map.unit)}, ${percent(mean(places.map((i) => keep[i])))} kept`;
  });
  return `Computed here: ${parts.join("; ")}.`;
}

function draw() {
  const { settings, shown } = Studio;
  const now = wanted.findIndex((values) => Studio.agree(values, settings, KEYS));
  if (now >= 0) story = now;
  else if (story !== null && wanted[story].example !== settings.example) story = null;
  find(".list").querySelectorAll("button").forEach((button, i) => button.setAttribute("aria-pressed", String(i === now)));
  find('[data-text="story"]').hidden = story === null;
  if (story !== null && find('[data-text="story"]').dataset.story !== String(story)) {
    find('[data-text="story"]').innerHTML = STORIES[story].text;
    find('[data-text="story"]').dataset.story = story;
  }
  const regions = story !== null && shown?.keep ? STORIES[story].regions : undefined;
  find('[data-text="measured"]').hidden = regions === undefined;
  const line = regions === undefined ? "" : measured(shown, regions);
  if (find('[data-text="measured"]').textContent !== line) find('[data-text="measured"]').textContent = line;
}

find(".list").innerHTML = `<span>Stories</span>${STORIES.map(({ title }) => `<button type="button" aria-pressed="false">${title}</button>`).join("")}`;
find(".list").querySelectorAll("button").forEach((button, i) => button.addEventListener("click", () => Studio.set(wanted[i])));
Studio.on("studio", element, draw);
Studio.on("studio-shown", element, draw);
element.hidden = STORIES.length === 0;
draw();
