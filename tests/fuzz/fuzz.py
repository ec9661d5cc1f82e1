"""Files from strangers, as Hypothesis draws them: python tests/fuzz/fuzz.py --minutes 10

Spoilt pictures, PNG, TIFF and PPM whose headers say anything, zip archives and `.tatok` files go to
the code that reads uploads. Whatever else than that code's own error comes out, or takes more than
3 s of the processor or 1 GB of memory, ends the run; the smallest such file is then in
runs/fuzz. Prints how many of each kind were read, and how many of them refused.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT), str(ROOT / "tests")]  # as pytest has it
import files  # noqa: E402
from bounds import bounded  # noqa: E402
from conftest import pictures, random_model  # noqa: E402
from picture_files import sample_files  # noqa: E402

from analysis.paper.archive import BadArchive  # noqa: E402
from analysis.paper.own_pictures import TooFew, read_album  # noqa: E402
from tatok import BadImage, load_image  # noqa: E402
from tatok.tokenfile import BadTokenFile, pack, unpack  # noqa: E402

AT_ONCE = 100  # files of a kind, before the next kind has its turn
LAST = ROOT / "runs" / "fuzz"


@dataclass
class Kind:
    """Files of one kind, what reads them, and the errors that it may raise."""

    files: SearchStrategy[bytes]
    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]
    counted: Counter = field(default_factory=Counter)


def kinds(folder: Path) -> dict[str, Kind]:
    """All of them; archives are written to `folder` first, as an upload is."""
    model = random_model()
    x, samples = pictures(2), list(sample_files().values())
    encoding = model.encode(x)
    tokens = model.quantize(encoding, model.select(encoding, epsilon=0.2))
    token_files = [pack(tokens, model, row) for row in range(len(x))]
    spoilt = files.spoilt(samples)

    def album(data: bytes) -> object:
        path = folder / "upload.zip"
        path.write_bytes(data)
        return read_album([path], 64)

    def read(data: bytes) -> object:
        return load_image(data, 64)

    def decoded(data: bytes) -> object:
        return model.decode(unpack(data, model))

    return {
        "spoilt picture": Kind(spoilt, read, (BadImage,)),
        "PNG": Kind(files.pngs(), read, (BadImage,)),
        "TIFF": Kind(files.tiffs(), read, (BadImage,)),
        "PPM": Kind(files.numbers_in_text(), read, (BadImage,)),
        "zip": Kind(files.zips(st.sampled_from(samples) | spoilt), album, (BadArchive, TooFew)),
        ".tatok": Kind(files.checked(token_files), decoded, (BadTokenFile,)),
    }


def fuzz(name: str, kind: Kind, turn: int) -> None:
    """AT_ONCE files of one kind. Raises what was found, shrunk."""

    @seed(turn)
    @settings(
        max_examples=AT_ONCE,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(kind.files)
    def one(data: bytes) -> None:
        LAST.joinpath(name.replace(" ", "-")).write_bytes(data)  # stays where the process dies
        with bounded():
            try:
                kind.read(data)
                kind.counted["read"] += 1
            except kind.refusals as error:
                kind.counted["refused"] += 1
                assert "\n" not in str(error) and str(error).endswith(".")

    one()


def main() -> None:
    """Run until the time is over; ends with what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the first turn")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    faulthandler.enable()
    warnings.simplefilter("ignore")  # Pillow warns of odd metadata, as it should
    LAST.mkdir(parents=True, exist_ok=True)
    end, turn = time.monotonic() + 60 * args.minutes, args.seed
    with tempfile.TemporaryDirectory() as folder:
        every = kinds(Path(folder))
        while time.monotonic() < end:
            for name, kind in every.items():
                fuzz(name, kind, turn)
            turn += 1
    for name, kind in every.items():
        print(f"{name}: {kind.counted['read']} read, {kind.counted['refused']} refused")
    print(f"Nothing else, in {args.minutes:g} minutes; the next seed is {turn}.")


if __name__ == "__main__":
    main()
