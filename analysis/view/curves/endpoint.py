"""The public endpoint `/experiment`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from threading import Event

import gradio as gr
from gradio.data_classes import FileData, ListFiles
from pydantic import model_validator

from analysis.paper.archive import MAX_PICTURES
from analysis.paper.own_pictures import FEWEST
from analysis.paper.plans import PLANS
from analysis.view.curves.own_run import OwnRuns
from analysis.view.curves.run import ONE, REFUSALS


class Pictures(ListFiles):
    """A list of files, or one alone: the tools of MCP name no list of files."""

    @model_validator(mode="before")
    @classmethod
    def listed(cls, value: object) -> object:
        """One file as a list."""
        return value if isinstance(value, list) else [value]

    @classmethod
    def model_json_schema(cls, **options) -> dict:
        """Of one file."""
        return FileData.model_json_schema(**options)


def build(runs: OwnRuns) -> None:
    """Add the endpoint to the current Blocks; it has no visible part."""

    def experiment(pictures, name) -> Iterator[dict]:
        """Measure an experiment on pictures.

        Returns what a result file holds: for every
        curve its points with the setting, N, bits, PSNR in dB, Fréchet and kernel distance with
        95 % intervals where there are enough pictures; and the names of files that are no pictures.
        Until then it tells how many steps of one image and one setting are done. It ends when the
        caller hangs up; a call whose answer nobody ever asked for runs to its end.

        Parameters:
            pictures: a zip archive of {fewest} to {most} pictures, or a list of files
            name: of the experiment: {names}
        """
        last = None
        try:
            album = runs.album(pictures, inputs[0].GRADIO_CACHE)
            for report in runs.reports(name, album, Event()):
                last = report.experiment or last
                yield {"done": report.done, "total": report.total}
        except REFUSALS as error:
            raise gr.Error(str(error), print_exception=False) from None
        yield {"experiment": asdict(last), "left_out": list(album.bad)}

    experiment.__doc__ = experiment.__doc__.format(
        fewest=FEWEST, most=MAX_PICTURES, names=", ".join(PLANS)
    )
    with gr.Group(visible=False):
        inputs = [
            gr.File(file_count="multiple", label="pictures"),
            gr.Textbox("epsilon", label="name"),
        ]
        inputs[0].data_model = Pictures
        gr.Button().click(
            experiment,
            inputs,
            gr.JSON(label="result"),
            preprocess=False,
            api_name="experiment",
            **ONE,
        )
