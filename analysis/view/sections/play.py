"""Play: the tokens of a picture added in DTF order, frame by frame, and the frames as a GIF."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from functools import lru_cache

import gradio as gr
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from analysis.view.shared.engine import Engine, Square
from analysis.view.shared.section import asks, section
from analysis.view.shared.settings import BadSetting, Settings
from analysis.view.shared.studio import page_sides
from analysis.view.tokenize.patch_view import mask_text, rgb_base64
from tatok import filtering
from tatok.images import to_pil
from tatok.quality import psnr

FRAMES = 41  # of a run from no patch to all M
BATCH = 8  # frames decoded at once
CACHED = 24  # batches remembered, 2 MB each at 128 px

SIDE, GAP, CHART, TEXT = 256, 12, 132, 26  # of the GIF, in pixels
MILLISECONDS, LAST = 120, 1500  # how long a frame of the GIF is shown
INK, FAINT, ACCENT = (31, 41, 55), (150, 156, 166), (59, 130, 246)


@dataclass(frozen=True)
class Frame:
    """n patches kept, which ones (M,), the picture (1, 3, S, S), PSNR in dB (None: equal)."""

    count: int
    keep: Tensor
    image: Tensor
    psnr: float | None


def strides(M: int) -> list[int]:
    """The numbers of patches that a run shows: 0 to M in at most FRAMES even steps."""
    return sorted({round(i * M / (FRAMES - 1)) for i in range(FRAMES)})


def batches(M: int) -> int:
    """How many batches a run has."""
    return math.ceil(len(strides(M)) / BATCH)


class Player:
    """Decodes the frames of a run, a batch at a time, and remembers them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._batch = lru_cache(CACHED)(self._decode)

    def batch(self, square: Square, settings: Settings, index: int) -> tuple[Frame, ...]:
        """Frames of batch `index`. They depend on k, estimator and target, not on ε or policy."""
        return self._batch(square, settings.k, settings.estimator, settings.target_psnr, index)

    def run(self, square: Square, settings: Settings) -> list[Frame]:
        """All frames of a run."""
        M = self.engine.grid(square) ** 2
        return [f for i in range(batches(M)) for f in self.batch(square, settings, i)]

    @torch.inference_mode()
    def _decode(
        self, square: Square, k: int, estimator: str, target_psnr: float | None, index: int
    ) -> tuple[Frame, ...]:
        codes = self.engine.quantize(square, k).patch_codes  # (1, M)
        # As `select(count=n)`: in the order before clamping, which goes on where H = 0.
        rank = self.engine.measure(square, k, estimator, target_psnr).rank  # (1, M)
        counts = strides(rank.shape[1])[index * BATCH : (index + 1) * BATCH]
        keep = filtering.top(rank.expand(len(counts), -1), torch.tensor(counts))  # (n, M)
        images = self.engine.decode(square, k, codes.masked_fill(~keep, -1))
        decibels = psnr(square.x.expand_as(images), images).tolist()
        return tuple(
            Frame(n, keep[i], images[i : i + 1], value if math.isfinite(value) else None)
            for i, (n, value) in enumerate(zip(counts, decibels, strict=True))
        )


def gif(x: Tensor, frames: list[Frame], k: int, grid: int) -> bytes:
    """The frames as a GIF: kept patches, reconstruction, and PSNR against tokens up to there."""
    pages = [_page(x, frames, at, k, grid) for at in range(len(frames))]
    # The octree is thirty times as fast as the median cut, and keeps the colour of a thin line.
    method = Image.Quantize.FASTOCTREE
    palettes = [page.quantize(256, method, dither=Image.Dither.NONE) for page in pages]
    buffer = io.BytesIO()
    palettes[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=palettes[1:],
        duration=[MILLISECONDS] * (len(pages) - 1) + [LAST],
        loop=0,
    )
    return buffer.getvalue()


def _page(x: Tensor, frames: list[Frame], at: int, k: int, grid: int) -> Image.Image:
    frame = frames[at]
    width = 2 * SIDE + 3 * GAP
    page = Image.new("RGB", (width, SIDE + CHART + TEXT + 3 * GAP), "white")
    kept = Image.fromarray((frame.keep.reshape(grid, grid).numpy() * 217 + 38).astype("uint8"))
    mask = kept.resize((SIDE, SIDE), Image.Resampling.NEAREST)
    picture = to_pil(x).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    page.paste(picture, (GAP, GAP), mask)
    result = to_pil(frame.image).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    page.paste(result, (SIDE + 2 * GAP, GAP))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    value = "inf" if frame.psnr is None else f"{frame.psnr:.2f}"
    text = f"k + n = {k} + {frame.count} tokens    {value} dB"
    draw.text((GAP, SIDE + 1.5 * GAP), text, INK, font)
    bottom = page.height - GAP - TEXT // 2
    _curve(draw, frames, at, k, (GAP, SIDE + TEXT + 2 * GAP, width - GAP, bottom))
    return page


def _curve(draw: ImageDraw.ImageDraw, frames: list[Frame], at: int, k: int, box: tuple) -> None:
    """PSNR against k + n, up to frame `at`; the scale is that of the whole run."""
    left, top, right, bottom = box
    finite = [f.psnr for f in frames if f.psnr is not None] or [0.0]
    low, high = math.floor(min(finite)), math.ceil(max(finite) + 0.01)
    values = [high if f.psnr is None else f.psnr for f in frames]
    x = [left + 44 + (right - left - 44) * f.count / frames[-1].count for f in frames]
    y = [bottom - (bottom - top) * (value - low) / (high - low) for value in values]
    font = ImageFont.load_default(12)
    for level, line in ((high, top), (low, bottom)):
        draw.line((left + 44, line, right, line), FAINT)
        draw.text((left, line), f"{level} dB", FAINT, font, anchor="lm")
    draw.text((left + 44, bottom + 3), str(k), FAINT, font)
    draw.text((right, bottom + 3), f"{k + frames[-1].count} tokens", FAINT, font, anchor="ra")
    points = list(zip(x, y, strict=True))[: at + 1]
    if at:
        draw.line(points, ACCENT, 2)
    draw.circle(points[-1], 4, INK)


def build(engine: Engine, session: gr.State) -> None:
    """Add the section to the current Blocks. Its event `play` asks for a batch, or for the GIF."""
    config, player = engine.model.config, Player(engine)
    counts = {str(side): strides(config.grid_of(side) ** 2) for side in page_sides(config)}
    view = section("sections/play", counts=counts)

    def frames(square, settings, wanted):
        index = wanted.get("batch")
        if type(index) is not int or not 0 <= index < batches(engine.grid(square) ** 2):
            raise BadSetting("There is no such part of the run.")
        drawn = player.batch(square, settings, index)
        return {
            "frames": [rgb_base64(frame.image) for frame in drawn],
            "keep": [mask_text(frame.keep) for frame in drawn],
            "psnr": [frame.psnr for frame in drawn],
        }

    def animation(square, settings, wanted):
        data = gif(square.x, player.run(square, settings), settings.k, engine.grid(square))
        return {"gif": base64.b64encode(data).decode("ascii")}

    def serve(square, settings, wanted):
        made = animation if wanted.get("gif") is True else frames
        return made(square, settings, wanted)

    asks(view, "play", engine, session, serve)
