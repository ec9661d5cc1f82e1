// The lab's part of the page's address, with a prefix so that the other tabs' parameters and these
// leave each other alone. It holds what differs from where the lab starts: its defaults, or the step
// of the lesson that is open. A picture of one's own never travels.
const PREFIX = "b.";
const ADDRESS = { // in the address -> the name of a setting
  x: "kind", seed: "seed", colour: "colour", H: "estimator", eps: "epsilon", k: "k", set: "set", seamless: "seamless", rule: "rule",
};
const ADDRESS_OF_CHANGE = { // in the address -> the name within `change`; the kind first: ranges depend on it
  change: "kind", dy: "dy", dx: "dx", shuffle: "shuffle", row: "row", column: "column", row2: "row2", column2: "column2", how: "how", part: "part",
};

// What the field could hold, or undefined: a text from an address is not trusted.
function readField(field, value) {
  if (field.type === "checkbox") return { 0: false, 1: true }[value];
  if (field.type === "color") return /^[0-9a-f]{6}$/.test(value) ? `#${value}` : undefined;
  if (field.tagName === "SELECT") return [...field.options].some((option) => option.value === value) ? value : undefined;
  if (!/^-?\d{1,6}(\.\d{1,6})?$/.test(value)) return undefined;
  const number = Number(value);
  const fits = number >= Number(field.min) && number <= Number(field.max);
  return fits && (field.step !== "1" || Number.isInteger(number)) ? number : undefined;
}

const written = (value) => (typeof value === "boolean" ? String(Number(value)) : String(value).replace(/^#/, ""));

// start(): { settings, change, step }, what the address says nothing about; step is null or from 1.
function makeShare(start) {
  const known = (query, key, field) => (query.has(PREFIX + key) ? readField(field, query.get(PREFIX + key)) : undefined);
  const put = (query, names, values, from) => Object.entries(names).forEach(([key, name]) => {
    query.delete(PREFIX + key);
    if (values[name] !== from[name] && values[name] !== "upload") query.set(PREFIX + key, written(values[name]));
  });
  let timer = null;

  const share = {
    // The step that the address names, or null.
    step(steps) {
      const named = Number(new URLSearchParams(location.search).get("step"));
      return Number.isInteger(named) && named >= 1 && named <= steps ? named : null;
    },

    // Sets what the address says; a value that is not allowed is left out, each on its own.
    restore() {
      const query = new URLSearchParams(location.search);
      Object.entries(ADDRESS).forEach(([key, name]) => { settings[name] = known(query, key, find(`[data-name="${name}"]`)) ?? settings[name]; });
      Object.entries(ADDRESS_OF_CHANGE).forEach(([key, name]) => {
        change[name] = known(query, key, find(`[data-change="${name}"]`)) ?? change[name];
        showChange();
      });
    },

    link() {
      const url = new URL(location.href);
      const from = start();
      if (from.step === null) url.searchParams.delete("step");
      else url.searchParams.set("step", from.step);
      put(url.searchParams, ADDRESS, settings, from.settings);
      put(url.searchParams, ADDRESS_OF_CHANGE, change, from.change);
      return url.href;
    },

    write() {
      clearTimeout(timer);
      timer = setTimeout(() => history.replaceState(history.state, "", share.link()), Share.REST);
    },
  };
  return share;
}
