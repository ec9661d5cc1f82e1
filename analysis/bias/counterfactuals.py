"""Position or content? Change the picture or the position embeddings, and see what DTF keeps then.

A selection that is about content moves with it; one that is about places stays where it is. Every
function leaves the model and the picture it is given untouched.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

from analysis.base.evaluate import table
from analysis.base.provenance import Provenance
from analysis.base.results import Estimate, shown
from analysis.bias.places import (
    RESOLUTION,
    check_patches,
    entropies,
    kept,
    mean_estimate,
    roll_table,
)
from tatok.config import TokenizerConfig
from tatok.entropy import ESTIMATORS
from tatok.streams import seeded
from tatok.tokenizer import TaTok
from tatok.transformer import patchify, unpatchify

# --- changed pictures ------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """Changed pictures (B, 3, S, S), and where their content came from.

    source (M,): place i shows what place source[i] showed before; -1: something new.
    """

    pixels: Tensor
    source: Tensor


def unchanged(x: Tensor, config: TokenizerConfig) -> Change:
    """The pictures as they are: what a change of the model is compared with."""
    return Change(x, torch.arange(config.num_patches))


def roll(x: Tensor, config: TokenizerConfig, dy: int, dx: int) -> Change:
    """The content moved down by dy and right by dx patches, round the torus."""
    return rearrange(x, config, _rolled(config.grid, dy, dx))


def shuffle(x: Tensor, config: TokenizerConfig, seed: int = 0) -> Change:
    """The patches in random order."""
    return rearrange(x, config, torch.randperm(config.num_patches, generator=seeded(seed, 5)))


def swap(x: Tensor, config: TokenizerConfig, first: int, second: int) -> Change:
    """Two patches exchanged."""
    source = torch.arange(config.num_patches)
    source[[first, second]] = source[[second, first]]
    return rearrange(x, config, source)


def repeat(x: Tensor, config: TokenizerConfig, place: int) -> Change:
    """The patch of one place everywhere: content says nothing any more."""
    return rearrange(x, config, torch.full((config.num_patches,), place))


def rearrange(x: Tensor, config: TokenizerConfig, source: Tensor) -> Change:
    """Place i shows what place source[i] showed, source (M,)."""
    check_patches(config)
    return Change(unpatchify(patchify(x, config)[:, source], config), source)


def mirror(x: Tensor, config: TokenizerConfig) -> Change:
    """Left and right exchanged, within the patches too."""
    check_patches(config)
    return Change(x.flip(3), torch.arange(config.num_patches).view(config.grid, -1).flip(1).ravel())


def crop_and_pad(x: Tensor, config: TokenizerConfig, dy: int, dx: int) -> Change:
    """The content moved down by dy and right by dx patches; what leaves is cropped.

    The strips that open are filled with the picture's mirror image, so that its old edge lies
    inside, without the seam that a roll makes. |dy|, |dx| <= g.
    """
    check_patches(config)
    row, row_inside = _reflected(config.image_size, dy * config.patch_size)
    column, column_inside = _reflected(config.image_size, dx * config.patch_size)
    inside = (row_inside[:, None] & column_inside)[:: config.patch_size, :: config.patch_size]
    source = _rolled(config.grid, dy, dx).masked_fill(~inside.ravel(), -1)
    return Change(x[:, :, row][:, :, :, column], source)


def _rolled(g: int, dy: int, dx: int) -> Tensor:
    return roll_table(g)[dy % g * g + dx % g]


def _reflected(size: int, shift: int) -> tuple[Tensor, Tensor]:
    """Which old line each new one shows after a shift, reflected at the ends; is it a moved one?"""
    line = torch.arange(size) - shift
    inside = (line >= 0) & (line < size)
    line = torch.where(line < 0, -1 - line, line)
    return torch.where(line >= size, 2 * size - 1 - line, line), inside


# --- changed positions -----------------------------------------------------------------------

# Where the model holds one vector for each place: module, parameter.
PARTS = {
    "encoder": ("encoder", "position"),
    "decoder": ("decoder", "position"),
    "predictor": ("predictor", "places"),
}


def zero(places: Tensor, seed: int) -> Tensor:
    """No position at all, (M, W)."""
    return torch.zeros_like(places)


def freeze(places: Tensor, seed: int) -> Tensor:
    """Every place has the mean embedding: the scale stays, the difference goes."""
    return places.mean(dim=0).expand_as(places).clone()


def permute(places: Tensor, seed: int) -> Tensor:
    """Every place has the embedding of another."""
    return places[torch.randperm(len(places), generator=seeded(seed, 6))]


POSITIONS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "zero": zero,
    "freeze": freeze,
    "permute": permute,
}


@torch.no_grad()
def with_positions(model: TaTok, how: str, parts: Sequence[str], seed: int = 0) -> TaTok:
    """The model with the position embeddings of `parts` changed; all other weights are shared.

    `rate` and `gain` decode, so the decoder's count for them; `gaussian`, `code` and `prior` ask
    the predictor. ValueError for an unknown name.
    """
    if how not in POSITIONS or not set(parts) <= set(PARTS):
        raise ValueError(f"Choose among {', '.join(POSITIONS)} and parts {', '.join(PARTS)}.")
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    other = copy.deepcopy(model, shared)  # what is in `shared` is not copied
    for module, name in (PARTS[part] for part in parts):
        places = POSITIONS[how](getattr(getattr(model, module), name), seed)
        setattr(getattr(other, module), name, nn.Parameter(places, requires_grad=False))
    return other


# --- what moved ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Agreement:
    """How far two selections agree, per image, (B,) each.

    common       share of the patches kept before that are kept after
    chance       what that share would be for as many patches drawn at random
    beyond       (common - chance) / (1 - chance): 1 for the same patches, 0 by chance
    correlation  of the two entropy maps; NaN where one is constant
    """

    common: Tensor
    chance: Tensor
    beyond: Tensor
    correlation: Tensor


@dataclass(frozen=True)
class Moved:
    """Agreement before and after by place, and by content: each patch with itself where it is now.

    content is None where that is the same (no patch moved) or no patch can be followed (`repeat`).
    """

    place: Agreement
    content: Agreement | None


def compare(
    before: Tensor, after: Tensor, source: Tensor, epsilon: float, generator: torch.Generator
) -> Moved:
    """What moved between entropies (B, M) before and after a change; ties broken at random.

    New content (source -1) counts by place only.
    """
    keep = [kept(H, epsilon, generator) for H in (before, after)]
    place = agreement(before, after, *keep)
    known = source >= 0
    was = source[known]
    followed = len(was.unique()) == len(was)
    if not followed or torch.equal(source, torch.arange(len(source))):
        return Moved(place, None)
    content = agreement(before[:, was], after[:, known], keep[0][:, was], keep[1][:, known])
    return Moved(place, content)


def agreement(H_before: Tensor, H_after: Tensor, before: Tensor, after: Tensor) -> Agreement:
    """Of two selections over the same M things: entropies and masks, (B, M) each."""
    common = (before & after).sum(dim=1).double() / before.sum(dim=1)
    chance = after.double().mean(dim=1)
    correlation = (_standard(H_before) * _standard(H_after)).sum(dim=1)
    return Agreement(common, chance, (common - chance) / (1 - chance), correlation)


def _standard(H: Tensor) -> Tensor:
    """Entropies (B, M) with mean 0 and norm 1; NaN where they are constant."""
    centred = H - H.mean(dim=1, keepdim=True)
    norm = centred.norm(dim=1, keepdim=True)
    constant = norm <= RESOLUTION * H.norm(dim=1, keepdim=True)
    return (centred / norm).masked_fill(constant, torch.nan)


# --- over a set ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Summary:
    """Means over images of Agreement's numbers; None where no image has one."""

    common: Estimate | None
    chance: Estimate | None
    beyond: Estimate | None
    correlation: Estimate | None


@dataclass(frozen=True)
class Row:
    """One change by one estimator over the n images whose H is not 0 everywhere, before or after.

    content: see Moved.
    """

    change: str
    estimator: str
    n: int
    place: Summary
    content: Summary | None


@dataclass(frozen=True)
class Counterfactuals:
    """The result file."""

    epsilon: float
    rows: tuple[Row, ...]
    provenance: Provenance


def plan(model: TaTok, x: Tensor, seed: int = 0) -> dict[str, tuple[TaTok, Change]]:
    """The changes that are measured over a set: name -> the model asked, the pictures shown."""
    config = model.config
    g = config.grid
    centre, corner = g // 2 * g + g // 2, 0
    pictures = {
        "roll by half": roll(x, config, g // 2, g // 2),
        "roll by a quarter to the right": roll(x, config, 0, g // 4),
        "roll by one to the right": roll(x, config, 0, 1),
        "mirror": mirror(x, config),
        "shuffle": shuffle(x, config, seed),
        "swap centre and corner": swap(x, config, centre, corner),
        "the centre patch everywhere": repeat(x, config, centre),
        "crop and pad, an eighth to the right": crop_and_pad(x, config, 0, max(1, g // 8)),
    }
    changes = {name: (model, change) for name, change in pictures.items()}
    for how in POSITIONS:
        for parts in (*((part,) for part in PARTS), tuple(PARTS)):
            other = with_positions(model, how, parts, seed)
            named = parts[0] if len(parts) == 1 else "all"
            changes[f"{how} positions, {named}"] = (other, unchanged(x, config))
    return changes


def measure(
    model: TaTok, images: Tensor, k: int | None = None, epsilon: float = 0.15, seed: int = 0
) -> tuple[Row, ...]:
    """Every change of `plan` by every estimator, means over images with bootstrap intervals.

    `shuffle` and `permute` are one permutation of seed `seed`, the same for all images: their
    intervals do not speak of other permutations.
    """
    names = tuple(ESTIMATORS)
    changes = plan(model, images, seed)
    rows = []
    with tqdm(total=len(images) * (len(changes) + 1), unit="image", dynamic_ncols=True) as bar:
        before = entropies(model, images, names, k, bar=bar)
        for name, (other, change) in changes.items():
            after = entropies(other, change.pixels, names, k, bar=bar)
            for estimator in names:
                pair = before[estimator], after[estimator]
                rows.append(_row(name, estimator, pair, change.source, epsilon, seed))
    return tuple(rows)


def _row(
    name: str,
    estimator: str,
    pair: tuple[Tensor, Tensor],
    source: Tensor,
    epsilon: float,
    seed: int,
) -> Row:
    counted = (pair[0] > 0).any(dim=1) & (pair[1] > 0).any(dim=1)
    before, after = (H[counted] for H in pair)
    moved = compare(before, after, source, epsilon, seeded(seed, 7))
    return Row(
        name,
        estimator,
        int(counted.sum()),
        _summary(moved.place, seed),
        None if moved.content is None else _summary(moved.content, seed),
    )


def _summary(found: Agreement, seed: int) -> Summary:
    return Summary(
        *(
            mean_estimate(values[values.isfinite()], seed) if values.isfinite().any() else None
            for values in (found.common, found.chance, found.beyond, found.correlation)
        )
    )


def markdown(rows: Sequence[Row]) -> str:
    """Agreement beyond chance and correlation of H, by place and by content."""
    head = ["change", "estimator", "n", "kept still", "by chance", "place", "content", "r place"]
    return table([*head, "r content"], [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    place = row.place
    content = row.content or Summary(None, None, None, None)
    shared = (place.common, place.chance, place.beyond, content.beyond)
    numbers = (*shared, place.correlation, content.correlation)
    texts = [shown(number, 2) if number else "–" for number in numbers]
    return [row.change, row.estimator, str(row.n), *texts]
