// The panel of the lesson. A step only sets the settings of the live lab, as a visitor would, and asks
// for a guess, until when the lab's results are veiled; after that everything can be moved. Behind the
// last step stands what was found. tab.js calls `draw` whenever what is on screen changes.
const MEASURING = "Measuring …";
const UNSURE = -1; // the guess of who makes none

// begin(step): sets the lab; live(): what is on screen; link(): the address of this view.
function makeLesson({ begin, live, link }) {
  const panel = find(".lesson");
  const button = (name) => find(`[data-lesson="${name}"]`);
  const verdict = find('[data-text="verdict"]');
  let at = null; // index of the step, STEPS.length: what was found, null: closed
  let height = 0; // of the panel
  const guesses = STEPS.map(() => null); // index of a choice, or UNSURE
  const plainWords = STEPS.map(() => null); // the last plain words of each step

  const ended = () => at === STEPS.length;
  const asking = () => at !== null && !ended() && guesses[at] === null;

  const say = (value) => text("lesson-said", value);
  const tell = (name, value) => { if (find(`[data-text="${name}"]`).textContent !== value) text(name, value); };

  function point() {
    all(".pointed").forEach((other) => other.classList.remove("pointed"));
    if (at !== null && !ended()) find(STEPS[at].control.field).closest("label, .actions").classList.add("pointed");
  }

  // Brings the step's control, and what it changes, below the panel.
  function reveal() {
    const field = find(STEPS[at].control.field);
    const part = field.closest(".section") ?? field.closest(".inputs");
    part.style.scrollMarginTop = getComputedStyle(panel).position === "sticky" ? `${panel.offsetHeight + 10}px` : "";
    part.scrollIntoView({ block: "start" });
  }

  function show() {
    panel.hidden = at === null;
    button("open").setAttribute("aria-expanded", String(at !== null));
    verdict.setAttribute("aria-live", at === null ? "polite" : "off"); // one voice at a time
    point();
    say("");
    find(".lesson input").hidden = true;
    element.classList.toggle("guessing", asking());
    if (at === null) return;
    panel.dataset.state = ended() ? "found" : asking() ? "guess" : "seen";
    // Not `disabled`, which would take the focus away and with it the arrow keys.
    button("back").setAttribute("aria-disabled", String(at === 0));
    button("on").setAttribute("aria-disabled", String(ended()));
    button("link").setAttribute("aria-disabled", String(ended()));
    if (ended()) showFound();
    else showStep(STEPS[at], GUESSES[at]);
  }

  function showStep({ title, claim, control }, { question, choices, paper }) {
    text("lesson-which", `Step ${at + 1} of ${STEPS.length}: ${title}`);
    tell("lesson-claim", claim);
    text("lesson-question", `Your guess: ${question[0].toLowerCase()}${question.slice(1)}`);
    find('[data-text="lesson-choices"]').replaceChildren(...[...choices, "I do not know"].map((name, i) => {
      const choice = Object.assign(document.createElement("button"), { type: "button", textContent: name });
      choice.addEventListener("click", () => guess(i < choices.length ? i : UNSURE));
      return choice;
    }));
    button("go").textContent = control.name;
    text("lesson-why", control.why);
    text("lesson-paper", paper);
  }

  // What every step came to in this visit, beside the paper.
  function showFound() {
    text("lesson-which", "What you found");
    tell("lesson-claim", "Six questions to this model, and what the paper says to each.");
    find(".lesson .learned").replaceChildren(...STEPS.map(({ title }, i) => {
      const item = document.createElement("li");
      item.append(Object.assign(document.createElement("b"), { textContent: title }), `: ${plainWords[i] ?? "not done yet."} `);
      item.append(Object.assign(document.createElement("span"), { className: "paper", textContent: GUESSES[i].paper }));
      return item;
    }));
  }

  function guess(choice) {
    guesses[at] = choice;
    show();
    lesson.draw();
    reveal();
    button("go").focus({ preventScroll: true });
  }

  // "You guessed “…”: so it is. …", once there is something to say.
  function judged(seen, index) {
    if (seen === null) return MEASURING;
    const choice = guesses[index];
    if (choice === UNSURE || seen.answer === null) return seen.words;
    const right = choice === seen.answer ? "so it is" : "it is otherwise";
    return `You guessed “${GUESSES[index].choices[choice]}”: ${right}. ${seen.words}`;
  }

  const lesson = {
    get step() { return at === null || ended() ? null : at + 1; },

    // Opens a step, counted from 1, and sets the lab. Null opens none.
    open(step) {
      if (step === null || step < 1 || step > STEPS.length + 1) return;
      at = step - 1;
      show();
      if (ended()) return;
      begin(STEPS[at]);
      reveal();
    },

    close() {
      at = null;
      show();
      begin(null);
      button("open").focus();
    },

    draw() {
      if (at === null || asking() || ended()) return;
      const status = find('[data-text="status"]').textContent; // why nothing could be measured
      const seen = STEPS[at].seen(live());
      const plain = GUESSES[at].plain(live());
      if (plain) plainWords[at] = plain.words;
      tell("lesson-seen", seen ?? (status || MEASURING));
      tell("lesson-plain", plain === null && seen !== null ? seen : plain === null && status ? status : judged(plain, at));
    },
  };

  // A sentence that comes late makes the panel grow: it must not cover the control it speaks of.
  new ResizeObserver(() => {
    const grown = panel.offsetHeight - height;
    height = panel.offsetHeight;
    if (at === null || ended() || grown <= 0) return;
    const gap = find(".pointed").getBoundingClientRect().top - panel.getBoundingClientRect().bottom;
    if (gap < 0 && gap + grown >= 0) window.scrollBy(0, gap - 10);
  }).observe(panel);
  button("open").addEventListener("click", () => {
    if (at !== null) lesson.close();
    else {
      lesson.open(1);
      button("on").focus({ preventScroll: true });
    }
  });
  button("close").addEventListener("click", lesson.close);
  button("back").addEventListener("click", () => lesson.open(at));
  button("on").addEventListener("click", () => lesson.open(at + 2));
  button("go").addEventListener("click", () => {
    const { field, to } = STEPS[at].control;
    reveal();
    find(field).focus({ preventScroll: true });
    if (to === undefined) find(field).click();
    else {
      find(field).value = to;
      find(field).dispatchEvent(new Event("input", { bubbles: true }));
    }
  });
  button("link").addEventListener("click", () => { if (!ended()) Share.copy(link(), find(".lesson input"), say); });
  panel.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") lesson.close();
    else if (step && event.target.tagName !== "INPUT" && !event.ctrlKey && !event.metaKey && !event.altKey) lesson.open(at + 1 + step);
    else return;
    event.preventDefault();
  });
  return lesson;
}
