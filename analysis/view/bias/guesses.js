// What each step of the lesson asks before it shows anything, what then can be said in plain words,
// and what the paper says (App. D.2). `plain` gets the lab's `onScreen()` and asserts nothing that it
// does not read: { answer, words }, the index of the right choice and one sentence; answer null where
// the numbers decide nothing (yet), and null in all where they are still to come.
const NOTHING = "There is nothing to choose by: no patch is kept before another.";
const FIG8 = "The paper’s Fig. 8: on white, black and noise the kept patches “exhibit a strong bias toward the left and right edges”.";

function plainPlace({ settings, look }) {
  if (look === null) return null;
  const { keep, N, total } = Place.select(look, settings.epsilon);
  if (total === 0) return { answer: 2, words: NOTHING };
  if (N === M) return { answer: null, words: "All patches are kept: raise ε to see which would be kept first." };
  if (N < GRID) return { answer: null, words: "Too few patches are kept to tell a pattern." };
  const edges = Place.edgesFirst(keep);
  return edges
    ? { answer: 0, words: "The left and right edges are kept first, though nothing is to be seen there." }
    : { answer: 1, words: `Some places are kept before others, ${lineTold(Place.standout(keep))} most unlike the rest, but not the two edges.` };
}

function plainSets({ settings, sets }) {
  const kept = Object.values(sets).map((placements) => placements[settings.estimator]).filter(({ shares }) => shares.length);
  if (kept.length === 0) return null;
  const out = new Set(kept.map((one) => lineTold(Place.standout(one.kept))));
  if (kept.length === 1) return { answer: null, words: `On this set ${[...out][0]} stands out. Now choose another set and run that.` };
  return out.size === 1
    ? { answer: 0, words: `${Format.capital([...out][0])} stands out on every set: the place decides, whatever is to be seen.` }
    : { answer: 1, words: "It is not the same place on every set: what is to be seen has its say too." };
}

function plainRoll({ settings, look, changed }) {
  if (look === null || changed === null) return null;
  const { place, content } = Agreement.moved(...[look, changed.map].map((map) => sideOf(map, settings.epsilon)), changed.source);
  if (content === null || !Number.isFinite(place.beyond) || !Number.isFinite(content.beyond)) return { answer: null, words: "Nothing moved here that could be followed." };
  if (Math.max(place.beyond, content.beyond) < 0.1) return { answer: 2, words: "They do neither: the new choice has little to do with the old one." };
  return content.beyond > place.beyond
    ? { answer: 0, words: "They move along with the picture: here content counts more than place." }
    : { answer: 1, words: "They stay where they were: here place counts more than content." };
}

function plainPositions({ change, look, changed }) {
  if (look === null || changed === null || change.kind !== "positions") return null;
  const [before, after] = [look.entropy, changed.map.entropy];
  if (Agreement.standard(before) === null) return { answer: null, words: "There was no pattern to begin with." };
  if (Agreement.standard(after) === null || spread(after) < EVEN * spread(before)) return { answer: 0, words: "It is gone: the position embeddings made it." };
  return Agreement.correlation(before, after) > ALIKE
    ? { answer: 1, words: "It stays: the position embeddings alone do not make it." }
    : { answer: 2, words: "Another pattern has come in its place: the embeddings decide where, but not whether." };
}

function plainRolls({ settings, rolls }) {
  const bar = rolls?.bars.find(({ estimator, response }) => estimator === settings.estimator && response === "entropy");
  if (!bar) return null;
  if (bar.shares === null) return { answer: null, words: "H does not vary at all." };
  const most = Math.max(...bar.shares);
  const name = props.factors[bar.shares.indexOf(most)];
  const choice = ["place", "content"].indexOf(name);
  return { answer: choice < 0 ? 2 : choice, words: `${Format.capital(name)} makes the largest part of H here, ${Format.percent(most, 0)}.` };
}

function plainCure({ settings, look, cured }) {
  if (settings.rule === "" || look === null || cured === null) return null;
  const { place } = Agreement.moved(...[look, cured].map((map) => sideOf(map, settings.epsilon)), SAME);
  const others = 1 - place.common;
  if (!Number.isFinite(others)) return { answer: null, words: NOTHING };
  const words = `${Format.percent(others, 0)} of the patches kept before are kept no more.`;
  return { answer: others < 0.1 ? 0 : others < 0.5 ? 1 : 2, words };
}

const GUESSES = [
  { question: "Which patches will DTF keep first?", choices: ["The left and right edges", "Other places", "None before another"], plain: plainPlace, paper: FIG8 },
  { question: "Will the same place stand out on each kind of picture?", choices: ["The same place", "Another each time"], plain: plainSets, paper: `${FIG8} It shows one picture of each and no test.` },
  { question: "What will the kept patches do?", choices: ["Move along", "Stay where they were", "Neither"], plain: plainRoll, paper: "The paper says that edge tokens “carry disproportionately more positional information”; it does not move a picture to see." },
  { question: "What becomes of the pattern on white?", choices: ["It goes", "It stays", "Another comes"], plain: plainPositions, paper: "The paper guesses that the bias “arises when 2D images are flattened into 1D token sequences”; it changes no embedding to see." },
  { question: "What makes the largest part of H?", choices: ["The place", "The content", "Something else"], plain: plainRolls, paper: "The paper’s title of App. D.2 is “Positional Information Dominance”; it gives no shares." },
  { question: "How many of the kept patches will be others?", choices: ["Hardly any", "Some", "More than half"], plain: plainCure, paper: "The paper would go the other way and prioritise edge tokens “to preserve spatial integrity”; it tries neither." },
];
