"""Partly known token sequences: what the generator sees, and the way between it and M places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

MASKED = -1  # in place of a code that is still to be drawn
PADDING = -1  # in place of a place, behind the last token of a shorter row


@dataclass(frozen=True)
class Canvas:
    """A batch of partly known sequences.

    labels (B,) int64, `num_classes` for none; global_codes (B, k) and patch_codes (B, L) int64,
    MASKED where still to be drawn; places (B, L) int64 in raster order, PADDING behind the N of
    the row (L is the largest N). picture (B, L, 3 s s): the pixels at these places of the picture
    decoded so far, None where nobody looks at them; see `MaskGIT.look`.
    """

    labels: Tensor
    global_codes: Tensor
    patch_codes: Tensor
    places: Tensor
    picture: Tensor | None = None

    @property
    def real(self) -> Tensor:
        """(B, L) bool: a patch token, not padding."""
        return self.places != PADDING

    @property
    def codes(self) -> Tensor:
        """(B, k + L): global and patch codes in one sequence."""
        return torch.cat([self.global_codes, self.patch_codes], dim=1)

    @property
    def masked(self) -> Tensor:
        """(B, k + L) bool: a token that is still to be drawn."""
        return torch.cat(
            [self.global_codes == MASKED, (self.patch_codes == MASKED) & self.real], dim=1
        )

    def without_patches(self, rows: Tensor) -> Canvas:
        """No patch tokens in some rows (B,) bool: their places become padding."""
        return replace(self, places=self.places.masked_fill(rows[:, None], PADDING))

    def rows(self, index: Tensor) -> Canvas:
        """Some rows, with no more padding than the longest of them needs."""
        places = self.places[index]
        L = int((places != PADDING).sum(dim=1).max())
        picture = None if self.picture is None else self.picture[index, :L]
        known = self.labels[index], self.global_codes[index]
        return Canvas(*known, self.patch_codes[index, :L], places[:, :L], picture)

    def each(self, change: Callable[[Tensor], Tensor]) -> Canvas:
        """With every tensor changed."""
        picture = None if self.picture is None else change(self.picture)
        codes = change(self.global_codes), change(self.patch_codes)
        return Canvas(change(self.labels), *codes, change(self.places), picture)


@dataclass(frozen=True)
class Logits:
    """Logits of the masked tokens only: (n_g, K) and (n_p, K), in the order of the masks' True."""

    globals: Tensor
    patches: Tensor


def pack(keep: Tensor, patch_codes: Tensor) -> tuple[Tensor, Tensor]:
    """Kept places (B, M) and codes (B, M) -> places and codes (B, L) in raster order, padded."""
    order = (~keep).sort(dim=1, stable=True).indices  # kept first
    N = keep.sum(dim=1)
    order = order[:, : int(N.max()) if len(N) else 0]  # (B, L)
    real = torch.arange(order.shape[1], device=keep.device) < N[:, None]
    codes = patch_codes.gather(1, order)
    return order.masked_fill(~real, PADDING), codes.masked_fill(~real, MASKED)


def unpack(places: Tensor, values: Tensor, M: int, empty: float = MASKED) -> Tensor:
    """Packed (B, L) -> (B, M) by place; `empty` where there is no token."""
    out = torch.full((len(places), M + 1), empty, dtype=values.dtype, device=places.device)
    spot = torch.where(places == PADDING, M, places)  # padding lands in a column that is cut off
    return out.scatter(1, spot, values)[:, :M]
