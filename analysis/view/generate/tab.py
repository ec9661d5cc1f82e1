"""The tab Generate: pictures drawn step by step, from a class or from what a picture gives."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import torch
from gradio.components import Component

from analysis.base.results import BadResult, load, path_of
from analysis.generator.coherence import Coherence
from analysis.generator.quality import Generation
from analysis.view.generate import address, endpoint, text
from analysis.view.generate.knobs import Knobs, class_knob, knobs, switch_idle, values
from analysis.view.generate.painter import Painter, Sources
from analysis.view.generate.settings import BETWEEN, CLASS, INPAINT, MODES, Drawing, parse_hidden
from analysis.view.generate.sources import Picked, painted, picture, taken
from analysis.view.generate.view import frames, frames_of_one, generate_view
from analysis.view.shared import waiting
from analysis.view.shared.crop import READ, Accepted, uploaded
from analysis.view.shared.engine import Engine
from analysis.view.shared.settings import BadSetting
from analysis.view.shared.zero import LENT
from analysis.view.tokenize.tab import Stage
from tatok import BadCheckpoint, BadImage, MaskGIT, TaTok

CHANNEL = "generate"  # name of the DOM events that tell the view of a beginning and an end
DRAW = {"concurrency_limit": 2, "concurrency_id": "generate"}
QUIET = {"show_progress": "hidden", "api_visibility": "private"}
log = logging.getLogger(__name__)
LOST = "Please choose a picture: the server has none of yours."


STARTS = ("astronaut", "coffee")  # the examples that a mode begins with, two photographs


def build(
    page: gr.Blocks, engine: Engine, weights: str | Path, examples: list[Path], results: Path
) -> gr.HTML | None:
    """Lay out the tab and its endpoint inside the current Blocks, and wire them.

    page: whose address says what is drawn.
    weights: where the generator is, with its tokenizer unless that is the engine's. results:
    folder of the result files, for the numbers that were measured on these weights. Returns the
    view, for `sends`; None where there is no generator, which the tab then says.
    """
    try:
        device = engine.model.device
        generator = MaskGIT.from_pretrained(weights).to(device)
        if generator.config.tokenizer != engine.model.fingerprint:
            engine = Engine(TaTok.from_pretrained(weights).to(device), half=engine.half)
        side, lent = generator.side(engine.model), torch.device("cuda") if LENT else None
        painter = Painter(Engine(engine.model, side, engine.half), generator, lent)
        for work in (frames_of_one, endpoint.whole):
            painter.lent(work)  # ZeroGPU wants to know of them before the launch
    except BadCheckpoint as error:
        log.warning("no generator: %s", error)
        reason = "There are no generator weights that can be read beside the tokenizer's."
        gr.HTML(text.missing(reason), **_text("generate-note"))
        return None
    except ValueError as error:  # of another tokenizer
        gr.HTML(text.missing(str(error)), **_text("generate-note"))
        return None
    weights_text = text.weights(generator, MaskGIT.training_record(weights), engine.model.config)
    about = text.folded(generator, weights_text + _quality(painter.generator, results))
    view = _tab(page, painter, examples, about)
    endpoint.build(painter, DRAW)
    return view


def _tab(page: gr.Blocks, painter: Painter, examples: list[Path], about: str) -> gr.HTML:
    config = painter.generator.config
    with gr.Row(elem_classes="generate"):
        with gr.Column(elem_classes="generate-left", min_width=0):
            with _part("what"):
                mode = gr.Radio(
                    [(text.MODE_NAMES[name], name) for name in MODES],
                    value=CLASS,
                    label="Draw from",
                    elem_id="generate-mode",
                )
                hint = gr.HTML(text.mode_hint(CLASS), **_text("generate-note"))
                with gr.Column(visible=False) as with_a:
                    a = picture(painter.engine, examples, "Picture", "source-a")
                with gr.Column(visible=False) as with_b:
                    b = picture(painter.engine, examples, "Second picture", "source-b")
                label = class_knob(config)
            with _part("go"):
                buttons = _buttons()
            with _part("knobs"):
                every = knobs(config, label)
                switch_idle(config, mode, every)
        with gr.Column(elem_classes="generate-right", min_width=0):
            with _part("view"):
                view = generate_view(CHANNEL, painter)
            with _part("text"):
                gr.HTML(about, **_text("weights"))
                gr.HTML(text.LESSON, **_text("generate-lesson"))
    lay = _layer(painter, examples)
    laid = [hint, label, with_a, with_b, *_outputs(a), *_outputs(b)]

    def choose(mode: object, session_a: Accepted | None, session_b: Accepted | None) -> list:
        mode = mode if mode in MODES else CLASS
        missing = [session is None for session in (session_a, session_b)]
        return lay(
            mode, [name if lacks else None for name, lacks in zip(STARTS, missing, strict=True)]
        )

    def restore(request: gr.Request) -> list:
        given = address.read(request.query_params, config, examples)
        mode = given.get("mode", CLASS)
        updates = lay(
            mode, [given.get(name, start) for name, start in zip("ab", STARTS, strict=True)]
        )
        if "label" in given:
            updates[1] = given["label"]
        others = [gr.update(value=given[n]) if n in given else gr.skip() for n in every.names[1:]]
        return [mode, *updates, *others]

    mode.input(choose, [mode, a.session, b.session], laid, preprocess=False, **READ, **QUIET)
    mode.input(None, js=_event("stale"), **QUIET)
    read = page.load(restore, None, [mode, *laid, *every.components[1:]], **QUIET)
    read.then(None, js=address.READ_ONCE, **QUIET)
    address.keep(mode, [a.example, b.example], every, config)
    _wire(painter, [a.session, b.session, a.view, mode], every, view, buttons)
    return view


def _part(name: str) -> gr.Column:
    return gr.Column(elem_classes=f"generate-{name}", min_width=0)


def _buttons() -> list[gr.Button]:
    """Generate, Next seed, Stop."""
    with gr.Row():
        return [
            gr.Button("Generate", variant="primary", elem_id="generate-go", min_width=90),
            gr.Button("Next seed", elem_id="generate-next", min_width=90),
            gr.Button("Stop", interactive=False, elem_id="generate-stop", min_width=70),
        ]


def sends(view: gr.HTML, tabs: gr.Tabs, tab: str, stage: Stage) -> None:
    """Let "Send to Tokenize" select that tab and put the picture where an upload goes."""
    nothing = tuple(gr.skip() for _ in (tabs, *stage.outputs))

    def send(event: gr.EventData):
        try:
            path = uploaded(event._data, view.GRADIO_CACHE)
            return nothing if path is None else (gr.Tabs(selected=tab), *stage.show(path))
        except BadImage as error:
            gr.Warning(str(error))
            return nothing

    view.send(send, None, [tabs, *stage.outputs], **READ, **QUIET)


def _wire(
    painter: Painter,
    given: list[Component],
    every: Knobs,
    view: gr.HTML,
    buttons: list[gr.Button],
) -> None:
    """`given`: sessions of the two pictures, the painted one's view, and the mode."""

    def draw(session_a, session_b, canvas, mode, *raw) -> Iterator[dict]:
        wanted = values(raw) | {"mode": mode}
        try:
            drawing = Drawing.parse(wanted, painter.generator.config)
            sources = _sources(painter.engine, drawing, session_a, session_b, canvas)
            yield from frames(painter, drawing, sources)
        except (BadSetting, BadImage) as error:
            raise gr.Error(str(error), print_exception=False) from None

    go, again, stop = buttons
    inputs = [*given, *every.components]
    begin = {"fn": None, "js": _tell("wait", False, True), "outputs": buttons, **QUIET}
    end = {"fn": None, "js": _tell("end", True, False), "outputs": buttons, **QUIET}
    next_seed = again.click(
        fn=None,
        inputs=[every.seed, every.pictures],
        outputs=every.seed,
        js="(seed, pictures) => (seed + pictures) % 2 ** 31",
        **QUIET,
    )
    running, queue = [], waiting.told()
    for press in (go.click, next_seed.then):
        press(**begin)
        drawn = press(draw, inputs, view, preprocess=False, **DRAW, **QUIET | queue)
        drawn.then(**end)  # after the last step and after a stop
        drawn.failure(**end)
        running.append(drawn)
    # Generate comes back with the end of what was stopped: a press before it would be lost.
    stop.click(**begin | {"js": _tell("stop", False, False)}, cancels=running)


def _tell(what: str, can_begin: bool, can_stop: bool) -> str:
    """JavaScript that tells the view what happens to a drawing, and sets the three buttons."""
    free, stoppable = str(can_begin).lower(), str(can_stop).lower()
    return (
        f"() => {{ ({_event(what)})();"
        f" const set = (interactive) => ({{__type__: 'update', interactive}});"
        f" return [set({free}), set({free}), set({stoppable})]; }}"
    )


def _event(what: str) -> str:
    """JavaScript that tells the view what happens to a drawing."""
    return f"() => document.dispatchEvent(new CustomEvent('{CHANNEL}', {{detail: '{what}'}}))"


def _layer(painter: Painter, examples: list[Path]):
    """What lays out a mode: its hint and class, and the two pictures as far as it needs them.

    It gets the names of example pictures to begin with; None where there is a picture already.
    """
    engine, config = painter.engine, painter.generator.config
    paths = {path.stem: [path] for path in examples}

    def lay(mode: str, starts: list[str | None]) -> list:
        wants = (mode != CLASS, mode == BETWEEN)
        first, second = (
            _example(engine, paths.get(start, []) if wanted else [])
            for wanted, start in zip(wants, starts, strict=True)
        )
        first[1]["paint"] = mode == INPAINT
        visible = (gr.update(visible=wanted) for wanted in wants)
        label = address.start_label(mode, config)
        return [text.mode_hint(mode), label, *visible, *first, *second]

    return lay


def _quality(generator: MaskGIT, results: Path) -> str:
    """What was measured on these weights, or why nothing is known of them, as HTML."""
    try:
        result = load(Generation, path_of("generation", results))
    except BadResult as error:
        return text.unmeasured(str(error))
    if result.provenance.weights != generator.fingerprint:
        return text.unmeasured(
            f"generation.json is of other generator weights, {result.provenance.weights}."
        )
    return text.quality(result) + _coherence(generator, results)


def _coherence(generator: MaskGIT, results: Path) -> str:
    """What was measured of drawn patches, as HTML; nothing where it is of other weights."""
    try:
        result = load(Coherence, path_of("coherence", results))
    except BadResult:
        return ""
    same = result.provenance.weights == generator.fingerprint
    return text.coherence(result) if same else ""


def _example(engine: Engine, path: list[Path]) -> list:
    """Updates of a picture's session, view and name; none without a path."""
    if not path:
        return [gr.skip(), gr.update(), gr.skip()]
    accepted, value = taken(engine, str(path[0]), path[0].stem)
    return [accepted, gr.update(value=value), path[0].stem]


def _outputs(picked: Picked) -> list[Component]:
    return [picked.session, picked.view, picked.example]


def _sources(
    engine: Engine, drawing: Drawing, a: Accepted | None, b: Accepted | None, canvas: object
) -> Sources:
    """The pictures that a drawing needs. Raises BadSetting or BadImage."""
    if drawing.mode == CLASS:
        return Sources()
    if a is None or (drawing.mode == BETWEEN and b is None):
        raise BadSetting(LOST)
    hidden = None
    if drawing.mode == INPAINT:
        hidden = parse_hidden(painted(canvas), engine.model, engine.side)
    second = engine.square(b.path, None) if drawing.mode == BETWEEN else None
    return Sources(engine.square(a.path, None), second, hidden)


def _text(name: str) -> dict:
    return {"elem_classes": name, "apply_default_css": False}
