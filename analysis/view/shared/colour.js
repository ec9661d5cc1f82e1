// Perceptually uniform colour maps: anchors at equal distances, linear between them.
const Colour = (() => {
  const table = (anchors) => {
    const rgb = anchors.split(" ").map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
    return Array.from({ length: 256 }, (_, level) => {
      const at = (level / 255) * (rgb.length - 1);
      const low = Math.min(Math.floor(at), rgb.length - 2);
      return rgb[low].map((v, c) => Math.round(v + (rgb[low + 1][c] - v) * (at - low)));
    });
  };
  const viridis = table("#440154 #482878 #3e4989 #31688e #26828e #1f9e89 #35b779 #6ece58 #b5de2b #fde725");
  const magma = table("#000004 #180f3d #440f76 #721f81 #9e2f7f #cd4071 #f1605d #fd9668 #feca8d #fcfdbf");
  const gradient = (map) => `linear-gradient(90deg, ${map.filter((_, i) => i % 15 === 0).map((c) => `rgb(${c})`).join(", ")})`;
  return { viridis, magma, gradient };
})();
