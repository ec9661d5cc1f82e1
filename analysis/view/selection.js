// Alg. 1 (Eq. 5-6), the policies that need no pixels, and the exact size in bits: what
// tatok/filtering.py and tatok/tokens.py compute, in the same float64 arithmetic and order.
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

  // The places that a policy keeps, or null if only the server can tell (random, chain).
  keep(policy, found, M) {
    const N = found.count;
    const places = Array.from({ length: N }, (_, j) => j);
    if (policy === "dtf") return found.keep;
    if (policy === "first") return Selection.mask(M, places);
    if (policy === "last") return Selection.mask(M, places.map((j) => M - N + j));
    if (policy === "uniform") {
      return Selection.mask(M, places.map((j) => Math.floor(((2 * j + 1) * M) / (2 * N))));
    }
    return null;
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
  bits({ M, k, N, codebookSize, layout, policy, fromGlobals }) {
    const ruled = ["first", "last", "uniform"].includes(policy) || (policy === "dtf" && fromGlobals);
    const sent = layout === "grid" && !ruled;
    const code = Math.ceil(Math.log2(codebookSize));
    return code * (k + N) + M.toString(2).length + (sent ? Selection.placeBits(M, N) : 0);
  },
};
