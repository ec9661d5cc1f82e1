"""Fig. 3 with weights for each number of global tokens, trained alike but for that.

Ours have one model that takes every k. Whether its training, or its losses, decide the figure is
seen on models that were trained with one k each: with the paper's losses, for instance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analysis.base.evaluate import BadData
from analysis.base.results import Experiment, Series
from analysis.base.runner import Seconds, Setting
from analysis.paper.plans import Curve, Plan
from tatok.tokenizer import TaTok

NAME = "twins"


@dataclass(frozen=True)
class Twins(Experiment):
    """The result file: an Experiment of several weights, which provenance.weights names, by k."""


def plan(model: TaTok) -> Plan:
    """The model's own k with all M patches."""
    k, M = model.config.k, model.config.num_patches
    points = ((float(k), Setting(k, M, features=True)),)
    curve = Curve(f"fixed patches: {M} + k, weights for each k", points)
    return Plan(NAME, "Fig. 3 with weights for each k", "global tokens k", (curve,))


def together(made: Sequence[Experiment]) -> Twins:
    """One point of each. BadData unless they have one M, and each k once."""
    if len({(one.image_size, one.num_patches) for one in made}) > 1:
        raise BadData("The weights take pictures of different sizes.")
    points = {one.series[0].points[0].x: one for one in made}
    if len(points) < max(2, len(made)):
        raise BadData("Name two weights or more, of a different k each.")
    ordered = [points[k] for k in sorted(points)]
    first, curve = ordered[0], tuple(one.series[0].points[0] for one in ordered)
    fields = {name: getattr(first, name) for name in Experiment.__dataclass_fields__}
    origins = {k: points[k].provenance for k in sorted(points)}
    names = "; ".join(f"k = {k:g}: {one.weights}{one.trained()}" for k, one in origins.items())
    fields |= {
        "series": (Series(first.series[0].name, curve),),
        "seconds": sum((one.seconds for one in ordered), Seconds()),
        "provenance": replace(
            first.provenance, weights=names, training_images=None, training_hours=None
        ),
    }
    return Twins(**fields)
