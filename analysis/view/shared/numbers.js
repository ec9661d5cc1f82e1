// The numbers of Studio.shown with their units, for files and tables. psnr: null where the pictures
// are equal; whatever needs pixels or a mask is undefined until they have come.
const Numbers = {
  of({ settings, map, filtered, kept, tokens, bits, pixels }) {
    return {
      M: map.M,
      N: kept,
      k: settings.k,
      tokens,
      ratio: tokens / map.M,
      bits,
      bits_per_pixel: bits.total / map.size ** 2,
      psnr_dB: pixels?.psnr,
      ssim: pixels?.ssim,
      tau: filtered.tau,
      H_total: map.ranked.total,
      T: map.minimum,
      unit: map.unit,
      binding: filtered.binding,
    };
  },
};
