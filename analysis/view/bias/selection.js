// What DTF keeps of a map and where that lies: analysis/bias/places.py, bias.py and counterfactuals.py in
// the browser, with the order of places (ties broken at random) that the server sent.
const RESOLUTION = 1e-5; // as in analysis/bias/places.py
const TIGHT = 0.4; // the edges cannot hold more of the kept: little enough to say so

const Place = {
  select(map, epsilon) {
    const ranked = Selection.rank(map.entropy);
    const { count: N } = Selection.dtf(ranked, epsilon, 0);
    return { N, total: ranked.total, keep: Selection.mask(M, map.order.slice(0, N)) };
  },

  outer: (line) => line === 0 || line === GRID - 1,
  column: (place) => place % GRID,
  row: (place) => Math.floor(place / GRID),

  // Share of the kept patches whose column (or row) is an outer one.
  share(keep, line) {
    let [inside, N] = [0, 0];
    keep.forEach((kept, place) => {
      N += kept;
      if (kept && Place.outer(line(place))) inside += 1;
    });
    return inside / N;
  },

  chance: 2 / GRID,

  // The least and the most of N kept that can lie in the outer columns, where it is little: where
  // nearly all are kept, hardly more than chance can lie anywhere. As results.py has it.
  reach(N, each = "") {
    const [least, most] = [Math.max(0, 1 - (M - 2 * GRID) / N), Math.min(1, (2 * GRID) / N)];
    const bounds = [];
    if (least > 0) bounds.push(`at least ${Format.percent(least)}`);
    if (most < TIGHT) bounds.push(`at most ${Format.percent(most)}`);
    return bounds.length ? `, ${bounds.join(" and ")} with N = ${N}${each}` : "";
  },

  // Means by column (or row) over the mean of all; zeros where that is 0.
  profile(values, line) {
    const sums = new Array(GRID).fill(0);
    values.forEach((value, place) => { sums[line(place)] += value / GRID; });
    const whole = mean(sums);
    return sums.map((sum) => (whole > 0 ? sum / whole : 0));
  },

  lines: (values) => ["column", "row"].flatMap((name) => Place.profile(values, Place[name]).map((value, i) => ({ name, i, value }))),
  inWords: ({ name, i, value }) => `${name} ${i + 1} (${value.toFixed(2)} × chance)`,

  // The column or row with the largest share of what is kept, as words.
  most: (values) => Place.inWords(Place.lines(values).reduce((a, b) => (b.value > a.value ? b : a))),

  // Whether one picture is like the paper's Fig. 8: no inner column is kept as much as the outer two.
  edgesFirst: (keep) => Place.share(keep, Place.column) / Place.chance > Place.innerMost(keep).value,

  innerMost: (keep) => Place.lines(keep).filter(({ name, i }) => name === "column" && !Place.outer(i)).reduce((a, b) => (b.value > a.value ? b : a)),

  biasSaid(keep) {
    const ratio = Place.share(keep, Place.column) / Place.chance;
    const top = Place.innerMost(keep);
    return Place.edgesFirst(keep)
      ? `No other column is kept as much as these two (${ratio.toFixed(2)} × chance): the direction of the paper’s Fig. 8, where nearly half of the kept are there.`
      : `${Place.inWords(top).replace("column", "Column")} is kept no less than these two (${ratio.toFixed(2)} × chance), unlike the paper’s Fig. 8.`;
  },

  // The column or row that is farthest from chance, kept more or kept less.
  standout: (values) => Place.lines(values).reduce((a, b) => (Math.abs(b.value - 1) > Math.abs(a.value - 1) ? b : a)),
};

const Agreement = {
  // H and masks before and after over the same things -> {common, chance, beyond, correlation}.
  of(before, after) {
    const both = before.keep.reduce((sum, kept, i) => sum + (kept && after.keep[i] ? 1 : 0), 0);
    const common = both / before.keep.reduce((sum, kept) => sum + kept, 0);
    const chance = after.keep.reduce((sum, kept) => sum + kept, 0) / after.keep.length;
    return { common, chance, beyond: (common - chance) / (1 - chance), correlation: Agreement.correlation(before.H, after.H) };
  },

  correlation(a, b) {
    const [x, y] = [Agreement.standard(a), Agreement.standard(b)];
    return x === null || y === null ? NaN : x.reduce((sum, value, i) => sum + value * y[i], 0);
  },

  standard(H) {
    const centre = mean(H);
    const norm = Math.hypot(...H.map((h) => h - centre));
    return norm <= RESOLUTION * Math.hypot(...H) ? null : H.map((h) => (h - centre) / norm);
  },

  // By place, and by content where patches moved and can be followed; else content is null.
  moved(before, after, source) {
    const place = Agreement.of(before, after);
    const known = source.map((_, i) => i).filter((i) => source[i] >= 0);
    const was = known.map((i) => source[i]);
    const still = source.every((from, i) => from === i);
    if (still || new Set(was).size !== was.length) return { place, content: null };
    const pick = ({ H, keep }, places) => ({ H: places.map((i) => H[i]), keep: places.map((i) => keep[i]) });
    return { place, content: Agreement.of(pick(before, was), pick(after, known)) };
  },
};
