"""The command that makes each result file: what a page without the file names.

DATA is a folder with imagenette/ and scenes/, each with train/ and val/. The README has the same
commands, and says how runs/sequence and runs/grid are trained.
"""

from __future__ import annotations

_TRAIN = " --train DATA/imagenette/train DATA/scenes/train"
_FIGURES = ("fig3", "fig4", "fig5", "epsilon")
_PAIR = " --weights assets/demo runs/sequence runs/grid"


def _measured(name: str, options: str = "") -> str:
    """Of a command that writes one file."""
    return f"python -m analysis {name} --data DATA{options}"


COMMANDS = {
    **{name: _measured(f"run {name}") for name in _FIGURES},
    **{name: _measured(name) for name in ("codecs", "sides", "bias", "counterfactuals", "theory")},
    **{name: _measured(name, _TRAIN) for name in ("evaluate", "redundancy", "cure", "peers")},
    "decompose": _measured("decompose", _PAIR),
    "probe": _measured("probe", _PAIR + _TRAIN),
    "generation": _measured("generation", " --temperature 0.5 0.65"),
    "coherence": _measured("coherence"),
    "speed": "python -m analysis speed",
    "claims": "python -m analysis claims",
}
