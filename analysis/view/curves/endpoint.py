"""The public endpoint `/experiment`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from threading import Event

import gradio as gr

from analysis.view.curves.own_run import OwnRuns
from analysis.view.curves.run import ONE, REFUSALS


def build(runs: OwnRuns) -> None:
    """Add the endpoint to the current Blocks; it has no visible part."""

    def experiment(pictures, name) -> Iterator[dict]:
        """Measure an experiment on 2 to 200 pictures, which may come in zip archives.

        `name` is one of fig3, fig4, fig5 and epsilon. Returns what a result file holds: for every
        curve its points with the setting, N, bits, PSNR in dB, Fréchet and kernel distance with
        95 % intervals where there are enough pictures; and the names of files that are no pictures.
        Until then it tells how many steps of one image and one setting are done. It ends when the
        caller hangs up; a call whose answer nobody ever asked for runs to its end.
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

    with gr.Group(visible=False):
        inputs = [
            gr.File(file_count="multiple", label="pictures"),
            gr.Textbox("epsilon", label="name"),
        ]
        gr.Button().click(
            experiment,
            inputs,
            gr.JSON(label="result"),
            preprocess=False,
            api_name="experiment",
            **ONE,
        )
