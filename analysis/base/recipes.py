"""The command that makes each result file: what a page without the file names.

DATA is a folder with imagenette/ and scenes/, each with train/ and val/. The README has the same
commands, and says how runs/sequence and runs/grid are trained.
"""

from __future__ import annotations

_TRAIN = " --train DATA/imagenette/train DATA/scenes/train"
_FIGURES = ("fig3", "fig4", "fig5", "epsilon")
_PAIR = "assets/demo runs/sequence runs/grid"


def _measured(name: str, options: str = "", weights: str = "assets/demo") -> str:
    """Of a command that writes one file."""
    return (
        f"python -m analysis {name} --weights {weights} --data DATA{options} "
        f"--out assets/results/{name}.json"
    )


COMMANDS = {
    **{name: f"python -m analysis run {name} --data DATA" for name in _FIGURES},
    "codecs": "python -m analysis codecs --data DATA",
    "sides": "python -m analysis sides --data DATA",
    "speed": "python -m analysis speed",
    "claims": "python -m analysis claims",
    "evaluate": _measured("evaluate", _TRAIN),
    "generation": _measured("generation", " --temperature 0.5 0.65"),
    "bias": _measured("bias"),
    "counterfactuals": _measured("counterfactuals"),
    "theory": _measured("theory"),
    "redundancy": _measured("redundancy", _TRAIN),
    "cure": _measured("cure", _TRAIN),
    "decompose": _measured("decompose", weights=_PAIR),
    "probe": _measured("probe", _TRAIN, _PAIR),
}
