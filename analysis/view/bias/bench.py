"""The lab's measurements on the live model: pure functions; the caches only remember.

What takes seconds is done in parts, so that the page can show how far it is, and stop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import torch
from torch import Tensor

from analysis.bias import controls
from analysis.bias.cure import content_free
from analysis.bias.decomposition import Decomposition, rolled, take_apart
from analysis.bias.placement import Placement, placement
from analysis.bias.places import entropies
from analysis.view.bias.question import change
from analysis.view.shared.engine import Engine, Square
from tatok.entropy import ESTIMATORS
from tatok.filtering import Correction

NAMES = tuple(ESTIMATORS)
SETS: dict[str, Callable[[int, int], Tensor]] = {
    "noise": controls.noises,
    "colours": controls.colours,
    "clouds": controls.clouds,
}
SET_SIZE = 24  # pictures; with the seeds 0, 1, …
SET_PART = 4  # pictures measured for one question
ROLL_PART = 16  # rolls measured for one question

Maps = dict[str, Tensor]  # by estimator: H, (n, M) float64


class Bench:
    """The engine's model under the lab's experiments, safe to call from several threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._set_part = lru_cache(64)(self._measure_set)
        self._roll_part = lru_cache(64)(self._measure_rolls)
        self._bias = lru_cache(8)(self._measure_bias)

    @property
    def set_parts(self) -> int:
        """How many questions a set takes."""
        return -(-SET_SIZE // SET_PART)

    @property
    def roll_parts(self) -> int:
        """How many questions all rolls take."""
        return -(-self.engine.model.config.num_patches // ROLL_PART)

    def look(self, square: Square, k: int) -> Maps:
        """H of one picture by every estimator, (1, M) each."""
        return {name: self.engine.measure(square, k, name, None).entropy for name in NAMES}

    def changed(self, square: Square, k: int, values: object) -> tuple[Square, Maps, Tensor]:
        """The picture after a change, its H, and where its content came from (`Change`)."""
        model, after = change(self.engine.model, square.x, values)
        if model is self.engine.model:
            other = Square.of(after.pixels)
            return other, self.look(other, k), after.source
        return square, entropies(model, after.pixels, NAMES, k), after.source

    def cured(self, square: Square, k: int, rule: str) -> Maps:
        """H without the place's share; without estimators whose bias the rule cannot use."""
        corrected = {}
        for name, H in self.look(square, k).items():
            bias = self._bias(k)[name]
            if rule == "subtract" or (bias > 0).all():
                corrected[name] = Correction(bias, rule)(H)
        return corrected

    def set_part(self, name: str, k: int, part: int) -> None:
        """Measure one part of a set of pictures."""
        self._set_part(name, k, part)

    def placements(self, name: str, k: int, epsilon: float) -> tuple[Placement, ...]:
        """Where a whole set keeps its patches, by estimator."""
        parts = [self._set_part(name, k, part) for part in range(self.set_parts)]
        return tuple(placement(name, e, H, epsilon) for e, H in _joined(parts).items())

    def roll_part(self, square: Square, k: int, part: int) -> None:
        """Measure some of a picture's rolls."""
        self._roll_part(square, k, part)

    def decompositions(
        self, square: Square, k: int, epsilon: float
    ) -> Mapping[tuple[str, str], Decomposition]:
        """All rolls of a picture taken apart, by estimator and response."""
        parts = [self._roll_part(square, k, part) for part in range(self.roll_parts)]
        return take_apart(_joined(parts), epsilon)

    def _measure_set(self, name: str, k: int, part: int) -> Maps:
        pictures = SETS[name](SET_SIZE, self.engine.model.config.image_size)
        some = pictures[part * SET_PART : (part + 1) * SET_PART]
        return entropies(self.engine.model, some, NAMES, k)

    def _measure_rolls(self, square: Square, k: int, part: int) -> Maps:
        config = self.engine.model.config
        some = range(part * ROLL_PART, min((part + 1) * ROLL_PART, config.num_patches))
        return entropies(self.engine.model, rolled(square.x, config, some), NAMES, k)

    def _measure_bias(self, k: int) -> Maps:
        """Mean H by place over content-free pictures, (M,) each."""
        maps = entropies(
            self.engine.model, content_free(self.engine.model.config.image_size), NAMES, k
        )
        return {name: H.mean(dim=0) for name, H in maps.items()}


def _joined(parts: list[Maps]) -> Maps:
    return {name: torch.cat([part[name] for part in parts]) for name in NAMES}


def seamless(square: Square) -> Square:
    """The mirror-padded picture, a torus without a seam."""
    return Square.of(controls.mirrored(square.x))
