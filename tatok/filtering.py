"""Dynamic Token Filtering (Alg. 1, Eq. 5-6) and the other selection policies.

Pure functions, batch first: entropy in, mask out. None loops over images; `chain` alone takes its
patches one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tatok.config import check_epsilon

RULES = ("subtract", "divide")


@dataclass(frozen=True)
class Selection:
    """Which patches are kept, and why.

    entropy    (B, M) H(p_i | G), float64
    keep       (B, M) bool
    count      (B,)   N, patches kept
    threshold  (B,)   tau of Eq. 5; NaN where `count` was given by hand
    total      (B,)   H_total
    minimum    (B,)   T = (1 - alpha) R(D0) (of `gain`: the error to save); 0 without a target PSNR
    binding    by image: "loss rate" ((1 - eps) H_total), "minimum" (T), "unreachable" (T > H_total:
               all M are kept and Eq. 6 still does not hold) or "count" (N was given)
    policy, estimator, unit: how it came about
    corrected  whether the place's share was taken out of `entropy`
    """

    entropy: Tensor
    keep: Tensor
    count: Tensor
    threshold: Tensor
    total: Tensor
    minimum: Tensor
    binding: tuple[str, ...]
    policy: str
    estimator: str
    unit: str
    corrected: bool = False

    def __repr__(self) -> str:
        B, M = self.keep.shape
        N = ", ".join(map(str, self.count[:4].tolist())) + (", …" if B > 4 else "")
        return f"Selection({B}: N = {N} of M = {M}, {self.policy} by {self.estimator})"


@dataclass(frozen=True, eq=False)
class Correction:
    """Takes the place's share out of the entropies; beyond the paper.

    bias (M,): b, the mean of H by place over images in which no place is special. "subtract":
    max(0, H_i - (b_i - mean b)); "divide": H_i mean b / b_i. Either turns H = b into the constant
    mean b and keeps the scale of H, though not exactly its sum: N by Eq. 6 may change a little.
    ValueError for another rule, or a b that the rule cannot use.
    """

    bias: Tensor
    rule: str = "subtract"

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"The rule must be one of {', '.join(RULES)}, not {self.rule!r}.")
        if self.rule == "divide" and not (self.bias > 0).all():
            raise ValueError("To divide by it, the bias must be positive at every place.")

    def __call__(self, entropy: Tensor) -> Tensor:
        """Entropies (B, M) without the place's share, (B, M)."""
        if self.rule == "divide":
            return entropy * (self.bias.mean() / self.bias)
        return (entropy - (self.bias - self.bias.mean())).clamp(min=0)


@dataclass(frozen=True)
class Filtered:
    """What Alg. 1 returns: `keep` (B, M) bool, and (B,) each of N, tau and H_total."""

    keep: Tensor
    count: Tensor
    threshold: Tensor
    total: Tensor


def dtf(entropy: Tensor, epsilon: float | Tensor, minimum: Tensor | float = 0.0) -> Filtered:
    """Dynamic Token Filtering: the fewest patches whose entropies sum to tau (Eq. 6).

    entropy: (B, M), non-negative; epsilon in [0, 1) and minimum, T: a number or (B,).
    If tau > H_total no N satisfies Eq. 6 and all M are kept. Computed in float64.
    """
    H = check_entropy(entropy)
    B, M = H.shape
    check_epsilon(epsilon)
    epsilon = torch.as_tensor(epsilon, dtype=H.dtype, device=H.device)
    sorted_H, sigma = H.sort(dim=1, descending=True, stable=True)  # Alg. 1: ties, lower index first
    cumulative = sorted_H.cumsum(dim=1)  # H_k
    total = cumulative[:, -1]  # H_total is the last of these sums, so that epsilon = 0 is exact
    T = torch.as_tensor(minimum, dtype=H.dtype, device=H.device).expand(B)
    tau = torch.maximum(T, (1 - epsilon) * total)  # Eq. 5
    count = ((cumulative < tau[:, None]).sum(dim=1) + 1).clamp(max=M)  # Eq. 6
    return Filtered(keep_first(sigma, count), count, tau, total)


def binding(minimum: Tensor, total: Tensor, epsilon: float) -> tuple[str, ...]:
    """Which constraint of Eq. 6 fixes N, for each image: see Selection. T and H_total: (B,)."""
    return tuple(
        "unreachable" if T > H else "minimum" if T > (1 - epsilon) * H else "loss rate"
        for T, H in zip(minimum.tolist(), total.tolist(), strict=True)
    )


def check_entropy(entropy: Tensor) -> Tensor:
    """(B, M) as float64; ValueError if it is not a finite, non-negative matrix."""
    H = entropy.to(torch.float64)
    if H.ndim != 2 or not torch.isfinite(H).all() or (H < 0).any():
        raise ValueError("entropy must be a finite, non-negative (B, M) matrix.")
    return H


def counts(count: int | Sequence[int] | Tensor, B: int, M: int, device: torch.device) -> Tensor:
    """N of each of B images, (B,), from one number or B of them; ValueError outside 0..M."""
    N = torch.as_tensor(count, device=device)
    if (
        N.dtype == torch.bool
        or N.is_floating_point()
        or N.shape not in ((), (1,), (B,))
        or ((N < 0) | (N > M)).any()
    ):
        raise ValueError(
            f"count must be one whole number in 0..{M}, or one for each of {B} images."
        )
    return N.long().expand(B)


def keep_first(order: Tensor, count: Tensor) -> Tensor:
    """Mask (B, M) of the first count[b] places of each row's order (B, M), a permutation."""
    M = order.shape[1]
    chosen = torch.arange(M, device=order.device) < count[:, None]  # (B, M), by rank
    return torch.zeros_like(chosen).scatter(1, order, chosen)  # by place


def top(entropy: Tensor, count: Tensor) -> Tensor:
    """Mask (B, M) of the count[b] largest entropies; ties: lower index first."""
    return keep_first(entropy.argsort(dim=1, descending=True, stable=True), count)


def random(M: int, count: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Ex1: count[b] places drawn without replacement, those of image b from generators[b]."""
    scores = [torch.rand(M, generator=g, device=g.device).to(count.device) for g in generators]
    return top(torch.stack(scores), count)


def uniform(M: int, count: Tensor) -> Tensor:
    """Ex2: count[b] evenly spaced places, the j-th at floor((j + 1/2) M / N)."""
    place = torch.arange(M, device=count.device)
    N = count[:, None]
    # place i is hit iff some j has floor((2j + 1) M / (2N)) = i: hits below i + 1 against below i
    hits = lambda edge: (2 * N * edge + M - 1).div(2 * M, rounding_mode="floor")  # noqa: E731
    return hits(place + 1) > hits(place)


def first(M: int, count: Tensor) -> Tensor:
    """Ex3: the first count[b] places in raster order."""
    return torch.arange(M, device=count.device) < count[:, None]


def last(M: int, count: Tensor) -> Tensor:
    """Ex4: the last count[b] places in raster order."""
    return torch.arange(M, device=count.device) >= M - count[:, None]


def edges(entropy: Tensor, count: Tensor) -> Tensor:
    """The left and right columns first, as App. D.3 proposes, then the rest; (B, M) mask.

    Both parts by H descending, ties: lower index first.
    """
    M = entropy.shape[1]
    grid = math.isqrt(M)
    column = torch.arange(M, device=entropy.device) % grid
    outer = (column == 0) | (column == grid - 1)
    by_entropy = entropy.argsort(dim=1, descending=True, stable=True)
    outer_first = (~outer[by_entropy]).to(torch.uint8).argsort(dim=1, stable=True)
    return keep_first(by_entropy.gather(1, outer_first), count)


def chain(sigma: Tensor, correlation: Tensor, count: Tensor) -> Tensor:
    """Greedy by H(p_i | G, already kept): pivoted Cholesky of diag(s) C diag(s), (B, M) mask.

    sigma: (B, M) conditional standard deviations given G (the image's own scale); correlation:
    (M, M), shared by all images. Sequential in N, batched over images. Beyond the paper: marginal
    entropies count shared information twice, conditional ones do not.
    """
    B, M = sigma.shape
    sigma, correlation = sigma.to(count.device), correlation.to(count.device)
    rows, steps = torch.arange(B, device=sigma.device), int(count.max()) if B else 0
    variance = sigma.double() ** 2 * correlation.double().diagonal()  # given all picked so far
    factor = sigma.new_zeros(B, M, steps, dtype=torch.float64)  # Cholesky columns
    keep = torch.zeros(B, M, dtype=torch.bool, device=sigma.device)
    for step in range(steps):
        pick = variance.masked_fill(keep, -1.0).argmax(dim=1)  # (B,)
        covariance = (
            sigma.double() * sigma[rows, pick].double()[:, None] * correlation[pick].double()
        )
        column = covariance - torch.einsum(
            "bmj,bj->bm", factor[:, :, :step], factor[rows, pick, :step]
        )
        column = column / variance[rows, pick].clamp(min=1e-12).sqrt()[:, None]
        factor[:, :, step] = column
        variance = (variance - column**2).clamp(min=0)
        keep[rows, pick] |= step < count
    return keep


# --- the policies --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """What a policy may choose by: H (B, M) and N (B,); the rest is made when it is asked for.

    streams: one generator for each image. chain: sigma(G) (B, M) and the correlation (M, M).
    """

    entropy: Tensor
    count: Tensor
    streams: Callable[[], Sequence[torch.Generator]] = tuple
    chain: Callable[[], Any] = tuple

    @property
    def M(self) -> int:
        """Number of places."""
        return self.entropy.shape[1]


@dataclass(frozen=True)
class Policy:
    """How N places are chosen: `choose` -> mask (B, M).

    ruled: the choice follows from N, or from N and the global codes, which the decoder has; then
    the places need not be sent.
    """

    choose: Callable[[Choice], Tensor]
    ruled: bool = False


def _by_chain(choice: Choice) -> Tensor:
    deviation, correlation = choice.chain()
    return chain(deviation, correlation, choice.count)


POLICIES: dict[str, Policy] = {
    "dtf": Policy(lambda c: top(c.entropy, c.count)),
    "random": Policy(lambda c: random(c.M, c.count, c.streams())),
    "uniform": Policy(lambda c: uniform(c.M, c.count), ruled=True),
    "first": Policy(lambda c: first(c.M, c.count), ruled=True),
    "last": Policy(lambda c: last(c.M, c.count), ruled=True),
    "chain": Policy(_by_chain, ruled=True),
    "edges": Policy(lambda c: edges(c.entropy, c.count)),
}


def find(policy: str) -> Policy:
    """The policy of that name; ValueError if there is none."""
    if policy not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(POLICIES)}, not {policy!r}.")
    return POLICIES[policy]
