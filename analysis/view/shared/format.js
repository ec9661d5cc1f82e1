// Numbers and patches as text.
const Format = {
  number: (value, digits = 3) => value.toLocaleString("en-US", {
    maximumSignificantDigits: value >= 1000 ? Math.max(digits, Math.floor(Math.log10(value)) + 1) : digits,
  }),
  percent: (share, digits = 1) => `${(100 * share).toFixed(digits)} %`,
  decibels: (psnr) => (psnr === null ? "∞ dB" : `${psnr.toFixed(2)} dB`),
  signed: (value, digits) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`,
  capital: (words) => words[0].toUpperCase() + words.slice(1),
  // "bits, surprisal of the code" -> "bits"
  unit: (unit) => unit.split(/[ ,]/)[0],
  place: (index, grid) => `row ${Math.floor(index / grid) + 1}, column ${(index % grid) + 1}`,
};
