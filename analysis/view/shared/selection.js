// Alg. 1 (Eq. 5-6), the policies that need no pixels, what is forced by hand, and the exact size in
// bits: what tatok/filtering.py and tatok/tokens.py compute, in the same float64 arithmetic and order.
const Selection = {
  // H: M numbers -> order (places by falling H; ties: lower index first) and cumulative H_k.
  rank(H) {
    const order = Array.from(H, (_, i) => i).sort((a, b) => H[b] - H[a] || a - b);
    const cumulative = new Float64Array(H.length);
    let sum = 0;
    order.forEach((place, i) => { cumulative[i] = sum += H[place]; });
    return { order, cumulative, total: sum };
  },

  // tau = max{T, (1 - eps) H_total}, N = min{k >= 1 : H_k >= tau}, all M if there is none.
  dtf({ order, cumulative, total }, epsilon, minimum) {
    const tau = Math.max(minimum, (1 - epsilon) * total);
    let below = 0;
    while (below < order.length && cumulative[below] < tau) below += 1;
    const count = Math.min(below + 1, order.length);
    let binding = minimum > (1 - epsilon) * total ? "minimum" : "loss rate";
    if (minimum > total) binding = "unreachable";
    return { tau, count, binding, keep: Selection.mask(order.length, order.slice(0, count)) };
  },

  mask(M, places) {
    const keep = new Uint8Array(M);
    places.forEach((place) => { keep[place] = 1; });
    return keep;
  },

  // The N places that a policy keeps, or null if only the server can tell (random, chain).
  keep(policy, N, order) {
    const M = order.length;
    const places = Array.from({ length: N }, (_, j) => j);
    if (policy === "dtf") return Selection.mask(M, order.slice(0, N));
    if (policy === "first") return Selection.mask(M, places);
    if (policy === "last") return Selection.mask(M, places.map((j) => M - N + j));
    if (policy === "uniform") {
      return Selection.mask(M, places.map((j) => Math.floor(((2 * j + 1) * M) / (2 * N))));
    }
    if (policy === "edges") {
      const grid = Math.floor(Math.sqrt(M));
      const outer = (place) => place % grid === 0 || place % grid === grid - 1;
      const inner = (place) => !outer(place);
      return Selection.mask(M, [...order.filter(outer), ...order.filter(inner)].slice(0, N));
    }
    return null;
  },

  force(keep, { forced_in, forced_out }) {
    const forced = Uint8Array.from(keep);
    forced_in.forEach((place) => { forced[place] = 1; });
    forced_out.forEach((place) => { forced[place] = 0; });
    return forced;
  },

  // ceil(log2 C(M, N)), exactly.
  placeBits(M, N) {
    let ways = 1n;
    for (let j = 1; j <= Math.min(N, M - N); j += 1) {
      ways = (ways * BigInt(M - j + 1)) / BigInt(j);
    }
    return ways === 1n ? 0 : (ways - 1n).toString(2).length;
  },

  // log2 K (k + N) + ceil(log2(M + 1)) + ceil(log2 C(M, N)), the last where places are sent.
  bits({ M, k, N, codebookSize, layout, policy, fromGlobals, forced }) {
    const ruled = ["first", "last", "uniform", "chain"].includes(policy) || (policy === "dtf" && fromGlobals);
    const sent = layout === "grid" && (forced || !ruled);
    const codes = Math.ceil(Math.log2(codebookSize)) * (k + N);
    const count = M.toString(2).length;
    const places = sent ? Selection.placeBits(M, N) : 0;
    return { codes, count, places, total: codes + count + places };
  },

  // PSNR in dB that dropping patches costs, as `gain` predicts it; null for other estimators. error:
  // the sum of D_i with all patches kept.
  loss({ entropy, error }, keep) {
    if (error === null || keep === null) return null;
    return 10 * Math.log10(1 + entropy.reduce((sum, H, i) => (keep[i] ? sum : sum + H), 0) / error);
  },

  // All that follows from a map of entropies and the settings. `serverKeep` is the mask that the server
  // sent for them, or null; without it keep, kept and bits may be null.
  outcome(map, settings, serverKeep) {
    const filtered = Selection.dtf(map.ranked, settings.epsilon, map.minimum);
    const chosen = Selection.keep(settings.policy, filtered.count, map.ranked.order);
    const keep = chosen === null ? serverKeep : Selection.force(chosen, settings);
    const forced = settings.forced_in.length + settings.forced_out.length > 0;
    const kept = keep === null ? (forced ? null : filtered.count) : keep.reduce((sum, k) => sum + k, 0);
    const bits = kept === null ? null : Selection.bits({
      M: map.M, k: settings.k, N: kept, codebookSize: map.codebook_size, layout: map.layout,
      policy: settings.policy, fromGlobals: map.from_globals, forced,
    });
    return { filtered, keep, kept, tokens: kept === null ? null : settings.k + kept, bits, loss: Selection.loss(map, keep) };
  },
};
