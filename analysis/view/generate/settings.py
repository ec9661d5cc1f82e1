"""What the Generate tab may ask for, as plain values. Knows nothing of Gradio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from analysis.view.shared.settings import BadSetting, parse_epsilon, parse_name, parse_number
from tatok import TaTok, Tokens
from tatok.config import GeneratorConfig
from tatok.edit import hidden_patches
from tatok.sampling import GUIDANCE_SCHEDULES, ORDERS, SCHEDULES, SamplingOptions

MAX_PICTURES = 8
MAX_STEPS = 32
MAX_SEED = 2**31 - 1
GIVEN = "The patches are given."
NO_PICTURE = "These are not the tokens of a whole picture."

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
    "patch_spread": ("The spread of the patches", 0.05, 1),
}
# Those of the patches where they are not as those of the global codes.
OF_PATCHES = {
    "patch_temperature": ("The temperature of the patches", *RANGES["temperature"][1:]),
    "patch_guidance": ("The guidance of the patches", *RANGES["guidance"][1:]),
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
        epsilon = parse_epsilon(values.get("epsilon", default.epsilon))
        count = values.get("count")
        if count is not None:
            count = _whole(count, "N", 0, config.num_patches)
        knobs = {name: _within(values.get(name, getattr(default, name)), name) for name in RANGES}
        knobs |= {
            name: None if values.get(name) is None else _within(values[name], name)
            for name in OF_PATCHES
        }
        named = {"schedule": SCHEDULES, "guidance_schedule": GUIDANCE_SCHEDULES, "order": ORDERS}
        for name, known in named.items():
            value = values.get(name, getattr(default, name))
            knobs[name] = parse_name(value, f"The {name.replace('_', ' ')}", known)
        if label is None:
            knobs["guidance"] = knobs["patch_guidance"] = 1.0
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

    @property
    def idle(self) -> dict[str, str]:
        """The knobs that change nothing as the others are, and for each one sentence why."""
        steps, found = self.options.steps, {}
        drawn = (self.mode in (CLASS, KEEP_PATCHES), self.mode != KEEP_PATCHES)  # globals, patches
        guidances = {
            g for g, is_drawn in zip(self.options.guidances, drawn, strict=True) if is_drawn
        }
        for name in ("guidance", "temperature"):
            if not drawn[1]:
                found[f"patch_{name}"] = GIVEN
            elif not drawn[0] and getattr(self.options, f"patch_{name}") is not None:
                found[name] = "The global tokens are given."
        if not drawn[1]:
            found |= {"patch_spread": GIVEN, "order": GIVEN}
        elif not drawn[0] and self.options.order == "halton":
            found["choice_temperature"] = "The order does not ask for confidence."
        if self.label is None:
            why = "Without a class there is nothing to be guided to."
            found |= dict.fromkeys(("guidance", "patch_guidance", "guidance_schedule"), why)
        elif guidances == {1}:
            found["guidance_schedule"] = "Guidance 1 is none, at every step."
        elif steps == 1:
            found["guidance_schedule"] = "The last step, here the only one, has all the guidance."
        # From a class the global tokens have steps of their own, and so have the patches.
        if steps <= (2 if self.mode == CLASS else 1):
            why = "With so few steps, all tokens of a kind are drawn at once."
            found |= {"schedule": why, "choice_temperature": why, "order": why}
        return found

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


def parse_hidden(value: object, model: TaTok, side: int) -> Tensor:
    """The painted patches of a picture of S = side pixels, M characters "0" or "1", as pixels:
    (S, S) bool. Raises BadSetting."""
    config, S = model.config, side
    grid = config.grid_of(S)
    M = grid**2
    if not isinstance(value, str) or len(value) != M or set(value) - {"0", "1"}:
        raise BadSetting(f"The painted patches must be {M} characters, each 0 or 1.")
    if "1" not in value:
        raise BadSetting("Paint over a part of the picture first: that part is drawn.")
    cells = torch.tensor([c == "1" for c in value]).reshape(grid, grid)
    cell = (torch.arange(S) // config.stride).clamp(max=grid - 1)  # of each row of pixels
    pixels = cells[cell][:, cell]
    try:
        hidden_patches(model, pixels)
    except ValueError:  # where patches overlap, one that is not painted may be hidden as well
        raise BadSetting("Paint over less: no patch of the picture stays wholly visible.") from None
    return pixels


def parse_tokens(values: object, config: GeneratorConfig) -> Tokens:
    """The tokens of a whole picture from the browser: codes of the globals, k of them, and of all M
    places, -1 where a patch is dropped, and Tokens.places.

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
            raise BadSetting(NO_PICTURE)
        parts.append(torch.tensor(codes, dtype=torch.long).reshape(1, length))
    places = values.get("places")
    if places not in ("sent", "prior"):  # all that a drawing has
        raise BadSetting(NO_PICTURE)
    return Tokens(*parts, config.layout, config.codebook_size, places)


def _whole(value: object, what: str, low: int, high: int) -> int:
    number = parse_number(value, what)
    if number != int(number) or not low <= number <= high:
        raise BadSetting(f"{what} must be a whole number in {low}..{high}.")
    return int(number)


def _within(value: object, name: str) -> float:
    what, low, high = (RANGES | OF_PATCHES)[name]
    number = parse_number(value, what)
    if not low <= number <= high:
        raise BadSetting(f"{what} must lie in {low:g}..{high:g}.")
    return number
