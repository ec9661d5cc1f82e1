"""What the Generate tab may ask for, as plain values. Knows nothing of Gradio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from analysis.view.state import BadSetting, parse_name, parse_number
from tatok import TokenizerConfig
from tatok.config import GeneratorConfig
from tatok.sampling import GUIDANCE_SCHEDULES, SCHEDULES, SamplingOptions

MAX_PICTURES = 8
MAX_STEPS = 32
MAX_SEED = 2**31 - 1

# What is given, and so what is drawn.
CLASS = "class"  # nothing: globals, N, places and patches are drawn
INPAINT = "inpaint"  # a picture of which some patches are painted over: those are drawn
KEEP_GLOBALS = "keep globals"  # a picture's global tokens: N, places and patches are drawn
KEEP_PATCHES = "keep patches"  # a picture's patches: the global tokens are drawn
BETWEEN = "between"  # global tokens between those of two pictures: the rest is drawn
MODES = (CLASS, INPAINT, KEEP_GLOBALS, KEEP_PATCHES, BETWEEN)

# The ranges that the page accepts, and what it calls them.
RANGES: dict[str, tuple[str, float, float]] = {
    "temperature": ("The temperature", 0.05, 3),
    "choice_temperature": ("The choice temperature", 0, 20),
    "top_p": ("top-p", 0.01, 1),
    "guidance": ("The guidance", 0, 10),
}


@dataclass(frozen=True)
class Drawing:
    """One press of Generate.

    label: a class, or None; count: N, or None for DTF's at options.epsilon. Picture i of `pictures`
    is drawn with the seed `options.seed` + i, so that each can be had again by itself.
    """

    mode: str
    label: str | None
    pictures: int
    count: int | None
    options: SamplingOptions

    @classmethod
    def parse(cls, values: Mapping, config: GeneratorConfig) -> Drawing:
        """A drawing from untrusted values. Raises BadSetting with one sentence.

        What is missing has the default of SamplingOptions. Without a class there is nothing to be
        guided to: guidance is 1 then, which costs half.
        """
        default = SamplingOptions()
        label = values.get("label") or None
        if label is not None:
            label = parse_name(label, "The class", config.classes)
        epsilon = parse_number(values.get("epsilon", default.epsilon), "ε")
        if not 0 <= epsilon < 1:
            raise BadSetting("ε must lie in [0, 1).")
        count = values.get("count")
        if count is not None:
            count = _whole(count, "N", 0, config.num_patches)
        knobs = {name: _within(values.get(name, getattr(default, name)), name) for name in RANGES}
        schedules = {"schedule": SCHEDULES, "guidance_schedule": GUIDANCE_SCHEDULES}
        for name, known in schedules.items():
            value = values.get(name, getattr(default, name))
            knobs[name] = parse_name(value, f"The {name.replace('_', ' ')}", known)
        if label is None:
            knobs["guidance"] = 1.0
        return cls(
            mode=parse_name(values.get("mode", CLASS), "What is drawn from", MODES),
            label=label,
            pictures=_whole(values.get("pictures", 1), "The number of pictures", 1, MAX_PICTURES),
            count=count,
            options=SamplingOptions(
                steps=_whole(values.get("steps", default.steps), "Steps", 1, MAX_STEPS),
                epsilon=epsilon,
                seed=_whole(values.get("seed", default.seed), "The seed", 0, MAX_SEED),
                **knobs,
            ),
        )

    def t(self, row: int) -> float:
        """Where picture `row` lies between the two, 0..1; a single one in the middle."""
        return row / (self.pictures - 1) if self.pictures > 1 else 0.5

    def title(self, row: int) -> str:
        """What tells picture `row` from the others of this drawing."""
        if self.mode == BETWEEN:
            return f"t = {self.t(row):.2f}"
        return f"seed {self.seed(row)}"

    def seed(self, row: int) -> int:
        """Seed of picture `row`. Between two pictures all share one: only G differs then."""
        return self.options.seed + (0 if self.mode == BETWEEN else row)


def parse_hidden(value: object, config: TokenizerConfig) -> Tensor:
    """The painted patches, M characters "0" or "1", as pixels: (S, S) bool. Raises BadSetting."""
    M, S, grid = config.num_patches, config.image_size, config.grid
    if not isinstance(value, str) or len(value) != M or set(value) - {"0", "1"}:
        raise BadSetting(f"The painted patches must be {M} characters, each 0 or 1.")
    if "1" not in value:
        raise BadSetting("Paint over a part of the picture first: that part is drawn.")
    if "0" not in value:
        raise BadSetting("Leave at least one patch of the picture unpainted.")
    cells = torch.tensor([c == "1" for c in value]).reshape(grid, grid)
    cell = (torch.arange(S) // config.stride).clamp(max=grid - 1)  # of each row of pixels
    return cells[cell][:, cell]


def parse_codes(values: object, config: GeneratorConfig) -> tuple[Tensor, Tensor]:
    """Codes of a whole picture from the browser, (1, k) and (1, M), -1 where a patch is dropped.

    Raises BadSetting for anything that no generated picture has.
    """
    values = values if isinstance(values, Mapping) else {}
    parts = []
    for name, length, low in (("globals", config.k, 0), ("patches", config.num_patches, -1)):
        codes = values.get(name)
        if (
            not isinstance(codes, list)
            or len(codes) != length
            or not all(type(c) is int and low <= c < config.codebook_size for c in codes)
        ):
            raise BadSetting("These are not the tokens of a whole picture.")
        parts.append(torch.tensor(codes, dtype=torch.long).reshape(1, length))
    return parts[0], parts[1]


def _whole(value: object, what: str, low: int, high: int) -> int:
    number = parse_number(value, what)
    if number != int(number) or not low <= number <= high:
        raise BadSetting(f"{what} must be a whole number in {low}..{high}.")
    return int(number)


def _within(value: object, name: str) -> float:
    what, low, high = RANGES[name]
    number = parse_number(value, what)
    if not low <= number <= high:
        raise BadSetting(f"{what} must lie in {low:g}..{high:g}.")
    return number
