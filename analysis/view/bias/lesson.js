// The panel of the lesson. A step only sets the settings of the live lab, as a visitor would; after
// that everything can be moved. tab.js calls `draw` whenever what is on screen changes.
const MEASURING = "Measuring …";

// begin(step): sets the lab; live(): what is on screen; link(): the address of this view.
function makeLesson({ begin, live, link }) {
  const panel = find(".lesson");
  const button = (name) => find(`[data-lesson="${name}"]`);
  const verdict = find('[data-text="verdict"]');
  let at = null; // index of the step, null: closed
  let height = 0; // of the panel

  const say = (value) => text("lesson-said", value);
  const tell = (name, value) => { if (find(`[data-text="${name}"]`).textContent !== value) text(name, value); };

  function point() {
    all(".pointed").forEach((other) => other.classList.remove("pointed"));
    if (at !== null) find(STEPS[at].control.field).closest("label, .actions").classList.add("pointed");
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
    if (at === null) return;
    const { title, claim, control } = STEPS[at];
    text("lesson-which", `Step ${at + 1} of ${STEPS.length}: ${title}`);
    tell("lesson-claim", claim);
    button("go").textContent = control.name;
    text("lesson-why", control.why);
    // Not `disabled`, which would take the focus away and with it the arrow keys.
    button("back").setAttribute("aria-disabled", String(at === 0));
    button("on").setAttribute("aria-disabled", String(at === STEPS.length - 1));
  }

  const lesson = {
    get step() { return at === null ? null : at + 1; },

    // Opens a step, counted from 1, and sets the lab. Null opens none.
    open(step) {
      if (step === null || step < 1 || step > STEPS.length) return;
      at = step - 1;
      show();
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
      if (at === null) return;
      const status = find('[data-text="status"]').textContent; // why nothing could be measured
      tell("lesson-seen", STEPS[at].seen(live()) ?? (status || MEASURING));
    },
  };

  // A sentence that comes late makes the panel grow: it must not cover the control it speaks of.
  new ResizeObserver(() => {
    const grown = panel.offsetHeight - height;
    height = panel.offsetHeight;
    if (at === null || grown <= 0) return;
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
  button("back").addEventListener("click", () => lesson.open(lesson.step - 1));
  button("on").addEventListener("click", () => lesson.open(lesson.step + 1));
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
  button("link").addEventListener("click", () => Share.copy(link(), find(".lesson input"), say));
  panel.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") lesson.close();
    else if (step && event.target.tagName !== "INPUT" && !event.ctrlKey && !event.metaKey && !event.altKey) lesson.open(lesson.step + step);
    else return;
    event.preventDefault();
  });
  return lesson;
}
