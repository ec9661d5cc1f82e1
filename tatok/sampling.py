"""MaskGIT's iterative decoding over TaTok tokens: every step is a value the page can draw.

Conventions. Schedule: of L tokens, floor(L * gamma(t / T)) are still masked after step t of T,
gamma falling from 1 to 0. Guidance: logits = u + g_t (c - u), c with the class and u without, so
that g = 1 is no guidance. Confidence of a drawn code: ln p + tau_t * Gumbel, tau_t falling to 0.
Order `halton`, a departure: patches are fixed in the order of a sequence that spreads them over the
picture, so that those of one step, drawn without knowledge of each other, lie far apart.
Global codes are drawn in the first 3/8 of the steps (all, if the patches are known); N and the
places follow; then the patches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from tatok import filtering
from tatok.canvas import MASKED, Canvas, Logits, pack, unpack
from tatok.config import check_epsilon
from tatok.generator import MaskGIT
from tatok.streams import seeded
from tatok.tokenizer import TaTok
from tatok.tokens import Tokens

GLOBAL_SHARE = 3 / 8

# gamma(r): the share of tokens still masked at r = t / T
SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda r: math.cos(math.pi * r / 2),
    "arccos": lambda r: math.acos(r) * 2 / math.pi,
    "linear": lambda r: 1 - r,
    "square": lambda r: 1 - r * r,
}
# share of (g - 1) that is in force at r = t / T
GUIDANCE_SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda r: 1.0,
    "linear": lambda r: r,
    "cosine": lambda r: (1 - math.cos(math.pi * r)) / 2,
}

ORDERS = ("confidence", "halton")  # in which patches are fixed


@dataclass(frozen=True)
class SamplingOptions:
    """The knobs of `sample` and `fill`; every one changes the result.

    Guidance and temperature are those of the smallest gFD of `assets/demo`; epsilon is among the
    smallest that the generator of `assets/anygrid` was trained at. Temperature and guidance of the
    patches are as those of the global codes where they are None.
    """

    steps: int = 8
    schedule: str = "arccos"
    temperature: float = 0.5  # of the codes: logits are divided by it
    choice_temperature: float = 2.0  # of the Gumbel noise on the confidence, annealed
    top_p: float = 1.0
    guidance: float = 8.0
    guidance_schedule: str = "linear"
    epsilon: float = 0.15  # length by DTF, unless a count is given
    seed: int = 0
    patch_temperature: float | None = None
    patch_guidance: float | None = None
    order: str = "confidence"
    patch_spread: float = 1.0  # deviation of the patches' codes about their mean, see `narrowed`

    def __post_init__(self) -> None:
        if not isinstance(self.steps, Integral) or self.steps < 1:
            raise ValueError(f"steps must be a whole number from 1, not {self.steps}.")
        if not isinstance(self.seed, Integral):
            raise ValueError(f"seed must be a whole number, not {self.seed}.")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}.")
        if self.guidance_schedule not in GUIDANCE_SCHEDULES:
            raise ValueError(f"guidance_schedule must be one of {', '.join(GUIDANCE_SCHEDULES)}.")
        if self.order not in ORDERS:
            raise ValueError(f"order must be one of {', '.join(ORDERS)}.")
        if not min(self.temperatures) > 0 or not self.choice_temperature >= 0:
            raise ValueError("temperature must be above 0, choice_temperature not below it.")
        for name in ("top_p", "patch_spread"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in (0, 1], not {getattr(self, name)}.")
        if not all(map(math.isfinite, self.guidances)):
            raise ValueError("guidance must be a number.")
        check_epsilon(self.epsilon)

    @property
    def temperatures(self) -> tuple[float, float]:
        """Of the global codes, and of the patches."""
        own = self.patch_temperature
        return self.temperature, self.temperature if own is None else own

    @property
    def guidances(self) -> tuple[float, float]:
        """Of the global codes, and of the patches."""
        own = self.patch_guidance
        return self.guidance, self.guidance if own is None else own


@dataclass(frozen=True)
class Step:
    """What one step did.

    tokens: the state after it (-1 also where a kept patch is not drawn yet); keep (B, M): which
    patches there will be, all False until the global codes are known. committed: Tokens that hold
    only what this step fixed, -1 elsewhere. confidence: ln p of each committed code, 0 elsewhere,
    global (B, k) and patches (B, M).
    """

    index: int
    steps: int
    tokens: Tokens
    keep: Tensor
    committed: Tokens
    global_confidence: Tensor
    patch_confidence: Tensor


def still_masked(length: Tensor, step: int, steps: int, schedule: str) -> Tensor:
    """Tokens still masked after step t of T, for each row: (B,) -> (B,).

    floor(L gamma(t / T)), but at most L - t: every step fixes a token while there is one.
    """
    if step >= steps:
        return torch.zeros_like(length)
    left = (length * SCHEDULES[schedule](step / steps)).floor().long()
    return torch.minimum(left, (length - step).clamp(min=0))


def sample(
    model: MaskGIT,
    labels: Sequence[str | int | None],
    count: int | Sequence[int] | None = None,
    tokenizer: TaTok | None = None,
    first_row: int = 0,
    **options: Any,
) -> Iterator[Step]:
    """Draw one picture's tokens per label, step by step; see SamplingOptions for `options`.

    The length is DTF's at `epsilon`, or `count` patches. tokenizer: the generator's own, where it
    `needs_tokenizer`. first_row: the number of the first picture in a longer list drawn in parts.
    Raises ValueError for bad labels or options.
    """
    if model.needs_tokenizer and tokenizer is None:
        raise ValueError("To draw with these weights the tokenizer is needed too.")
    chosen, N = model.labels(labels), model.counts(count, len(labels))
    unknown = torch.full((len(chosen), model.config.k), MASKED, device=model.device)
    settings = SamplingOptions(**options)
    return fill(model, chosen, settings, unknown, None, None, N, tokenizer, first_row)


@torch.no_grad()
def fill(
    model: MaskGIT,
    labels: Tensor,
    options: SamplingOptions,
    global_codes: Tensor,
    patch_codes: Tensor | None,
    keep: Tensor | None,
    count: Tensor | None = None,
    tokenizer: TaTok | None = None,
    first_row: int = 0,
    places: str = "sent",
) -> Iterator[Step]:
    """Draw whatever is MASKED, one Step at a time; what is known is never changed.

    labels (B,), `len(classes)` for none; global_codes (B, k); patch_codes and keep (B, M), or None
    where the places are to be chosen once the global codes are known: by `count` (B,) or by
    options.epsilon. tokenizer: as for `sample`. places: how the decoder learns a given `keep`, see
    Tokens. Every row draws from its own stream, (seed, first_row + row).
    """
    if options.patch_spread < 1 and tokenizer is None:
        raise ValueError("patch_spread needs the tokenizer, whose codes it measures.")
    book = tokenizer.patch_codebook.codes if tokenizer is not None else None
    rows = range(first_row, first_row + len(labels))
    streams = [seeded(options.seed, row, device=model.device) for row in rows]
    T, split = options.steps, _global_steps(options.steps, global_codes, patch_codes, keep)
    for t in range(1, T + 1):
        if t == split + 1 and keep is None:
            entropy = None
            if tokenizer is not None and model.ranks_by_globals:
                entropy = tokenizer.place_entropy(global_codes, model.config.grid)
            keep = model.choose_places(labels, global_codes, options.epsilon, count, entropy)
            if entropy is not None and not (global_codes == MASKED).any():
                places = "prior"  # the decoder finds them by the same codes
        canvas = model.look(tokenizer, _canvas(model, labels, global_codes, patch_codes, keep))
        masked = canvas.masked  # (B, k + L)
        drawable = masked.clone()
        if t <= split:
            drawable[:, model.config.k :] = False
        step, steps = (t, split) if t <= split else (t - split, T - split)
        if step == 1:
            length = drawable.sum(dim=1)
        if not drawable.any():  # more steps than tokens: there is nothing to run the model for
            yield _Fixed(canvas, canvas.codes, *_nothing(masked), model).as_step(t, T, keep, places)
            continue
        codes, ln_p = _draw(model, canvas, options, t / T, streams, book)
        noise = (1 - step / steps) * options.choice_temperature
        confidence = ln_p + noise * _token_noise(model, canvas, streams)
        if options.order == "halton":
            rank = halton_rank(model.config.grid).to(confidence)
            confidence[:, model.config.k :] = -rank[canvas.places.clamp(min=0)]
        fixed = _most_confident(
            confidence, drawable, still_masked(length, step, steps, options.schedule)
        )
        made = _Fixed(canvas, codes, ln_p, fixed, model)
        yield made.as_step(t, T, keep, places)
        global_codes = made.global_codes
        if keep is not None:
            patch_codes = made.patch_codes


@lru_cache
def halton_rank(grid: int) -> Tensor:
    """The place of each patch, (M,) int64 in rows, in the order in which the Halton sequence of
    bases 2 and 3 first falls on it; as in arXiv:2503.17076."""
    from scipy.stats.qmc import Halton  # slow to import, and seldom asked for

    points = torch.from_numpy(Halton(2, scramble=False).random(16 * grid * grid))
    cell = (points * grid).long()
    visited = list(dict.fromkeys((cell[:, 0] * grid + cell[:, 1]).tolist()))
    return torch.tensor(visited).argsort()


def _nothing(masked: Tensor) -> tuple[Tensor, Tensor]:
    """ln p and what is fixed of a step that draws nothing, (B, k + L) each."""
    return torch.zeros(masked.shape, device=masked.device), torch.zeros_like(masked)


def _global_steps(
    steps: int, global_codes: Tensor, patch_codes: Tensor | None, keep: Tensor | None
) -> int:
    """Steps given to the global codes: all of them where every kept patch is known.

    With a single step everything is drawn in it.
    """
    if not (global_codes == MASKED).any():
        return 0
    if keep is not None and patch_codes is not None and not (keep & (patch_codes == MASKED)).any():
        return steps
    return min(steps - 1, max(1, round(GLOBAL_SHARE * steps)))


def _canvas(
    model: MaskGIT,
    labels: Tensor,
    global_codes: Tensor,
    patch_codes: Tensor | None,
    keep: Tensor | None,
) -> Canvas:
    """What is known so far, packed; no patch tokens while the places are unknown."""
    M = model.config.num_patches
    if keep is None:
        keep = torch.zeros(len(labels), M, dtype=torch.bool, device=global_codes.device)
    if patch_codes is None:
        patch_codes = torch.full_like(keep, MASKED, dtype=torch.long)
    places, codes = pack(keep, patch_codes)
    return Canvas(labels, global_codes, codes, places)


def _draw(
    model: MaskGIT,
    canvas: Canvas,
    options: SamplingOptions,
    r: float,
    streams: list,
    book: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """A code for every masked token, and its ln p: (B, k + L) each; known tokens as they are, 0.

    book (K, d_p): the codes of the patches.
    """
    share = GUIDANCE_SCHEDULES[options.guidance_schedule](r)
    logits = _guided(model, canvas, *(1 + (g - 1) * share for g in options.guidances))
    codes, ln_p = canvas.codes.clone(), torch.zeros(canvas.codes.shape, device=model.device)
    k = canvas.global_codes.shape[1]
    parts = (
        (slice(0, k), logits.globals, 1.0),
        (slice(k, None), logits.patches, options.patch_spread),
    )
    for (part, values, spread), temperature in zip(parts, options.temperatures, strict=True):
        masked = canvas.masked[:, part]
        ln = (values / temperature).log_softmax(dim=1)
        if book is not None and spread < 1:
            ln = narrowed(ln, book, spread)
        ln = _nucleus(ln, options.top_p)
        noise = [
            _gumbel((int(row.sum()), values.shape[1]), [stream], ln.device)[0]
            for row, stream in zip(masked, streams, strict=True)
        ]
        drawn = (ln + torch.cat(noise)).argmax(dim=1)  # Gumbel-max: a draw from exp(ln)
        codes[:, part][masked] = drawn
        ln_p[:, part][masked] = ln.gather(1, drawn[:, None])[:, 0]
    return codes, ln_p


def _guided(model: MaskGIT, canvas: Canvas, of_globals: float, of_patches: float) -> Logits:
    """u + g (c - u), g of each kind; the pair with and without class is one batch."""
    if of_globals == of_patches == 1:
        return model.logits(canvas)
    twice = canvas.each(lambda values: torch.cat([values, values]))
    twice.labels[len(canvas.labels) :] = len(model.config.classes)  # none
    both = model.logits(twice)
    (c_g, u_g), (c_p, u_p) = both.globals.chunk(2), both.patches.chunk(2)
    return Logits(u_g.lerp(c_g, of_globals), u_p.lerp(c_p, of_patches))


def narrowed(ln: Tensor, codes: Tensor, spread: float) -> Tensor:
    """Log-probabilities (n, K) drawn together about their mean code, codes (K, d); a departure:

    ln p - (1 / s^2 - 1) ||e - m||^2 / (2 v) + const, m = sum p e, v = sum p ||e - m||^2 / d.

    For a Gaussian p this is the Gaussian of the same mean and s times the deviation. A low
    temperature sharpens p about its mode instead, which may lie far from the mean where p is wide.
    """
    p = ln.exp()
    squared = torch.cdist(p @ codes, codes).square()  # (n, K)
    v = (p * squared).sum(dim=1, keepdim=True).clamp(min=1e-12) / codes.shape[1]
    return (ln - (spread**-2 - 1) * squared / (2 * v)).log_softmax(dim=1)


def _nucleus(ln: Tensor, top_p: float) -> Tensor:
    """Log-probabilities (n, K) of the smallest set of codes that holds top_p; -inf elsewhere."""
    if top_p == 1:
        return ln
    sorted_ln, order = ln.sort(dim=1, descending=True)
    before = sorted_ln.exp().cumsum(dim=1) - sorted_ln.exp()
    cut = (before >= top_p).scatter(1, order, before >= top_p)
    return ln.masked_fill(cut, -torch.inf).log_softmax(dim=1)


def _gumbel(shape: tuple[int, ...], streams: list, device: torch.device) -> Tensor:
    """Standard Gumbel noise, one row of `shape` from each stream, (rows, *shape)."""
    uniform = [torch.rand(shape, generator=stream, device=device) for stream in streams]
    return -(-torch.stack(uniform).clamp(1e-20, 1 - 1e-7).log()).log()


def _token_noise(model: MaskGIT, canvas: Canvas, streams: list) -> Tensor:
    """Gumbel noise of each token, (B, k + L), the same for a place whatever the other rows hold."""
    k = model.config.k
    noise = _gumbel((k + model.config.num_patches,), streams, model.device)  # (B, k + M)
    return torch.cat([noise[:, :k], noise[:, k:].gather(1, canvas.places.clamp(min=0))], dim=1)


def _most_confident(confidence: Tensor, drawable: Tensor, leave: Tensor) -> Tensor:
    """All drawable tokens but the `leave` (B,) least confident of each row, (B, k + L) bool."""
    number = (drawable.sum(dim=1) - leave).clamp(min=0)
    order = confidence.masked_fill(~drawable, -torch.inf).argsort(
        dim=1, descending=True, stable=True
    )
    return filtering.keep_first(order, number) & drawable


@dataclass(frozen=True)
class _Fixed:
    """One step's canvas, proposed codes, ln p, and which of them are fixed; all (B, k + L)."""

    canvas: Canvas
    codes: Tensor
    ln_p: Tensor
    fixed: Tensor
    model: MaskGIT

    @property
    def global_codes(self) -> Tensor:
        """(B, k) after the step."""
        k = self.model.config.k
        return torch.where(self.fixed, self.codes, self.canvas.codes)[:, :k]

    @property
    def patch_codes(self) -> Tensor:
        """(B, M) after the step."""
        return self._spread(torch.where(self.fixed, self.codes, self.canvas.codes), MASKED)

    def _spread(self, packed: Tensor, empty: float) -> Tensor:
        config = self.model.config
        return unpack(self.canvas.places, packed[:, config.k :], config.num_patches, empty)

    def as_step(self, index: int, steps: int, keep: Tensor | None, places: str) -> Step:
        config = self.model.config
        new = self.codes.masked_fill(~self.fixed, MASKED)
        ln_p = self.ln_p.masked_fill(~self.fixed, 0.0)
        K = config.codebook_size
        tokens = lambda g, p: Tokens(g, p, config.layout, K, places)  # noqa: E731
        return Step(
            index=index,
            steps=steps,
            tokens=tokens(self.global_codes, self.patch_codes),
            keep=keep if keep is not None else torch.zeros_like(self.patch_codes, dtype=torch.bool),
            committed=tokens(new[:, : config.k], self._spread(new, MASKED)),
            global_confidence=ln_p[:, : config.k],
            patch_confidence=self._spread(ln_p, 0.0),
        )
