"""The tab Bias: where DTF keeps patches, and whether place or content decides it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gradio as gr
from torch import Tensor

from analysis.base.evaluate import BadData
from analysis.bias.decomposition import FACTORS, RESPONSES
from analysis.bias.places import order
from analysis.view.bias import results as lab_results
from analysis.view.bias.bench import NAMES, SETS, Bench, Maps, seamless
from analysis.view.bias.question import Subject
from analysis.view.shared.asking import TRIGGER, failed
from analysis.view.shared.crop import Accepted, own_picture, upload_field
from analysis.view.shared.engine import Engine, Square
from analysis.view.shared.files import source
from analysis.view.shared.section import ASIDE
from analysis.view.shared.settings import BadSetting, parse_epsilon, parse_name, parse_whole
from analysis.view.tokenize.patch_view import rgb_base64
from tatok import BadImage
from tatok.entropy import ESTIMATORS
from tatok.filtering import RULES
from tatok.streams import seeded

CHANNEL = "lab"
LEAD = (
    "<p>DTF keeps the patches with the most entropy <i>H</i>. Is that about what a patch shows, or "
    "about where it is? In a flat picture all patches are alike: whatever differs in <i>H</i> "
    "comes from the place alone. The paper (Fig. 8) finds the left and right edges kept first on "
    "white, black and noise. Its explanation is a hypothesis; here it can be put to the test, on "
    "these pictures or on one of yours.</p>"
)
SCRIPTS = (
    "bias/charts.js",
    "bias/selection.js",
    "bias/runs.js",
    "bias/change.js",
    "bias/share.js",
    "bias/steps.js",
    "bias/guesses.js",
    "bias/lesson.js",
    "bias/tab.js",
)
# Streams of the generators that break ties: of `bias.placement`, and another for what was changed,
# so that tied patches do not look as if they had stayed.
BEFORE, AFTER = 3, 12


def build(engine: Engine, examples: list[Path], results: Path) -> None:
    """Lay out the tab inside the current Blocks and wire it; `results` holds the result files."""
    files = {path.stem: path for path in examples}
    bench = Bench(at_middle(engine))
    session = gr.State(None)
    with gr.Row():
        with gr.Column(scale=3, min_width=280):
            gr.HTML(LEAD, elem_classes="lab-lead", apply_default_css=False)
        with gr.Column(scale=1, min_width=240):
            upload = upload_field(
                label="Your own picture", show_label=False, height=84, elem_id="lab-upload"
            )
    view = gr.HTML(
        value=None,
        html_template=source("bias/lesson.html", "bias/tab.html"),
        css_template=source("shared/section.css", "bias/tab.css", "bias/lesson.css"),
        js_on_load=source(*SCRIPTS),
        apply_default_css=False,
        elem_id="lab",
        grid=bench.engine.model.config.grid,
        uploaded=None,
        factors=FACTORS,
        costs=lab_results.costs(results, engine.model.fingerprint),
    )

    def ask(accepted: Accepted | None, event: gr.EventData) -> dict:
        return answer(bench, files, accepted, event._data)

    asked = view.lab(ask, session, view, **ASIDE, **TRIGGER)
    asked.failure(fn=None, js=failed(CHANNEL), api_visibility="private")
    own_picture(engine, upload, session, view)
    lab_results.build(results, engine.model.fingerprint)


def at_middle(engine: Engine) -> Engine:
    """The engine for pictures of the model's middle side alone: a bench asks for many."""
    config = engine.model.config
    if config.middle == config.image_size:
        return engine
    model = engine.model.reshaped(image_size=config.middle, min_side=None, max_side=None)
    return Engine(model, half=engine.half)


def answer(
    bench: Bench, examples: Mapping[str, Path], accepted: Accepted | None, wanted: object
) -> dict:
    """What the bench says to a question, with the question's serial number.

    `wanted` comes from the browser and is not trusted. {serial, error} if it cannot be served.
    """
    wanted = wanted if isinstance(wanted, Mapping) else {}
    serial = wanted.get("serial") if isinstance(wanted.get("serial"), int) else None
    try:
        asked = parse_name(wanted.get("ask"), "The question", (*SERVES, "set"))
        k = parse_whole(wanted.get("k"), "k", 0, bench.engine.model.config.k_max)
        if asked == "set":
            return _set(bench, k, wanted) | {"serial": serial}
        subject = Subject.parse(wanted.get("subject"))
        square = subject.square(bench.engine, examples, accepted)
        return SERVES[asked](bench, square, k, wanted) | {"serial": serial}
    except (BadSetting, BadImage, BadData) as error:
        return {"serial": serial, "error": str(error)}


def _look(bench: Bench, square: Square, k: int, wanted: Mapping) -> dict:
    return _picture(square, bench.look(square, k), BEFORE)


def _change(bench: Bench, square: Square, k: int, wanted: Mapping) -> dict:
    after, maps, moved = bench.changed(square, k, wanted.get("change"))
    return _picture(after, maps, AFTER) | {"source": moved.tolist()}


def _cure(bench: Bench, square: Square, k: int, wanted: Mapping) -> dict:
    rule = parse_name(wanted.get("rule"), "The rule", RULES)
    return _picture(square, bench.cured(square, k, rule), AFTER)


def _rolls(bench: Bench, square: Square, k: int, wanted: Mapping) -> dict:
    part = parse_whole(wanted.get("part"), "The part", 0, bench.roll_parts - 1)
    if wanted.get("seamless") is True:
        square = seamless(square)
    bench.roll_part(square, k, part)
    done = {"part": part, "parts": bench.roll_parts}
    if part < bench.roll_parts - 1:
        return done
    found = bench.decompositions(square, k, parse_epsilon(wanted.get("epsilon")))
    M = bench.engine.model.config.num_patches
    bars = [
        {
            "estimator": name,
            "response": response,
            "variances": [getattr(found[name, response], factor) for factor in FACTORS],
            "total": found[name, response].total,
            "shares": found[name, response].shares,
        }
        for response in RESPONSES
        for name in NAMES
    ]
    return done | {"bars": bars, "noise": 1 / (M + 1)}


def _set(bench: Bench, k: int, wanted: Mapping) -> dict:
    """One part of a set is measured; after the last, the placement of the whole set."""
    name = parse_name(wanted.get("set"), "The set", SETS)
    part = parse_whole(wanted.get("part"), "The part", 0, bench.set_parts - 1)
    bench.set_part(name, k, part)
    done = {"part": part, "parts": bench.set_parts}
    if part < bench.set_parts - 1:
        return done
    placements = bench.placements(name, k, parse_epsilon(wanted.get("epsilon")))
    return done | {
        "placements": {
            placement.estimator: {
                "n": placement.n,
                "left_out": placement.left_out,
                "count": placement.count,
                "entropy": placement.entropy,
                "kept": placement.kept,
                "shares": [
                    {
                        "region": share.region,
                        "value": share.share.value,
                        "low": share.share.low,
                        "high": share.share.high,
                        "chance": share.chance,
                        "p": share.p,
                    }
                    for share in placement.shares
                ],
            }
            for placement in placements
        }
    }


SERVES = {"look": _look, "change": _change, "cure": _cure, "rolls": _rolls}  # about one picture


def _picture(square: Square, maps: Maps, stream: int) -> dict:
    """All that the browser needs to select by itself at any ε, by every estimator."""
    return {
        "picture": rgb_base64(square.x),
        "maps": {name: _map(name, H, stream) for name, H in maps.items()},
    }


def _map(name: str, H: Tensor, stream: int) -> dict:
    return {
        "entropy": H[0].tolist(),  # JSON keeps float64 exactly
        "order": order(H, seeded(0, stream))[0].tolist(),
        "unit": ESTIMATORS[name].unit,
    }
