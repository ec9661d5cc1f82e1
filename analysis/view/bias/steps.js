// The six steps of the lesson. Each is a claim, the settings it starts from (on top of the lab's
// defaults), one control with the value `to` that the step's button gives it (a control that is a
// button is pressed), and `seen`: what the numbers on screen say, or null while they are still to come. `seen` asserts nothing that it does not read; it gets the lab's `onScreen()`.
const PHOTO = LIMITS.examples.includes("cat") ? "example:cat" : "clouds"; // clouds are no photograph, but have its spectrum
const EVEN = 0.05; // a spread below this share of the old one is no pattern
const ALIKE = 0.5; // a correlation above it is the old pattern

const lineTold = (line) => `${line.name} ${line.i + 1}`;

// --- what is seen ---------------------------------------------------------------------------------

function seenPlace({ settings, look }) {
  if (look === null) return null;
  const { estimator, epsilon } = settings;
  const { keep, N, total } = Place.select(look, epsilon);
  const head = `By ${estimator} at ε = ${epsilon}`;
  if (total === 0) return `${head}, H = 0 everywhere: there is nothing to choose by.`;
  if (N === M) return `${head}, all ${M} patches are kept, so no place is preferred. Raise ε.`;
  if (N < GRID) return `${head}, only ${N} of ${M} patches ${N === 1 ? "is" : "are"} kept: too few to tell a pattern of places.`;
  const share = Place.share(keep, Place.column);
  const out = Place.standout(keep);
  return `${head}, ${Math.round(share * N)} of the ${N} kept patches lie in the two outer columns: ${Format.percent(share)}, by chance ${Format.percent(Place.chance)}${Place.reach(N)}. ${Place.biasSaid(keep)} What stands out most is ${lineTold(out)}, with ${Math.round((out.value * N) / GRID)} of its ${GRID} patches kept.`;
}

// sets: the placements of every set measured at the present k and ε, by name.
function seenSets({ settings, sets, running }) {
  const measured = Object.entries(sets).map(([name, placements]) => ({ name, placement: placements[settings.estimator] }));
  if (measured.length === 0) return running === "set" ? null : "Nothing is measured yet: press Run.";
  const lines = measured.map(({ name, placement }) => {
    const head = `Set ${name}, ${counted(placement)} pictures`;
    return placement.shares.length ? `${head}: ${edgesVerdict(placement.shares[0], placement.count)}; ${Place.inWords(Place.standout(placement.kept))} stands out.` : `${head}: H = 0 everywhere.`;
  });
  const out = new Set(measured.filter(({ placement }) => placement.shares.length).map(({ placement }) => lineTold(Place.standout(placement.kept))));
  const end = measured.length === 1 ? "Choose another set and run it to compare." : out.size === 1 ? "The same place stands out each time." : "It is not the same place that stands out each time.";
  return `By ${settings.estimator}. ${lines.join(" ")} ${end}`;
}

function seenRoll({ settings, change, look, changed }) {
  if (look === null || changed === null) return null;
  const sides = [look, changed.map].map((map) => sideOf(map, settings.epsilon));
  const { place, content } = Agreement.moved(...sides, changed.source);
  const head = change.kind === "roll" ? `Rolled ${change.dy} patches down and ${change.dx} right. ` : "";
  return `${head}${changeSaid(place, content, sides)}`;
}

const spread = (H) => Math.sqrt(mean(H.map((h) => (h - mean(H)) ** 2))) / mean(H);

function seenPositions({ settings, change, look, changed }) {
  if (look === null || changed === null) return null;
  if (change.kind !== "positions") return "The embeddings are as trained now: set Change to the position embeddings.";
  const [before, after] = [look.entropy, changed.map.entropy];
  if (Agreement.standard(before) === null) return `By ${settings.estimator}, H is the same everywhere from the start: there is no pattern to lose.`;
  const [was, is] = [before, after].map(spread);
  const numbers = `By ${settings.estimator}, H spreads over places by ${Format.percent(was)} of its mean before and by ${Format.percent(is)} after.`;
  if (Agreement.standard(after) === null || is < EVEN * was) return `${numbers} The pattern is gone.`;
  const r = Agreement.correlation(before, after);
  return `${numbers} The two maps correlate by ${Format.signed(r, 2)}: ${r > ALIKE ? "the pattern stays" : "the old pattern is gone, another has come"}.`;
}

function seenRolls({ settings, rolls, running }) {
  if (rolls === null) return running === "rolls" ? null : "Nothing is measured yet: press Roll this picture.";
  const parts = { entropy: "the variance of H", kept: "that of the kept mask" };
  const shareTexts = rolls.bars.filter(({ estimator }) => estimator === settings.estimator).map(({ response, shares }) => {
    if (shares === null) return `of ${parts[response]}: nothing varies`;
    const most = props.factors[shares.indexOf(Math.max(...shares))];
    return `of ${parts[response]}: ${props.factors.map((factor, i) => `${factor} ${Format.percent(shares[i], 0)}`).join(", ")}, so most is ${most}’s`;
  });
  return `By ${settings.estimator}, ${shareTexts.join("; ")}. A factor without effect has ${Format.percent(rolls.noise)}.`;
}

function seenCure({ settings, look, cured }) {
  if (settings.rule === "") return "Nothing is taken out now: choose a correction.";
  if (look === null || cured === null) return null;
  const sides = [look, cured].map((map) => sideOf(map, settings.epsilon));
  const { place, content } = Agreement.moved(...sides, SAME);
  const out = Place.standout(sides[0].keep);
  const after = Place.lines(sides[1].keep).find(({ name, i }) => name === out.name && i === out.i);
  const moved = `What stood out most, ${lineTold(out)}, goes from ${out.value.toFixed(2)} to ${after.value.toFixed(2)} × chance.`;
  return `By ${settings.estimator}, ${cureSaid(place, content, sides)} ${moved} ${costSaid(settings)}`;
}

// From the result file; the live lab decodes no picture.
function costSaid({ estimator, rule }) {
  const { costs } = props;
  if (costs === null) return "What that costs in dB takes a set of pictures to tell; its result file is not here. The command that makes it stands at the end of this tab.";
  const rows = costs.rows.filter((row) => row.estimator === estimator && row.rule === rule);
  if (rows.length === 0) return "The result file has no cost for this estimator and correction.";
  const costTexts = rows.map(({ count, gain, fd_change }) => `N = ${count}: PSNR ${gain} dB, ${costs.fd_label} ${fd_change}`);
  return `What that changed over ${costs.n} pictures${costs.own ? "" : ", with other weights"}, at the same N: ${costTexts.join("; ")}.`;
}

// --- the steps ------------------------------------------------------------------------------------

const STEPS = [
  {
    title: "A white picture",
    claim: "In a white picture all patches are alike: where H differs, it is because of the place.",
    control: { field: '[data-name="epsilon"]', to: 0.3, name: "Set ε to 0.3", why: "The paper’s Fig. 8 has ε = 0.15 and shows the left and right edges kept first." },
    settings: { kind: "white", epsilon: 0.15 },
    seen: seenPlace,
  },
  {
    title: "Noise and colours",
    claim: "If place alone decides, the same place stands out on every noise and on every colour.",
    control: { field: '[data-run="set"]', name: "Run 24 pictures", why: "Then choose another set beside it, and run that." },
    settings: { kind: "noise", set: "noise" },
    seen: seenSets,
  },
  {
    title: "Roll a picture",
    claim: "If DTF reads content, what it keeps moves along when the picture is rolled.",
    control: { field: '[data-change="dx"]', to: 3, name: "Roll it 3 to the right", why: "What leaves at the right comes in at the left." },
    settings: { kind: PHOTO },
    change: { kind: "roll" },
    seen: seenRoll,
  },
  {
    title: "Without positions",
    claim: "If the pattern on white comes from the position embeddings, it goes when they are changed.",
    control: { field: '[data-change="how"]', to: "permute", name: "Take those of other places", why: "Or their mean everywhere, in the list below." },
    settings: { kind: "white" },
    change: { kind: "positions", how: "zero" },
    seen: seenPositions,
  },
  {
    title: "All rolls",
    claim: "Roll a picture by every shift, and what place, content and roll give to H can be told apart.",
    control: { field: '[data-run="rolls"]', name: "Roll this picture", why: `${M} rolls take a minute or two; the bar beside the button shows how far it is.` },
    settings: { kind: PHOTO, seamless: true },
    seen: seenRolls,
  },
  {
    title: "A cure",
    claim: "The place’s share can be taken out of H; what that changes and what it costs is to be read, not assumed.",
    control: { field: '[data-name="rule"]', to: "divide", name: "Divide by the place’s share", why: "The first time takes a while: the bias map is measured over 66 pictures." },
    settings: { kind: PHOTO, rule: "subtract" },
    seen: seenCure,
  },
];
