// What takes seconds: a set of pictures, all rolls of one. Asked for part by part, so that it shows
// how far it is and stops at once.
const SIGNIFICANT = 0.05;

function makeRun(name, parameters, finished) {
  const root = find(`[data-part="${name}"]`);
  const button = root.querySelector("[data-run]");
  const label = button.textContent;
  const bar = root.querySelector("progress");
  let part = null; // the next part, null: not running
  let asked = null; // the parameters of the run
  const run = {
    get question() { return part === null ? null : { ...asked, ask: name, part }; },
    stop(sentence) {
      part = null;
      bar.hidden = true;
      button.textContent = label;
      text(`${name}-progress`, sentence);
    },
    start() {
      const next = parameters();
      if (next === null) return;
      asked = next;
      part = 0;
      bar.hidden = false;
      bar.value = 0;
      button.textContent = "Stop";
      text(`${name}-progress`, "Measuring …");
    },
    hear(reply, question) {
      if (part === null || question.part !== part || JSON.stringify({ ...asked, ask: name, part }) !== JSON.stringify(question)) return;
      if (reply.error) { run.stop(reply.error); return; }
      part += 1;
      bar.value = part / reply.parts;
      text(`${name}-progress`, `${part} of ${reply.parts} parts measured`);
      if (part < reply.parts) return;
      run.stop("");
      root.querySelector(".result").hidden = false;
      finished(reply, asked);
    },
    outdated(sentence) { // what is shown no longer belongs to the settings
      if (part !== null) run.stop("Stopped: the settings changed.");
      else if (!root.querySelector(".result").hidden) text(`${name}-progress`, sentence);
    },
    toggle() { if (part === null) run.start(); else run.stop("Stopped."); },
  };
  return run;
}

// --- the set ----------------------------------------------------------------------------------------

const interval = (share) => `${Format.percent(share.value)}${share.low === null ? "" : ` (${(100 * share.low).toFixed(1)}–${(100 * share.high).toFixed(1)})`}`;
const pText = (p) => (p === null ? "–" : p < 0.001 ? "< 0.001" : p.toFixed(3));
const pSaid = (p) => `p ${p < 0.001 ? "" : "= "}${pText(p)}`;
const counted = ({ n, left_out }) => `${n} of ${n + left_out}`; // those whose H is not 0 everywhere

function drawSet(placements, estimator) {
  const shown = placements[estimator];
  Charts.entropy(find('[data-panel="set-entropy"]'), shown.entropy);
  Charts.entropy(find('[data-panel="set-kept"]'), shown.kept);
  find('[data-text="set-scale"]').innerHTML = Charts.scale(shown.entropy, "");
  find('[data-text="set-kept-scale"]').innerHTML = Charts.scale(shown.kept, "× chance");
  [["columns", "column"], ["rows", "row"]].forEach(([name, line]) => {
    Charts.profile(find(`[data-profile="set-${name}"]`), line, Place.profile(shown.kept, Place[line]), Place.profile(shown.entropy, Place[line]));
  });
  const rows = Object.entries(placements).map(([name, one]) => {
    const mark = name === estimator ? ' class="chosen"' : "";
    if (!one.shares.length) return `<tr${mark}><th scope="row">${name}</th><td>${counted(one)}</td><td colspan="6">H = 0 in every picture</td></tr>`;
    const [columns, lines] = one.shares;
    return `<tr${mark}><th scope="row">${name}</th><td>${counted(one)}</td><td>${one.count.toFixed(0)}</td><td>${interval(columns)}</td><td>${pText(columns.p)}</td><td>${interval(lines)}</td><td>${pText(lines.p)}</td><td>${Format.percent(columns.chance)}</td></tr>`;
  });
  find('[data-table="set"] tbody').innerHTML = rows.join("");
  find('[data-text="set-verdict"]').innerHTML = setVerdict(placements).map((sentence) => `<li>${sentence}</li>`).join("");
}

// What the test says of the outer columns, and what they can hold: as results.py says it.
function edgesVerdict({ value, chance, p }, count) {
  const way = value > chance ? "more" : "fewer";
  const verdict = p === null ? "one picture: no test" : p < SIGNIFICANT ? `surely ${way} than chance at the edges` : "no difference shown";
  return `${verdict}, ${Format.percent(value)} (chance ${Format.percent(chance)}${Place.reach(Math.round(count), " in each")}${p === null ? "" : `; ${pSaid(p)}`})`;
}

// The same by estimator, and where else patches are kept.
function setVerdict(placements) {
  return Object.entries(placements).map(([name, one]) => {
    if (!one.shares.length) return `${name}: H = 0 everywhere.`;
    const [columns, rows] = one.shares;
    const lines = rows.p !== null && rows.p < SIGNIFICANT ? `; outer rows ${(rows.value / rows.chance).toFixed(2)} × chance, ${pSaid(rows.p)}` : "";
    return `${name}: ${edgesVerdict(columns, one.count)}${lines}; kept most in ${Place.most(one.kept)}.`;
  });
}
