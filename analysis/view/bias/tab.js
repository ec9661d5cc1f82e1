// The tab Bias. `settings` is what is wanted; each slot holds the last answer to one question.
const settings = {
  kind: "white", seed: 0, colour: "#808080", estimator: "residual-token", epsilon: 0.15,
  k: LIMITS.defaults.k, set: "noise", seamless: false, rule: "",
};
const DEFAULTS = Object.freeze({ ...settings });
const KINDS = { white: "White", black: "Black", noise: "Noise", colour: "One flat colour", gradient: "Gradient", checkerboard: "Checkerboard", clouds: "Clouds, no place special" };
const slots = { look: {}, change: {}, cure: {} }; // { key, reply, refused }

// --- questions ------------------------------------------------------------------------------------

function subject() {
  const { kind, seed, colour } = settings;
  if (kind.startsWith("example:")) return { kind: "example", name: kind.slice(8) };
  if (kind === "upload") return { kind, name: props.uploaded.id };
  if (kind === "noise" || kind === "clouds") return { kind, seed };
  if (kind === "colour") return { kind, colour: [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)) };
  return { kind };
}

function question(ask) {
  const base = { ask, k: settings.k, subject: subject() };
  if (ask === "change") return { ...base, change: changeAsked() };
  if (ask === "cure") return settings.rule === "" ? null : { ...base, rule: settings.rule };
  return base;
}

const keyOf = (ask) => JSON.stringify(question(ask));
const fits = (ask) => slots[ask].key === keyOf(ask);

const setRun = makeRun("set", () => ({ set: settings.set, k: settings.k, epsilon: settings.epsilon }), (reply, asked) => {
  setShown = { ...reply, asked };
  setsMeasured.push(setShown);
  drawSet(reply.placements, settings.estimator);
  text("set-progress", `ε = ${asked.epsilon}, k = ${asked.k}`);
});
const rollsAsked = () => ({ subject: subject(), k: settings.k, epsilon: settings.epsilon, seamless: settings.seamless });
const rollsRun = makeRun("rolls", rollsAsked, (reply, asked) => {
  rollsShown = { ...reply, asked };
  find('[data-text="bars"]').innerHTML = Charts.stack(reply.bars, reply.noise);
  text("bars-note", `${named(asked.subject)}${asked.seamless ? ", mirrored so that a roll makes no seam" : ", rolled as it is: where its opposite edges meet there is a seam"}; k = ${asked.k}; the mask at ε = ${asked.epsilon}. One picture: no interval.`);
});
let setShown = null;
let rollsShown = null;
const setsMeasured = []; // every set of this visit

function named({ kind, name, seed, colour }) {
  if (kind === "example") return name;
  if (kind === "upload") return props.uploaded?.name ?? "your picture";
  if (kind === "colour") return `the colour ${colour.join(", ")}`;
  return seed === undefined ? kind : `${kind}, seed ${seed}`;
}

const line = courier("lab", element, {
  want: () => {
    const open = Object.keys(slots).find((ask) => question(ask) !== null && !fits(ask) && slots[ask].refused !== keyOf(ask));
    return open ? question(open) : setRun.question ?? rollsRun.question;
  },
  send: (asked) => trigger("lab", asked),
  receive: (reply, asked) => {
    if (asked.ask === "set") setRun.hear(reply, asked);
    else if (asked.ask === "rolls") rollsRun.hear(reply, asked);
    else {
      const slot = slots[asked.ask];
      text("status", reply.error || "");
      if (reply.error) slot.refused = JSON.stringify(asked);
      else slots[asked.ask] = { key: JSON.stringify(asked), reply: { ...reply, words: Panels.picture(Panels.rgb(reply.picture)) } };
    }
    draw();
  },
});

// --- for the lesson ---------------------------------------------------------------------------------

// What is on screen and belongs to the settings; null where nothing does (yet).
function onScreen() {
  const { estimator, k, epsilon } = settings;
  const map = (ask) => (fits(ask) ? slots[ask].reply.maps[estimator] ?? null : null);
  const changed = map("change") && { map: map("change"), source: slots.change.reply.source };
  const now = setsMeasured.filter(({ asked }) => asked.k === k && asked.epsilon === epsilon);
  return {
    settings,
    change,
    changed,
    look: map("look"),
    cured: settings.rule === "" ? null : map("cure"),
    sets: Object.fromEntries(now.map(({ asked: { set: name }, placements }) => [name, placements])),
    rolls: JSON.stringify(rollsShown?.asked) === JSON.stringify(rollsAsked()) ? rollsShown : null,
    running: setRun.question ? "set" : rollsRun.question ? "rolls" : null,
  };
}

// --- drawing --------------------------------------------------------------------------------------

function drawLook({ words, maps }) {
  const { estimator, epsilon } = settings;
  const map = maps[estimator];
  const { keep, N, total } = Place.select(map, epsilon);
  Panels.paint(find('[data-panel="picture"]'), words);
  Charts.entropy(find('[data-panel="entropy"]'), map.entropy);
  Charts.kept(find('[data-panel="kept"]'), words, keep);
  find('[data-text="scale"]').innerHTML = Charts.scale(map.entropy, map.unit);
  text("kept", `N = ${N} of M = ${M}`);
  find('[data-panel="kept"]').setAttribute("aria-label", `${N} of ${M} patches are kept; the others are dimmed`);
  [["columns", "column"], ["rows", "row"]].forEach(([name, of]) => {
    Charts.profile(find(`[data-profile="${name}"]`), of, Place.profile(keep, Place[of]), Place.profile(map.entropy, Place[of]));
  });
  text("verdict", lookVerdict(keep, N, total));
  find('[data-table="look"] tbody').innerHTML = Object.entries(maps).map(([name, one]) => {
    const selected = Place.select(one, epsilon);
    const mark = name === estimator ? ' class="chosen"' : "";
    if (selected.total === 0) return `<tr${mark}><th scope="row">${name}</th><td colspan="5">H = 0 everywhere: DTF has nothing to choose by</td></tr>`;
    return `<tr${mark}><th scope="row">${name}</th><td>${selected.N}</td><td>${Format.percent(Place.share(selected.keep, Place.column))}</td><td>${Format.percent(Place.share(selected.keep, Place.row))}</td><td>${Format.percent(Place.chance)}</td><td class="words">${Place.most(selected.keep)}</td></tr>`;
  }).join("");
}

function lookVerdict(keep, N, total) {
  const { estimator, epsilon } = settings;
  if (total === 0) return `By ${estimator}, H = 0 at every place of this picture: DTF has nothing to choose by.`;
  if (N === M) return `By ${estimator} at ε = ${epsilon}, all patches are kept: there is nothing to see of places. Raise ε.`;
  const [columns, rows] = [Place.share(keep, Place.column), Place.share(keep, Place.row)];
  const outer = Math.round(columns * N);
  return `By ${estimator} at ε = ${epsilon}, ${Format.percent(columns)} of the ${N} kept patches lie in the outer columns (chance: ${Format.percent(Place.chance)}${Place.reach(N)}): ${outer} of the ${2 * GRID} places there are kept, ${N - outer} of the ${M - 2 * GRID} others. ${Place.biasSaid(keep)} Outer rows: ${Format.percent(rows)}. Kept most in ${Place.most(keep)}.`;
}

function drawPairOf(name, sentence) {
  const root = find(`[data-part="${name}"] .pair`);
  root.hidden = name === "cure" && settings.rule === "";
  root.classList.toggle("waiting", !fits(name) || !fits("look"));
  if (!fits(name) || !fits("look")) return;
  const [before, after] = ["look", name].map((ask) => ({ words: slots[ask].reply.words, map: slots[ask].reply.maps[settings.estimator] }));
  if (after.map === undefined) {
    root.hidden = true;
    text("status", `The bias map of ${settings.estimator} is 0 at some place, so nothing can be divided by it; subtract it instead.`);
    return;
  }
  drawPair(root, before, after, slots[name].reply.source ?? SAME, settings.epsilon, sentence);
}

function draw() {
  if (fits("look")) drawLook(slots.look.reply);
  find('[data-part="look"]').classList.toggle("waiting", !fits("look"));
  drawPairOf("change", changeSaid);
  drawPairOf("cure", cureSaid);
  if (setShown !== null) drawSet(setShown.placements, settings.estimator);
  lesson.draw();
}

// --- controls -------------------------------------------------------------------------------------

const input = (name) => find(`[data-name="${name}"]`);

function show() {
  all("[data-for]").forEach((label) => { label.hidden = label.dataset.for === "seed" ? !["noise", "clouds"].includes(settings.kind) : settings.kind !== "colour"; });
  all("[data-name]").forEach((field) => {
    const { name } = field.dataset;
    if (field.type === "checkbox") field.checked = settings[name];
    else if (document.activeElement !== field || field.type !== "number") field.value = settings[name];
  });
  find('[data-text="private"]').hidden = settings.kind !== "upload";
  text("epsilon", settings.epsilon.toFixed(3));
  text("k", settings.k);
}

function listPictures() {
  const option = (value, label) => `<option value="${value}">${label}</option>`;
  input("kind").innerHTML = Object.entries(KINDS).map(([value, label]) => option(value, label)).join("");
  LIMITS.examples.forEach((name) => input("kind").append(new Option(`Example: ${name}`, `example:${name}`)));
  if (props.uploaded) input("kind").append(new Option(`Yours: ${props.uploaded.name}`, "upload"));
}

const READ = { seed: (field) => whole(Number(field.value), 0, 9999), epsilon: (field) => Number(field.value), k: (field) => Number(field.value), seamless: (field) => field.checked };
const RUN_KEYS = { set: ["set", "k", "epsilon"], rolls: ["kind", "seed", "colour", "k", "epsilon", "seamless"] };

let started = false;

function moved() {
  if (!started) return; // the address may still have its say
  draw();
  line.poke();
  share.write();
}

// The one way to change the lab's settings, and what is changed in section 2.
function apply(values, changes = {}) {
  const other = Object.keys(values).filter((name) => settings[name] !== values[name]);
  Object.assign(settings, values);
  Object.assign(change, changes);
  if (other.length) text("status", "");
  if (other.some((name) => RUN_KEYS.set.includes(name))) setRun.outdated("The settings changed: run it again.");
  if (other.some((name) => RUN_KEYS.rolls.includes(name))) rollsRun.outdated("The settings changed: roll it again.");
  show();
  showChange();
  moved();
}

all("[data-name]").forEach((field) => field.addEventListener("input", () => {
  const { name } = field.dataset;
  if (field.value !== "" || name === "rule") apply({ [name]: (READ[name] ?? ((f) => f.value))(field) });
}));
all("[data-run]").forEach((button) => button.addEventListener("click", () => {
  (button.dataset.run === "set" ? setRun : rollsRun).toggle();
  draw();
  line.poke();
}));
wireChange(moved);

// --- the lesson and the address ---------------------------------------------------------------------

// Where the lab starts from: the step that is open, or its defaults.
const startOf = (step) => ({ settings: { ...DEFAULTS, ...step?.settings }, change: { ...CHANGE, ...step?.change } });
const lesson = makeLesson({
  begin: (step) => (step === null ? share.write() : apply(startOf(step).settings, startOf(step).change)),
  live: onScreen,
  link: () => share.link(),
});
const share = makeShare(() => ({ ...startOf(STEPS[lesson.step - 1]), step: lesson.step }));

input("estimator").innerHTML = LIMITS.estimators.map((name) => `<option>${name}</option>`).join("");
input("epsilon").max = LIMITS.epsilon_max;
input("k").max = LIMITS.k_max;
all(".pair").forEach(pairTemplate);
listPictures();
show();
showChange();
lesson.open(share.step(STEPS.length));
share.restore();
watch("value", () => line.hear(props.value));
watch("uploaded", () => {
  listPictures();
  rollsRun.outdated("The picture changed: roll it again.");
  settings.kind = "upload";
  show();
  moved();
});
new ResizeObserver(() => draw()).observe(find('[data-profile="columns"]'));
started = true;
show();
moved();
