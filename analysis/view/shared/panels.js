// Drawing on canvases, and the marks that lie over them. Pixels arrive as 8-bit RGB, row by row; each becomes one 32-bit
// word 0xAABBGGRR, which is how a canvas holds it on every machine a browser runs on.
const Panels = (() => {
  const ERROR_MAX = 64; // levels; the end of the error's colour scale
  const OPAQUE = 0xff000000;
  const DIMMED = 0x26000000; // alpha of a dropped patch

  const word = ([r, g, b]) => (OPAQUE | (b << 16) | (g << 8) | r) >>> 0;
  const viridis = Uint32Array.from(Colour.viridis, word);
  const magma = Uint32Array.from(Colour.magma, word);
  const level = (share) => Math.round(255 * Math.min(Math.max(share, 0), 1));

  return {
    ERROR_MAX,

    rgb: (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)),

    picture: (rgb) => Uint32Array.from({ length: rgb.length / 3 }, (_, i) => word(rgb.subarray(3 * i, 3 * i + 3))),

    // Which patch each pixel belongs to; with overlap, the last one that begins at or before it.
    patches: (size, grid, stride) => Uint16Array.from({ length: size * size }, (_, i) => {
      const cell = (pixel) => Math.min(Math.floor(pixel / stride), grid - 1);
      return cell(Math.floor(i / size)) * grid + cell(i % size);
    }),

    kept: (words, patch, keep) => words.map((w, i) => (keep[patch[i]] ? w : ((w & 0xffffff) | DIMMED) >>> 0)),

    entropy: (H, low, high) => Uint32Array.from(H, (h) => viridis[high > low ? level((h - low) / (high - low)) : 0]),

    // Mean over R, G and B of |x - y|.
    error: (x, y) => Uint32Array.from({ length: x.length / 3 }, (_, i) => {
      const at = 3 * i;
      const sum = Math.abs(x[at] - y[at]) + Math.abs(x[at + 1] - y[at + 1]) + Math.abs(x[at + 2] - y[at + 2]);
      return magma[level(sum / 3 / ERROR_MAX)];
    }),

    // Over the patches, in a view box of grid x grid: + kept by hand, × dropped by hand, and a
    // dashed frame around those with the same code as the selected one.
    marks(grid, { forced_in, forced_out }, alike) {
      const paths = (kind, list, path) => list.map((index) => {
        const d = path(index % grid, Math.floor(index / grid));
        return `<path class="under" d="${d}"/><path class="${kind}" d="${d}"/>`;
      }).join("");
      return paths("alike", alike, (x, y) => `M${x + 0.1} ${y + 0.1}h.8v.8h-.8Z`)
        + paths("in", forced_in, (x, y) => `M${x + 0.5} ${y + 0.2}v.6M${x + 0.2} ${y + 0.5}h.6`)
        + paths("out", forced_out, (x, y) => `M${x + 0.25} ${y + 0.25}l.5 .5m0 -.5l-.5 .5`);
    },

    paint(canvas, words) {
      const side = Math.sqrt(words.length);
      if (canvas.width !== side) canvas.width = canvas.height = side;
      const bytes = new Uint8ClampedArray(words.buffer, words.byteOffset, words.byteLength);
      canvas.getContext("2d").putImageData(new ImageData(bytes, side, side), 0, 0);
    },
  };
})();
