"""What the lab's tab may ask for, as plain values, and the pictures and changes it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from analysis.bias import controls, counterfactuals
from analysis.bias.counterfactuals import PARTS, POSITIONS, Change
from analysis.view.shared.asking import LOST
from analysis.view.shared.crop import Accepted
from analysis.view.shared.engine import Engine, Square
from analysis.view.shared.settings import BadSetting, parse_name, parse_place, parse_whole
from tatok import TaTok, TokenizerConfig

MAX_SEED = 9_999
PICTURES = (*controls.SINGLE, "noise", "clouds", "colour", "example", "upload")


@dataclass(frozen=True)
class Subject:
    """The picture of the lab. Only what its kind uses is read.

    seed     of noise and clouds
    colour   of a flat picture, 0..255 each
    name     of an example, or what the server called the upload
    """

    kind: str
    seed: int = 0
    colour: tuple[int, ...] = (128, 128, 128)
    name: str = ""

    @classmethod
    def parse(cls, values: object) -> Subject:
        """From an untrusted value. Raises BadSetting."""
        values = values if isinstance(values, Mapping) else {}
        kind = parse_name(values.get("kind"), "The picture", PICTURES)
        if kind in ("noise", "clouds"):
            return cls(kind, seed=parse_whole(values.get("seed"), "The seed", 0, MAX_SEED))
        if kind == "colour":
            colour = values.get("colour")
            if not isinstance(colour, list) or len(colour) != 3:
                raise BadSetting("A colour must be three whole numbers.")
            return cls(
                kind, colour=tuple(parse_whole(level, "A colour", 0, 255) for level in colour)
            )
        if kind in ("example", "upload"):
            name = values.get("name")
            if not isinstance(name, str):
                raise BadSetting("The picture must have a name.")
            return cls(kind, name=name)
        return cls(kind)

    def square(
        self, engine: Engine, examples: Mapping[str, Path], accepted: Accepted | None
    ) -> Square:
        """The picture as the model sees it. Raises BadSetting, BadImage."""
        size = engine.model.config.image_size
        if self.kind == "example":
            name = parse_name(self.name, "The example", examples)
            return engine.square(str(examples[name]), None)
        if self.kind == "upload":
            if accepted is None or accepted.id != self.name:
                raise BadSetting(LOST)
            return engine.square(accepted.path, None)
        if self.kind == "noise":
            return Square.of(controls.noises(1, size, self.seed))
        if self.kind == "clouds":
            return Square.of(controls.clouds(1, size, self.seed))
        if self.kind == "colour":
            levels = torch.tensor(self.colour) / 127.5 - 1
            return Square.of(levels[None, :, None, None].expand(1, 3, size, size).contiguous())
        return Square.of(controls.patterns(size)[self.kind])


# --- changes ---------------------------------------------------------------------------------

Values = Mapping[str, object]


def _shift(values: Values, low: int, high: int) -> tuple[int, int]:
    dy, dx = (parse_whole(values.get(name), "A shift", low, high) for name in ("dy", "dx"))
    return dy, dx


def _roll(x: Tensor, config: TokenizerConfig, values: Values) -> Change:
    return counterfactuals.roll(x, config, *_shift(values, 0, config.grid - 1))


def _crop_and_pad(x: Tensor, config: TokenizerConfig, values: Values) -> Change:
    return counterfactuals.crop_and_pad(x, config, *_shift(values, -config.grid, config.grid))


def _mirror(x: Tensor, config: TokenizerConfig, values: Values) -> Change:
    return counterfactuals.mirror(x, config)


def _shuffle(x: Tensor, config: TokenizerConfig, values: Values) -> Change:
    return counterfactuals.shuffle(
        x, config, parse_whole(values.get("seed"), "The seed", 0, MAX_SEED)
    )


def _swap(x: Tensor, config: TokenizerConfig, values: Values) -> Change:
    places = (parse_place(values.get(name), config.num_patches) for name in ("first", "second"))
    return counterfactuals.swap(x, config, *places)


def _repeat(x: Tensor, config: TokenizerConfig, values: Values) -> Change:
    return counterfactuals.repeat(x, config, parse_place(values.get("first"), config.num_patches))


CHANGES: dict[str, Callable[[Tensor, TokenizerConfig, Values], Change]] = {
    "roll": _roll,
    "mirror": _mirror,
    "shuffle": _shuffle,
    "swap": _swap,
    "repeat": _repeat,
    "crop": _crop_and_pad,
}


def change(model: TaTok, x: Tensor, values: object) -> tuple[TaTok, Change]:
    """The model asked and the picture shown after a change named by an untrusted value.

    Raises BadSetting; BadData where the model's patches overlap.
    """
    values = values if isinstance(values, Mapping) else {}
    kind = parse_name(values.get("kind"), "The change", (*CHANGES, "positions"))
    if kind != "positions":
        return model, CHANGES[kind](x, model.config, values)
    how = parse_name(values.get("how"), "The change of positions", POSITIONS)
    parts = values.get("parts")
    if not isinstance(parts, list) or not 0 < len(parts) <= len(PARTS):
        raise BadSetting("Choose at least one part of the model.")
    parts = [parse_name(part, "The part", PARTS) for part in parts]
    other = counterfactuals.with_positions(model, how, parts)
    return other, counterfactuals.unchanged(x, model.config)
