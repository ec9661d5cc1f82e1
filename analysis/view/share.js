// The page's address. It holds what differs from the defaults, so that a reload or a pasted link
// shows the same numbers; parameters of others stay. A value that is not allowed is left out by
// Studio.set, each on its own. A picture of one's own never travels, nor what belongs to it.
const Share = (() => {
  const DEFAULTS = Studio.settings;
  const REST = 400; // milliseconds without a change; browsers refuse an address that changes often
  const NUMBER = /^\d{1,9}(\.\d{1,20})?(e-\d{1,2})?$/;
  const read = (text) => (NUMBER.test(text) ? Number(text) : undefined);

  const word = { read: (text) => text, write: (value) => value };
  const number = { read, write: String };
  const numbers = { read: (text) => text.split("-").map(read), write: (list) => list.join("-") };
  const flag = { read: (text) => text === "1", write: () => "1" };
  const KEYS = {
    x: ["example", word],
    box: ["box", numbers],
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
  };
  const OF_THE_PICTURE = ["box", "forced_in", "forced_out", "selected"];

  function parse(query) {
    const parameters = new URLSearchParams(query);
    const found = Object.entries(KEYS).filter(([key]) => parameters.has(key));
    return Object.fromEntries(found.map(([key, [name, form]]) => [name, form.read(parameters.get(key))]));
  }

  // The address of this page with these settings.
  function link(settings) {
    const url = new URL(location.href);
    Object.entries(KEYS).forEach(([key, [name, form]]) => {
      url.searchParams.delete(key);
      const stays = settings.example === null && OF_THE_PICTURE.includes(name);
      if (stays || Studio.agree(settings, DEFAULTS, [name])) return;
      url.searchParams.set(key, form.write(settings[name]));
    });
    return url.href;
  }

  let timer = null;
  document.addEventListener("studio", () => {
    clearTimeout(timer);
    timer = setTimeout(() => history.replaceState(history.state, "", link(Studio.settings)), REST);
  });
  Studio.set(parse(location.search));
  return { link };
})();
