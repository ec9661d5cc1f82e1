"""What a visitor may have measured on pictures of their own, as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from threading import Event

from analysis.base.extractors import Lite0
from analysis.base.runner import Runner
from analysis.paper.archive import MAX_PICTURES, BadArchive
from analysis.paper.own_pictures import Album, Report, measure, read_album
from analysis.paper.plans import PLANS
from analysis.view.shared.crop import uploaded
from analysis.view.shared.settings import parse_name
from tatok import TaTok


class OwnRuns:
    """Experiments of one model on pictures that come with a request."""

    def __init__(self, model: TaTok, record: dict) -> None:
        self.model, self.record = model, record

    @cached_property
    def runner(self) -> Runner:
        """With Lite0, which is read when first wanted."""
        return Runner(self.model, Lite0())

    def album(self, payload: object, folder: str) -> Album:
        """The pictures that a file component sent; `folder` is its GRADIO_CACHE.

        Raises BadImage, BadArchive or TooFew with one sentence.
        """
        return read_album(_paths(payload, folder), self.model.config.image_size)

    def reports(self, name: object, album: Album, stop: Event) -> Iterator[Report]:
        """As `own_pictures.measure`. Raises BadSetting if there is no such experiment."""
        name = parse_name(name, "The experiment", PLANS)
        return measure(name, album, self.runner, self.record, stop)


def _paths(payload: object, folder: str) -> list[Path]:
    if isinstance(payload, Mapping):
        payload = [payload]
    if not isinstance(payload, list) or not payload:
        raise BadArchive("Please choose some pictures, or a zip of them.")
    if len(payload) > MAX_PICTURES:
        raise BadArchive(f"At most {MAX_PICTURES} files can be sent at once, not {len(payload)}.")
    paths = [uploaded(each, folder) for each in payload]
    if not all(path and Path(path).is_file() for path in paths):
        raise BadArchive("The pictures have to be uploaded.")
    return [Path(path) for path in paths]
