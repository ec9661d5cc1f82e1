"""What a step of the tokenizer's training sends of each picture: k, and which patches are kept."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tatok import filtering
from tatok.config import EPSILONS
from tatok.tokenizer import TaTok
from tatok.tokens import Encoding
from tatok.training.data import log_uniform

KEPT = ("mixed", "all", "none")


@dataclass(frozen=True)
class Draws:
    """What a step of training sends of a picture; other tokenizers are other draws.

    kept: "mixed", drawn for each picture by `draw_keep`; "all" or "none" of the patches. vary_k:
    the number of global tokens is drawn by `draw_k`; else it is config.k. So "none" without vary_k
    trains a TiTok, "all" without vary_k a Hita, and "all" at k_max = 0 a VQ of patches. only_n: of
    every picture so many patches, those that DTF ranks first, whatever `kept` says.
    """

    kept: str = "mixed"
    vary_k: bool = True
    only_n: int | None = None

    def __post_init__(self) -> None:
        if self.kept not in KEPT:
            raise ValueError(f"kept must be one of {', '.join(KEPT)}, not {self.kept!r}.")


def draw_k(k: int, k_max: int, generator: torch.Generator) -> int:
    """Nested dropout: the number of global tokens of a step; the default k four times in ten."""
    u, v = torch.rand(2, generator=generator).tolist()
    if u < 0.1:
        return 0
    return k if u < 0.5 else 1 + int(v * k_max) if k_max else 0


@torch.no_grad()
def draw_keep(
    model: TaTok, encoding: Encoding, world: int, share: slice, generator: torch.Generator
) -> Tensor:
    """Which patches a step keeps, (B, M): all 25 %, none 15 %, DTF 30 %, another policy 30 %.

    DTF by the model's own estimator with epsilon log-uniform in `EPSILONS`, as it is used; the
    others keep N log-uniform in 1..M. Random, uniform, first and last subsets are drawn so that
    experiments which truncate the sequence are fair. Drawn for the joint batch, of which `share` is
    ours.
    """
    B, M = encoding.patches.shape[:2]
    kind, size, scores = (
        torch.rand(B * world, generator=generator)[share],
        torch.rand(B * world, generator=generator)[share],
        torch.rand(B * world, M, generator=generator)[share],
    )
    N = (M**size).round().long()
    keep = (kind < 0.25)[:, None].expand(-1, M).clone()  # else none
    dtf = (kind >= 0.4) & (kind < 0.7)
    if dtf.any():
        rows = encoding.rows(dtf.nonzero()[:, 0].to(encoding.patches.device))
        epsilon = log_uniform(size[dtf].double(), *EPSILONS)
        keep[dtf] = filtering.dtf(model.measure(rows).entropy.cpu(), epsilon).keep
    for low, mask in (
        (0.7, filtering.top(scores, N)),
        (0.82, filtering.uniform(M, N)),
        (0.88, filtering.first(M, N)),
        (0.94, filtering.last(M, N)),
    ):
        keep = torch.where((kind >= low)[:, None], mask, keep)
    return keep.to(encoding.patches.device)
