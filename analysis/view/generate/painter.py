"""The generator behind the page: drawings in, steps and pictures out.

Pictures are drawn one after the other: on a CPU a batch costs as much per picture as one alone
does, and so the first is there after its own time and a stop comes after one step of one picture.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial

import torch
from torch import Tensor

from analysis.view.generate.settings import BETWEEN, CLASS, INPAINT, KEEP_GLOBALS, Drawing
from analysis.view.shared.engine import Engine, Square
from analysis.view.shared.zero import gpu
from tatok import MaskGIT, Tokens, edit
from tatok.sampling import Step, sample

Row = tuple[int, int, float, int]  # place, code, ln p, step; a given token has step 0 and ln p 0


@dataclass(frozen=True)
class Sources:
    """What a drawing starts from besides its settings; None where its mode needs none.

    hidden (S, S) bool, True where painted over.
    """

    a: Square | None = None
    b: Square | None = None
    hidden: Tensor | None = None


@dataclass(frozen=True)
class Progress:
    """One picture after one step.

    globals and patches: the tokens known so far, in the order of their steps. placed: the first
    step in which N and the places are known, or None. seconds: spent on drawing.
    """

    step: Step
    globals: tuple[Row, ...]
    patches: tuple[Row, ...]
    placed: int | None
    seconds: float

    @property
    def ended(self) -> bool:
        """All tokens are drawn."""
        return self.step.index == self.step.steps


@dataclass(frozen=True)
class Numbers:
    """What a whole picture is made of: N, k + N, exact bits, and the mean ln p of drawn codes."""

    kept: int
    tokens: int
    bits: int
    mean_ln_p: float | None  # None where nothing was drawn
    seconds: float


class Painter:
    """A generator with the tokenizer it belongs to; ValueError if it belongs to another one."""

    def __init__(
        self, engine: Engine, generator: MaskGIT, device: torch.device | None = None
    ) -> None:
        """device: where it draws, where that is not where the two are."""
        generator.check_tokenizer(engine.model)
        self.engine, self.generator = engine, generator
        self._models = engine, generator
        if device is not None:
            model, drawer = (copy.deepcopy(m).to(device) for m in (engine.model, generator))
            self._models = Engine(model, engine.side, engine.half), drawer
        self._lent: dict[Callable, Callable] = {}

    def lent(self, work: Callable) -> Callable:
        """`work(painter, drawing, row, sources)` without its first argument, one GPU call each."""
        if work not in self._lent:
            self._lent[work] = gpu(partial(work, self))
        return self._lent[work]

    def draw(self, drawing: Drawing, row: int, sources: Sources) -> Iterator[Progress]:
        """Picture `row` of a drawing, step by step. Stopping to read leaves nothing running."""
        begin = time.perf_counter()
        spent, placed = 0.0, None
        known: tuple[list[Row], list[Row]] = ([], [])
        for step in self._steps(drawing, row, sources):
            tell(step, known)
            if placed is None and (bool(step.keep.any()) or step.index == step.steps):
                placed = step.index
            spent += time.perf_counter() - begin
            yield Progress(step, tuple(known[0]), tuple(known[1]), placed, spent)
            begin = time.perf_counter()

    def _steps(self, drawing: Drawing, row: int, sources: Sources) -> Iterator[Step]:
        engine, generator = self._models
        model = engine.model
        options = asdict(drawing.options) | {"seed": drawing.seed(row)}
        label, count = drawing.label, drawing.count
        if drawing.mode == CLASS:
            return sample(generator, [label], count, model, **options)
        if drawing.mode == INPAINT:
            x, hidden = (part.to(model.device) for part in (sources.a.x, sources.hidden))
            return edit.inpaint(model, generator, x, hidden, label, count, **options)
        if drawing.mode == BETWEEN:
            a, b = (engine.encode(s, generator.config.k) for s in (sources.a, sources.b))
            t = [drawing.t(row)]
            return edit.interpolate(model, generator, a, b, t, label, count, **options)
        tokens = self.tokens(sources.a, drawing)
        if drawing.mode == KEEP_GLOBALS:
            return edit.vary_patches(model, generator, tokens, label, count, **options)
        return edit.vary_globals(model, generator, tokens, label, **options)

    @torch.inference_mode()
    def tokens(self, square: Square, drawing: Drawing) -> Tokens:
        """A picture's own tokens, of the length that the drawing asks for."""
        engine, config = self._models[0], self.generator.config
        model, encoding = engine.model, engine.encode(square, config.k)
        selection = model.select(
            encoding, drawing.options.epsilon, config.estimator, count=drawing.count
        )
        return model.quantize(encoding, selection)

    @torch.inference_mode()
    def picture(self, step: Step) -> Tensor:
        """The picture so far, (1, 3, S, S): what is not drawn yet is the decoder's mask token.

        After the last step it is `Engine.image` of the tokens.
        """
        return self._models[0].image(step.tokens, step.keep)


def tell(step: Step, known: tuple[list[Row], list[Row]]) -> None:
    """Add to `known` (globals, patches) what a step fixed, with the first step what was given."""
    new, state = step.committed, step.tokens
    parts = (
        (new.global_codes, state.global_codes, step.global_confidence),
        (new.patch_codes, state.patch_codes, step.patch_confidence),
    )
    for rows, (fixed, codes, ln_p) in zip(known, parts, strict=True):
        values = zip(fixed[0].tolist(), codes[0].tolist(), ln_p[0].tolist(), strict=True)
        for place, (drawn, code, confidence) in enumerate(values):
            if drawn >= 0:
                rows.append((place, code, round(confidence, 3), step.index))
            elif code >= 0 and step.index == 1:
                rows.append((place, code, 0.0, 0))


def numbers(progress: Progress) -> Numbers:
    """The numbers of a picture after its last step."""
    tokens = progress.step.tokens
    drawn = [row[2] for row in progress.globals + progress.patches if row[3] > 0]
    return Numbers(
        kept=int(tokens.count[0]),
        tokens=tokens.global_codes.shape[1] + int(tokens.count[0]),
        bits=int(tokens.bits()[0]),
        mean_ln_p=round(sum(drawn) / len(drawn), 3) if drawn else None,
        seconds=round(progress.seconds, 3),
    )
