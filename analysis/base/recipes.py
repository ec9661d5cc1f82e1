"""The command that makes each result file: what a page without the file names.

DATA is a folder with imagenette/ and scenes/, each with train/ and val/. The README has the same
commands, and says how runs/sequence and runs/grid are trained.
"""

from __future__ import annotations

_TRAIN = " --train DATA/imagenette/train DATA/scenes/train"
FIGURES = ("fig3", "fig4", "fig5", "epsilon")
_UNSEEN = " --n 2600 --without assets/used.txt"  # two a feature: what an rFD of all takes
PAIR = "runs/sequence runs/grid"  # two layouts, trained for equal time
EXTRACTOR = "--extractor"  # of the figures: a second opinion
ALIKE = "runs/paper16 runs/paper0"  # the paper's losses, one k each
CARD = " --card assets/anygrid/README.md"
_PAIR = f" --weights assets/anygrid {PAIR}"


def _measured(name: str, options: str = "") -> str:
    """Of a command that writes one file."""
    return f"python -m analysis {name} --data DATA{options}"


COMMANDS = {
    **{name: _measured(f"run {name}", _UNSEEN) for name in FIGURES},
    **{name: _measured(name) for name in ("codecs", "sides", "counterfactuals", "theory")},
    "twins": _measured("twins", f" --weights {ALIKE}{_UNSEEN}"),
    "bias": _measured("bias", _PAIR),
    "evaluate": _measured("evaluate", _TRAIN + CARD),
    **{name: _measured(name, _TRAIN) for name in ("redundancy", "peers")},
    "cure": _measured("cure", _UNSEEN + _TRAIN),
    "decompose": _measured("decompose", _PAIR),
    "probe": _measured("probe", _PAIR + _TRAIN),
    "generation": _measured("generation", " --guidance 3 8" + CARD),
    "sheet": f"python -m analysis sheet{CARD}",
    "coherence": _measured("coherence"),
    "speed": "python -m analysis speed",
    "claims": "python -m analysis claims",
}
