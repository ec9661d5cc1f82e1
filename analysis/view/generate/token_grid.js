// The tokens of one picture on a canvas: the k global ones as a strip, under it the M places as a
// grid. A cell is { state, code, lnP, step }; states are UNPLACED (which places are kept is not known
// yet), DROPPED, MASKED, GIVEN and DRAWN.
const TokenGrid = (() => {
  const GAP = 0.7; // of a cell, between strip and grid
  const GREY = "128, 136, 150";
  const GIVEN = "#7d8ba3";

  // Cells at a step, strip first. `tokens` is a frame of analysis/view/generate/view.py.
  const cells = (tokens, { k, grid }, step) => {
    const placed = tokens.placed !== null && tokens.placed <= step;
    const empty = (place) => {
      if (!placed) return { state: "UNPLACED" };
      return { state: tokens.keep[place] === "1" ? "MASKED" : "DROPPED" };
    };
    const all = [
      ...Array.from({ length: k }, () => ({ state: "MASKED" })),
      ...Array.from({ length: grid * grid }, (_, place) => empty(place)),
    ];
    const set = (offset) => ([place, code, lnP, at]) => {
      if (at > step) return;
      all[offset + place] = { state: at === 0 ? "GIVEN" : "DRAWN", code, lnP, step: at };
    };
    tokens.globals.forEach(set(0));
    tokens.patches.forEach(set(k));
    return all;
  };

  // Where a cell lies, in cells; the strip is wrapped to the width of the grid.
  const layout = ({ k, grid }) => {
    const rows = Math.ceil(k / grid);
    const gap = k > 0 ? GAP : 0;
    return {
      width: grid,
      height: rows + gap + grid,
      at: (i) => (i < k
        ? { x: i % grid, y: Math.floor(i / grid) }
        : { x: (i - k) % grid, y: rows + gap + Math.floor((i - k) / grid) }),
      under(x, y) { // the cell under a point in cells, or null
        const [column, row] = [Math.floor(x), Math.floor(y)];
        if (column < 0 || column >= grid || y < 0) return null;
        const i = row * grid + column;
        if (row < rows) return i < k ? i : null;
        const below = Math.floor(y - rows - gap);
        return below >= 0 && below < grid ? k + below * grid + column : null;
      },
    };
  };

  const paintCell = (context, x, y, side, cell, colour, isNew) => {
    const inset = Math.max(side * 0.08, 0.5);
    const inner = side - 2 * inset;
    context.lineWidth = Math.max(side * 0.07, 1);
    if (cell.state === "DROPPED") {
      context.strokeStyle = `rgba(${GREY}, .75)`;
      context.beginPath();
      context.moveTo(x + side * 0.36, y + side * 0.64);
      context.lineTo(x + side * 0.64, y + side * 0.36);
      context.stroke();
    } else if (cell.state === "UNPLACED") {
      context.fillStyle = `rgba(${GREY}, .14)`;
      context.fillRect(x + inset, y + inset, inner, inner);
    } else if (cell.state === "MASKED") {
      const half = inset + context.lineWidth / 2;
      context.strokeStyle = `rgba(${GREY}, .95)`;
      context.strokeRect(x + half, y + half, side - 2 * half, side - 2 * half);
    } else {
      context.fillStyle = cell.state === "GIVEN" ? GIVEN : colour(cell);
      context.fillRect(x + inset, y + inset, inner, inner);
      if (!isNew) return;
      context.beginPath();
      context.arc(x + side / 2, y + side / 2, side * 0.15, 0, 2 * Math.PI);
      context.fillStyle = "#fff";
      context.strokeStyle = "rgba(0, 0, 0, .6)";
      context.fill();
      context.stroke();
    }
  };

  // ln p from a pure guess among K codes, -ln K, to 0; or the step from 1 to T.
  const colours = ({ by, steps, codebookSize }) => (cell) => {
    const share = by === "step" ? (cell.step - 1) / Math.max(steps - 1, 1) : 1 + cell.lnP / Math.log(codebookSize);
    return `rgb(${Colour.viridis[Math.round(255 * Math.min(Math.max(share, 0), 1))]})`;
  };

  // The cell next to another; itself at the edge.
  const neighbour = (i, dx, dy, { k, grid }) => {
    const rows = Math.ceil(k / grid); // of the strip
    const row = (i < k ? Math.floor(i / grid) : rows + Math.floor((i - k) / grid)) + dy;
    const column = ((i < k ? i : i - k) % grid) + dx;
    if (column < 0 || column >= grid || row < 0 || row >= rows + grid) return i;
    if (row >= rows) return k + (row - rows) * grid + column;
    return Math.min(row * grid + column, k - 1);
  };

  return {
    cells,
    neighbour,
    layout,
    paintCell,

    paint(canvas, all, shape, options) {
      const { width, height, at } = layout(shape);
      const side = Math.max(Math.round((canvas.clientWidth * window.devicePixelRatio) / width), 4);
      canvas.width = side * width;
      canvas.height = Math.round(side * height);
      const context = canvas.getContext("2d");
      const colour = colours(options);
      all.forEach((cell, i) => {
        const { x, y } = at(i);
        paintCell(context, x * side, y * side, side, cell, colour, cell.step === options.step && cell.state === "DRAWN");
      });
    },

    describe(all, i, { k, grid }) {
      const cell = all[i];
      const place = i - k;
      const name = i < k ? `global token ${i + 1} of ${k}`
        : `patch row ${Math.floor(place / grid) + 1}, column ${(place % grid) + 1}`;
      const what = {
        UNPLACED: "whether it is kept follows from the global tokens",
        DROPPED: "dropped: the decoder fills it",
        MASKED: "kept, still masked",
        GIVEN: `given, code ${cell.code}`,
        DRAWN: `code ${cell.code}, drawn in step ${cell.step} with ln p = ${cell.lnP?.toFixed(2).replace("-", "−")}`,
      };
      if (i < k && cell.state === "MASKED") what.MASKED = "still masked";
      return `${name[0].toUpperCase()}${name.slice(1)}: ${what[cell.state]}`;
    },
  };
})();
