"""What the paper measured (arXiv:2605.16384): ImageNet-1K at 256 px, features of Inception.

Nothing here was measured by this project. Only changes and orders compare with our figures, never
values: other images, other features, other weights, M = 441 patches.
"""

from __future__ import annotations

from dataclasses import dataclass

LABEL = "the paper's rFID (ImageNet, Inception)"


@dataclass(frozen=True)
class PaperCurve:
    """Points (x, rFID) of one curve; x as in the experiment of that id, or the policy's label.

    where: the figure of the paper, and what it leaves open.
    """

    name: str
    where: str
    points: tuple[tuple[float | str, float], ...]


@dataclass(frozen=True)
class Overlay:
    """What the paper says beside one experiment.

    patches: M of the paper where its x counts patches, which then needs an axis of its own.
    """

    curves: tuple[PaperCurve, ...]
    patches: int | None = None
    logarithmic: bool = False


FIG4 = "Fig. 4 and its text"
OVERLAYS: dict[str, Overlay] = {
    "fig3": Overlay(
        (
            PaperCurve("441 + k", "Fig. 3", ((0, 2.17), (16, 1.51), (200, 1.48))),
            PaperCurve("441 in all", "Fig. 3", ((0, 2.17), (16, 1.54), (65, 1.50), (200, 1.52))),
        )
    ),
    "fig4": Overlay(
        (
            PaperCurve("end", FIG4, ((0, 2.17), (211, 2.32))),
            PaperCurve("start", FIG4, ((0, 2.17), (211, 2.35))),
            PaperCurve("random", FIG4, ((0, 2.17), (211, 2.40))),
            PaperCurve("all but one, way not told", FIG4, ((440, 379.0),)),
        ),
        patches=441,
        logarithmic=True,  # 379 beside 2.4
    ),
    "fig5": Overlay(
        (
            PaperCurve(
                "same N",
                "Fig. 5",
                (
                    ("random", 3.25),
                    ("uniform", 2.88),
                    ("first", 2.41),
                    ("last", 2.32),
                    ("DTF, residual", 1.51),  # Alg. 1, line 4
                ),
            ),
        )
    ),
}
