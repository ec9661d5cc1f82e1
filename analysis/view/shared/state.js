// The state of the tab Tokenize, in one place. Whoever shows it, changes it, puts it into an
// address or compares it with another goes through `window.Studio`:
//
// Studio.settings   what is wanted (frozen; a new object after every change)
//   example         name of the example picture; null for a picture of one's own
//   picture         the server's name for the picture it has read; null while it reads one
//   box             [left, top, side] in pixels of the upright original; null: the centre square
//   side            pixels of the square as the model sees it
//   epsilon, k, estimator, policy; target_psnr in dB, null for none
//   forced_in, forced_out   patches kept or dropped by hand, rising indices
//   selected        the selected patch, or null
//   mode            "side" (five panels) or "blend": overlay over base with an opacity in 0..1
//   base, overlay   names of Studio.LAYERS
//   inspector, play whether these sections are open
//   pinned          what Compare has pinned: its values of Studio.PINNED; null: nothing, or a
//                   picture of one's own
//   compare         which of Studio.COMPARISONS the section Compare shows; null: it is closed
// Studio.set({name: value, …})  the one way to change it. What is not allowed (Studio.LIMITS) is left
//   out, so that values from an address may be passed as they are. A new `example` clears picture,
//   box, forced patches and the selected one unless they are given with it; a new `side` the patches.
// Studio.shown      what the page has computed for the settings, or null before the first picture:
//   { settings, map, filtered, keep, kept, bits, tokens, pixels }, see patch_view.js; `keep`, `kept`,
//   `bits` are null where only the server can tell, `pixels` is null until they have come
// Studio.refusal    why the server sent no picture for the settings, "" where it did
// Studio.pinned     a copy of it that Studio.pin() has made, or null
//
// DOM events on `document`, sent at once: "studio" after a change, detail {changed: [names]};
// "studio-drawn" when Studio.shown is made anew; "studio-shown" when the pixels on screen belong to the settings; "studio-pinned" after a pin.
const Studio = (() => {
  const LAYERS = ["picture", "entropy", "kept", "image", "error"];
  const COMPARISONS = ["pin", "policies", "epsilon", "features"];
  const PINNED = ["example", "box", "side", "epsilon", "k", "estimator", "policy", "target_psnr", "forced_in", "forced_out"];
  const PATCHES = { forced_in: [], forced_out: [], selected: null };
  const CLEARED = { picture: null, box: null, ...PATCHES };
  const within = (value, low, high) => typeof value === "number" && value >= low && value <= high;
  const whole = (value, low, high) => Number.isInteger(value) && value >= low && value <= high;
  const place = (value, side) => whole(value, 0, LIMITS.sides[side] - 1);
  const places = (value, side) => Array.isArray(value) && value.every((one) => place(one, side));
  const flag = (value) => typeof value === "boolean";
  const orNull = (test) => (value, side) => value === null || test(value, side);
  const rising = (numbers) => [...new Set(numbers)].sort((a, b) => a - b);
  const ALLOWED = { // tests of a value, with the side that it is for
    example: orNull((value) => LIMITS.examples.includes(value)),
    picture: orNull((value) => typeof value === "string"),
    box: orNull((value) => Array.isArray(value) && value.length === 3 && value.every((v) => whole(v, 0, 1e6))),
    side: (value) => typeof value === "number" && Object.hasOwn(LIMITS.sides, value),
    epsilon: (value) => within(value, 0, LIMITS.epsilon_max),
    k: (value) => whole(value, 0, LIMITS.k_max),
    estimator: (value) => LIMITS.estimators.includes(value),
    policy: (value) => LIMITS.policies.includes(value),
    target_psnr: orNull((value) => within(value, ...LIMITS.target_psnr)),
    forced_in: places,
    forced_out: places,
    selected: orNull(place),
    mode: (value) => ["side", "blend"].includes(value),
    base: (value) => LAYERS.includes(value),
    overlay: (value) => LAYERS.includes(value),
    opacity: (value) => within(value, 0, 1),
    inspector: flag,
    play: flag,
    pinned: orNull((value) => value.example !== null && PINNED.every((name) => ALLOWED[name](value[name], value.side))),
    compare: orNull((value) => COMPARISONS.includes(value)),
  };
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  const studio = {
    LAYERS,
    COMPARISONS,
    PINNED,
    LIMITS,
    settings: Object.freeze({
      example: null, ...CLEARED, ...LIMITS.defaults,
      mode: "side", base: "picture", overlay: "entropy", opacity: 0.6, inspector: false, play: false, pinned: null, compare: null,
    }),
    shown: null,
    refusal: "",
    pinned: null,

    set(changes) {
      const side = ALLOWED.side(changes.side) ? changes.side : studio.settings.side;
      let wanted = Object.fromEntries(Object.entries(changes).filter(
        ([name, value]) => Object.hasOwn(ALLOWED, name) && ALLOWED[name](value, side),
      ));
      if (side !== studio.settings.side) wanted = { ...PATCHES, ...wanted };
      if ("example" in wanted && wanted.example !== studio.settings.example) wanted = { ...CLEARED, ...wanted };
      const next = { ...studio.settings, ...wanted };
      next.forced_in = rising(next.forced_in);
      next.forced_out = rising(next.forced_out).filter((index) => !next.forced_in.includes(index));
      const changed = Object.keys(next).filter((name) => !same(next[name], studio.settings[name]));
      if (changed.length === 0) return;
      studio.settings = Object.freeze(next);
      document.dispatchEvent(new CustomEvent("studio", { detail: { changed } }));
    },

    // Keep a dropped patch, drop a kept one; for a patch that is forced already, take it back.
    force(index) {
      const { forced_in, forced_out } = studio.settings;
      const without = (list) => list.filter((other) => other !== index);
      if (forced_in.includes(index) || forced_out.includes(index)) {
        studio.set({ forced_in: without(forced_in), forced_out: without(forced_out) });
      } else if (studio.shown?.keep) {
        studio.set(studio.shown.keep[index] ? { forced_out: [...forced_out, index] } : { forced_in: [...forced_in, index] });
      }
    },

    // Keep what is shown for Compare.
    pin() {
      const { settings, map } = studio.shown;
      studio.pinned = { ...studio.shown, map: { ...map } }; // the patch view goes on changing its map
      const values = Object.fromEntries(PINNED.map((name) => [name, settings[name]]));
      studio.set({ pinned: settings.example === null ? null : values });
      document.dispatchEvent(new CustomEvent("studio-pinned"));
    },

    // Listen to a DOM event for as long as a component is on the page.
    on(name, element, listen) {
      const heard = (event) => {
        if (element.isConnected) listen(event.detail ?? {});
        else document.removeEventListener(name, heard);
      };
      document.addEventListener(name, heard);
    },

    // Do two settings agree in the named values?
    agree: (a, b, names) => names.every((name) => same(a[name], b[name])),
  };
  return studio;
})();
