"""Editing with the generator as it is: inpainting, variation, interpolation.

Each function returns `sampling.fill` on tokens of which some are known: an iterator of Step, one a
step, of which `TaTok.decode(step.tokens)` is the picture so far. Errors in the arguments are raised
at once, as ValueError. The generator must belong to the tokenizer: `MaskGIT.check_tokenizer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from tatok.canvas import MASKED
from tatok.entropy import ESTIMATORS
from tatok.generator import MaskGIT
from tatok.sampling import SamplingOptions, Step, fill
from tatok.tokenizer import TaTok
from tatok.tokens import Encoding, Evidence, Tokens
from tatok.transformer import patchify


@torch.no_grad()
def inpaint(
    tokenizer: TaTok,
    generator: MaskGIT,
    x: Tensor,
    hidden: Tensor,
    label: str | int | None,
    count: int | Sequence[int] | None = None,
    **options: Any,
) -> Iterator[Step]:
    """Draw the patches that hold a hidden pixel, given all the others; see `encode_visible`.

    x (B, 3, S, S) in [-1, 1]: one picture, or several (or one several times: each row is drawn by
    itself) under the same mask; hidden (S, S) or (1, 1, S, S) bool, True where painted over. The
    global codes are those of the visible part and stay. Of all M places DTF at options.epsilon, or
    `count`, keeps those with most entropy: measured where visible, predicted where hidden, so that
    N is of the whole picture. Only hidden, kept places are drawn. ValueError where nothing or
    everything is hidden, for a wrong shape, label, count or option.
    """
    settings, labels = SamplingOptions(**options), generator.labels([label] * len(x))
    N = generator.counts(count, len(x))
    unseen = hidden_patches(tokenizer, hidden)  # (M,)
    if len(unseen) != generator.config.num_patches:
        raise ValueError(
            f"The generator draws pictures of {generator.config.num_patches} patches, not of "
            f"{len(unseen)}."
        )
    encoding = encode_visible(tokenizer, x, hidden, generator.config.k)
    evidence = tokenizer.measure(encoding, generator.config.estimator)
    every = tokenizer.quantize(encoding)
    entropy = _entropy(generator, evidence, labels, every.global_codes, unseen)
    keep = generator.choose_places(labels, every.global_codes, settings.epsilon, N, entropy)
    known = every.patch_codes.masked_fill(unseen, MASKED)
    ruled = ESTIMATORS[generator.config.estimator].from_globals  # by codes that stay
    places = "prior" if ruled else "sent"
    given = every.global_codes, known, keep
    return fill(generator, labels, settings, *given, tokenizer=tokenizer, places=places)


def vary_patches(
    tokenizer: TaTok,
    generator: MaskGIT,
    tokens: Tokens,
    label: str | int | None,
    count: int | Sequence[int] | None = None,
    **options: Any,
) -> Iterator[Step]:
    """Keep the global codes of `tokens` (B rows), draw the patches.

    N (by options.epsilon, or `count`) and the places are drawn anew too: what stays of the picture
    is what its global tokens carry. ValueError for tokens of another shape, label, count, option.
    """
    _check(generator, tokens)
    return _patches(tokenizer, generator, tokens.global_codes, label, count, options)


def vary_globals(
    tokenizer: TaTok,
    generator: MaskGIT,
    tokens: Tokens,
    label: str | int | None,
    **options: Any,
) -> Iterator[Step]:
    """Keep the patches of `tokens` (B rows) at their places, draw the global codes in all steps.

    What stays of the picture is what its patches carry. ValueError for tokens of another shape, for
    an unknown label or an option.
    """
    _check(generator, tokens)
    settings = SamplingOptions(**options)
    labels = generator.labels([label] * len(tokens.global_codes))
    unknown = torch.full_like(tokens.global_codes, MASKED)
    given = unknown, tokens.patch_codes, tokens.keep
    return fill(generator, labels, settings, *given, tokenizer=tokenizer)


@torch.no_grad()
def interpolate(
    tokenizer: TaTok,
    generator: MaskGIT,
    a: Encoding,
    b: Encoding,
    t: Sequence[float],
    label: str | int | None,
    count: int | Sequence[int] | None = None,
    **options: Any,
) -> Iterator[Step]:
    """Between the global tokens of two pictures: row j of every Step belongs to t[j].

    The global tokens (1 - t) G_a + t G_b, before quantization, are quantized, and the patches drawn
    given their codes (count = 0: none, the decoder gets the global tokens alone). a, b: encodings
    of one picture each, with the generator's k; t in [0, 1]. ValueError otherwise.
    """
    k, shapes = generator.config.k, {tuple(e.globals.shape[:2]) for e in (a, b)}
    if shapes != {(1, k)}:
        raise ValueError(f"Two encodings of one picture each with k = {k} are needed.")
    if not t or not all(0 <= value <= 1 for value in t):
        raise ValueError("t must be numbers from 0 to 1.")
    weight = torch.tensor(t, dtype=a.globals.dtype, device=a.globals.device)[:, None, None]
    between = replace(a, globals=torch.lerp(a.globals, b.globals, weight))  # (len(t), k, D)
    codes = tokenizer.quantize_globals(between).codes
    return _patches(tokenizer, generator, codes, label, count, options)


def hidden_patches(tokenizer: TaTok, hidden: Tensor) -> Tensor:
    """(S, S) or (1, 1, S, S) bool -> (M,) bool: the patches that hold any hidden pixel.

    ValueError for another shape or type, and where no patch or every patch is hidden.
    """
    S = hidden.shape[-1] if hidden.ndim else 0
    shaped = hidden.shape in ((S, S), (1, 1, S, S)) and S in tokenizer.config.sides
    if hidden.dtype != torch.bool or not shaped:
        raise ValueError("The mask must be boolean, one number for each pixel of the picture.")
    unseen = patchify(hidden.reshape(1, 1, S, S).float(), tokenizer.config)[0].any(dim=1)
    if not unseen.any():
        raise ValueError("Nothing is hidden.")
    if unseen.all():
        raise ValueError("Every patch is hidden; at least one has to stay visible.")
    return unseen


@torch.no_grad()
def encode_visible(tokenizer: TaTok, x: Tensor, hidden: Tensor, k: int | None = None) -> Encoding:
    """The encoding of what is not hidden: nothing in it depends on a hidden pixel.

    x (B, 3, S, S), hidden as in `hidden_patches`. Patches that hold a hidden pixel are taken out of
    the encoder's sequence (zeros stand in their places of `patches`), and hidden pixels of `pixels`
    are 0. The encoder was trained on whole pictures only.
    """
    tokenizer.check_shape(x)
    unseen = hidden_patches(tokenizer, hidden)
    if hidden.shape[-1] != x.shape[-1]:
        raise ValueError(f"The mask is {hidden.shape[-1]} pixels wide, the picture {x.shape[-1]}.")
    seen_pixels = x.masked_fill(hidden.reshape(hidden.shape[-2:]), 0.0)
    return tokenizer.encode(seen_pixels, k, visible=~unseen)


def _entropy(
    generator: MaskGIT, evidence: Evidence, labels: Tensor, global_codes: Tensor, unseen: Tensor
) -> Tensor:
    """H(p_i | G) of all places, (B, M): measured where visible, and where not, predicted.

    The head predicts shares of H_total; the measured ones give their unit.
    """
    if ESTIMATORS[evidence.estimator].from_globals:
        return evidence.entropy
    share = generator.predicted_entropy(labels, global_codes)
    unseen = unseen.to(share.device)
    measured, predicted = (
        H[:, ~unseen].sum(dim=1, keepdim=True) for H in (evidence.entropy, share)
    )
    return torch.where(unseen, share * measured / predicted.clamp(min=1e-12), evidence.entropy)


def _patches(
    tokenizer: TaTok,
    generator: MaskGIT,
    global_codes: Tensor,
    label: str | int | None,
    count: int | Sequence[int] | None,
    options: dict[str, Any],
) -> Iterator[Step]:
    """Draw N, the places and the patches given all global codes (B, k)."""
    B, settings = len(global_codes), SamplingOptions(**options)
    labels, N = generator.labels([label] * B), generator.counts(count, B)
    return fill(generator, labels, settings, global_codes, None, None, N, tokenizer)


def _check(generator: MaskGIT, tokens: Tokens) -> None:
    """ValueError for tokens that the generator cannot go on with."""
    c, (k, M) = generator.config, (tokens.global_codes.shape[1], tokens.patch_codes.shape[1])
    if (k, M, tokens.codebook_size, tokens.layout) != (
        c.k, c.num_patches, c.codebook_size, c.layout
    ):  # fmt: skip
        raise ValueError(
            f"The generator goes on with k = {c.k} global tokens and {c.num_patches} places in "
            f"layout {c.layout}, not with {k} and {M} in layout {tokens.layout}."
        )
