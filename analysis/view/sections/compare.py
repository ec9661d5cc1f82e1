"""One picture under several settings at once: by policy (Fig. 5), by ε (Fig. 7), and its feature
maps (Fig. 6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import gradio as gr
import torch
from torch import Tensor

from analysis.view.shared.engine import Engine, Result, Square
from analysis.view.shared.section import asks, section
from analysis.view.shared.settings import Settings, parse_name
from analysis.view.tokenize.patch_view import pixels_reply
from tatok import entropy

POLICIES = ("dtf", "random", "uniform", "first", "last")  # of Fig. 5
EPSILONS = (0.05, 0.075, 0.1, 0.125, 0.15)  # the range of Fig. 7


@dataclass(frozen=True)
class Row:
    """One of several results, and the setting in which it differs from the others."""

    settings: Settings
    result: Result


@dataclass(frozen=True)
class FeatureMap:
    """A number for every patch, values (M,)."""

    name: str
    values: Tensor


def by_policy(engine: Engine, square: Square, settings: Settings) -> list[Row]:
    """DTF and the four other policies with the N of Eq. 6; nothing is forced by hand."""
    return _rows(engine, square, settings, [{"policy": name} for name in POLICIES])


def by_epsilon(engine: Engine, square: Square, settings: Settings) -> list[Row]:
    """The policy of the settings at five ε; nothing is forced by hand."""
    return _rows(engine, square, settings, [{"epsilon": value} for value in EPSILONS])


def features(engine: Engine, square: Square, settings: Settings) -> list[FeatureMap]:
    """Of the encoder's patches p_i (B, M, D): ||p_i||, ||p_i - Proj(p_i, G)||, G the encoder's, and
    Var(p_i), the variance over the D channels."""
    encoding = engine.encode(square, settings.k)
    with torch.inference_mode():
        distance = entropy.projection_distance(encoding.patches, encoding.globals).sqrt()
    return [
        FeatureMap("norm", encoding.patches.norm(dim=2)[0].cpu()),
        FeatureMap("orthogonal", distance[0].cpu()),
        FeatureMap("variance", entropy.complexity(encoding.patches)[0].cpu()),
    ]


def compare_reply(engine: Engine, square: Square, settings: Settings, view: object) -> dict:
    """What compare.js draws for the view "policies", "epsilon" or "features". BadSetting for
    another."""
    view = parse_name(view, "The comparison", ("features", *ROWS))
    if view == "features":
        maps = features(engine, square, settings)
        return {"maps": [{"name": m.name, "values": m.values.tolist()} for m in maps]}
    return {"rows": [_row_reply(row) for row in ROWS[view](engine, square, settings)]}


ROWS: dict[str, Callable[[Engine, Square, Settings], list[Row]]] = {
    "policies": by_policy,
    "epsilon": by_epsilon,
}


def _rows(engine: Engine, square: Square, settings: Settings, changes: list[dict]) -> list[Row]:
    alone = replace(settings, forced_in=(), forced_out=())
    wanted = [replace(alone, **change) for change in changes]
    return [Row(changed, engine.tokenize(square, changed)) for changed in wanted]


def _row_reply(row: Row) -> dict:
    return pixels_reply(row.result) | {
        "policy": row.settings.policy,
        "epsilon": row.settings.epsilon,
        "kept": row.result.statistics.kept,
        "bits": row.result.statistics.bits,
    }


def build(engine: Engine, session: gr.State) -> None:
    """Add the section to the current Blocks. Its event `compare` asks for one of its views."""
    view = section("sections/compare", "sections/difference.js")

    def serve(square, settings, wanted):
        return compare_reply(engine, square, settings, wanted.get("compare"))

    asks(view, "compare", engine, session, serve)
