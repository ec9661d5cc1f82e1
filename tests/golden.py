"""Golden numbers of the weights in assets/demo: `python -m tests.golden` writes tests/golden.json.

One picture at three settings. They change only with the weights; a change of code that moves them
has changed what the model computes.
"""

import json
from pathlib import Path

import torch

from tatok import TaTok, load_image
from tatok.quality import psnr

ROOT = Path(__file__).parents[1]
FILE = Path(__file__).with_name("golden.json")
SETTINGS = {
    "rate": {"k": 16, "epsilon": 0.05, "estimator": "rate"},
    "residual": {"k": 8, "epsilon": 0.15, "estimator": "residual"},
    "prior": {"k": 32, "epsilon": 0.3, "estimator": "prior"},
}


@torch.inference_mode()
def numbers() -> dict:
    """N, bits and PSNR of each setting."""
    model = TaTok.from_pretrained(ROOT / "assets" / "demo")
    x = load_image(ROOT / "assets" / "examples" / "cat.webp", size=128)
    found = {}
    for name, setting in SETTINGS.items():
        encoding = model.encode(x, setting["k"])
        s = model.select(encoding, setting["epsilon"], setting["estimator"])
        tokens = model.quantize(encoding, s)
        decibels = float(psnr(x, model.decode(tokens)))
        found[name] = {"N": int(s.count), "bits": int(tokens.bits()), "psnr": round(decibels, 4)}
    return {"weights": model.fingerprint, **found}


if __name__ == "__main__":
    FILE.write_text(json.dumps(numbers(), indent=1) + "\n")
