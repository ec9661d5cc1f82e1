"""Questions from the browser about the picture of its session, and their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from analysis.view.shared.crop import Accepted
from analysis.view.shared.engine import Box, Engine, Square
from analysis.view.shared.settings import BadSetting, Settings
from tatok import BadImage

# "multiple" keeps Gradio from dropping events; courier.js asks one question at a time.
TRIGGER = {"trigger_mode": "multiple", "show_progress": "hidden", "api_visibility": "private"}
LOST = "The server no longer has the picture: please choose it again."

Serve = Callable[[Square, Settings, Mapping], dict]


def answer(engine: Engine, accepted: Accepted | None, wanted: object, serve: Serve) -> dict:
    """What `serve` says to a question, with the question's serial number.

    `wanted` comes from the browser and is not trusted: it holds settings, `picture`, `box`,
    `serial` and what `serve` reads for itself. {serial, error} if it cannot be served; {serial}
    where the picture has changed in the meantime and a new question follows.
    """
    wanted = wanted if isinstance(wanted, Mapping) else {}
    serial = wanted.get("serial") if isinstance(wanted.get("serial"), int) else None
    if accepted is None:
        return {"serial": serial, "error": LOST}
    if wanted.get("picture") != accepted.id:
        return {"serial": serial}
    try:
        settings = Settings.parse(wanted, engine.model.config)
        square = engine.square(accepted.path, _box(wanted.get("box")), settings.side)
        return serve(square, settings, wanted) | {"serial": serial}
    except (BadSetting, BadImage) as error:
        return {"serial": serial, "error": str(error)}


def failed(channel: str) -> str:
    """JavaScript that tells the asker that no answer will come."""
    return (
        f"() => {{ document.dispatchEvent(new CustomEvent('studio-failed', "
        f"{{detail: '{channel}'}})); return []; }}"
    )


def _box(box: object) -> Box | None:
    """Three whole numbers; whether they lie in the picture is for the loader to judge."""
    if box is None:
        return None
    if not isinstance(box, list) or len(box) != 3 or not all(type(v) is int for v in box):
        raise BadSetting("The crop must be three whole numbers: left, top and side.")
    return tuple(box)
