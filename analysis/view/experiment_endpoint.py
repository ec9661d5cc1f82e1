"""The public endpoint `/experiment`."""

from __future__ import annotations

from dataclasses import asdict
from threading import Event

import gradio as gr

from analysis.view.curves_run import ONE, REFUSALS
from analysis.view.own_run import OwnRuns


def build(runs: OwnRuns) -> None:
    """Add the endpoint to the current Blocks; it has no visible part."""

    def experiment(pictures, name):
        """Measure an experiment on 2 to 200 pictures, which may come in zip archives.

        `name` is one of fig3, fig4, fig5 and epsilon. Returns what a result file holds: for every
        curve its points with the setting, N, bits, PSNR in dB, Fréchet and kernel distance with
        95 % intervals where there are enough pictures; and the names of files that are no pictures.
        """
        try:
            album = runs.album(pictures, inputs[0].GRADIO_CACHE)
            reports = runs.reports(name, album, Event())
            last = [report.experiment for report in reports if report.experiment][-1]
        except REFUSALS as error:
            raise gr.Error(str(error), print_exception=False) from None
        return {"experiment": asdict(last), "left_out": list(album.bad)}

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
