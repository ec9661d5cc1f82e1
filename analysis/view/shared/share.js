// The page's address. It holds what differs from the defaults, so that a reload or a pasted link
// shows the same numbers; parameters of others stay. A value that is not allowed is left out by
// Studio.set, each on its own; of a pinned setting all are. A picture of one's own never travels, nor what belongs to it.
const Share = (() => {
  const DEFAULTS = Studio.settings;
  const REST = 400; // milliseconds without a change; browsers refuse an address that changes often
  const NUMBER = /^\d{1,9}(\.\d{1,20})?(e-\d{1,2})?$/;
  const read = (text) => (NUMBER.test(text) ? Number(text) : undefined);

  const word = { read: (text) => text, write: (value) => value };
  const number = { read, write: String };
  const numbers = { read: (text) => text.split("-").map(read), write: (list) => list.join("-") };
  const flag = { read: (text) => text === "1", write: () => "1" };
  const pin = { // a query inside the query
    read: (text) => picked({ ...DEFAULTS, ...parse(text) }),
    write: (settings) => new URLSearchParams(written(settings)).toString(),
  };
  const KEYS = {
    x: ["example", word],
    box: ["box", numbers],
    side: ["side", number],
    eps: ["epsilon", number],
    k: ["k", number],
    H: ["estimator", word],
    policy: ["policy", word],
    psnr: ["target_psnr", number],
    in: ["forced_in", numbers],
    out: ["forced_out", numbers],
    patch: ["selected", number],
    show: ["mode", word],
    base: ["base", word],
    over: ["overlay", word],
    opacity: ["opacity", number],
    inspect: ["inspector", flag],
    play: ["play", flag],
    compare: ["compare", word],
    pin: ["pinned", pin],
  };
  const OF_THE_PICTURE = ["box", "forced_in", "forced_out", "selected"];

  function parse(query) {
    const parameters = new URLSearchParams(query);
    const named = Object.entries(KEYS).filter(([key]) => parameters.has(key));
    return Object.fromEntries(named.map(([key, [name, form]]) => [name, form.read(parameters.get(key))]));
  }

  const picked = (settings) => Object.fromEntries(Studio.PINNED.map((name) => [name, settings[name]]));

  // [key, text] of all that differs from the defaults.
  function written(settings) {
    const named = Object.entries(KEYS).filter(([, [name]]) => {
      const stays = settings.example === null && OF_THE_PICTURE.includes(name);
      return name in settings && !stays && !Studio.agree(settings, DEFAULTS, [name]);
    });
    return named.map(([key, [name, form]]) => [key, form.write(settings[name])]);
  }

  // The address of this page with these settings.
  function link(settings) {
    const url = new URL(location.href);
    Object.keys(KEYS).forEach((key) => url.searchParams.delete(key));
    written(settings).forEach(([key, text]) => url.searchParams.set(key, text));
    return url.href;
  }

  // Copies a link, or shows it in `field` to copy by hand; `announce` hears what was done.
  async function copy(href, field, announce) {
    field.hidden = true;
    try {
      await navigator.clipboard.writeText(href);
      announce("The link is copied.");
    } catch { // no permission, or a page without https
      field.value = href;
      field.hidden = false;
      field.select();
      announce("The link, to copy by hand:");
    }
  }

  // Only what is shown can be pinned, so the page shows what its link has pinned before the rest.
  // Whoever changes anything meanwhile (a box that does not fit is not his doing) stays with that.
  let home = null; // where it then goes
  const STAYS = Studio.PINNED.filter((name) => name !== "box");
  const left = () => home !== null && !Studio.agree(Studio.settings, home.pinned, STAYS);
  function visit() {
    home = Studio.settings;
    Studio.set(home.pinned);
    document.addEventListener("studio-shown", () => {
      if (home === null) return;
      const { selected, example } = home;
      const back = { ...picked(home), selected, example: example ?? Studio.settings.example };
      Studio.pin();
      home = null;
      Studio.set(back);
    }, { once: true });
  }

  // Another picture or a story is a step that Back undoes; knobs replace the address.
  let timer = null;
  let before = Studio.settings;
  let going = false; // Back or Forward sets what the address says
  document.addEventListener("studio", ({ detail }) => {
    if (left()) {
      home = null;
      Studio.set({ pinned: null });
    }
    const step = before.example !== null && (detail.changed.includes("example") || detail.changed.length > 2);
    if (step && !going && home === null) {
      history.replaceState(history.state, "", link(before)); // a knob may have moved just before
      history.pushState(history.state, "", link(Studio.settings));
    }
    before = Studio.settings;
    clearTimeout(timer);
    timer = setTimeout(() => history.replaceState(history.state, "", link(home ?? Studio.settings)), REST);
  });
  window.addEventListener("popstate", () => {
    const wanted = { ...DEFAULTS, ...parse(location.search) };
    const stays = ["picture", "pinned"]; // the server names pictures, and a pin is no step
    if (wanted.example === null) stays.push("example", ...OF_THE_PICTURE); // a picture of one's own
    stays.forEach((name) => { delete wanted[name]; });
    clearTimeout(timer);
    going = true;
    Studio.set(wanted);
    going = false;
  });
  Studio.set(parse(location.search));
  if (Studio.settings.pinned !== null) visit();
  return { link, copy, REST };
})();
