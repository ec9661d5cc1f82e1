"""Many clients at once against the real server: python tests/load/load.py --clients 20 --minutes 5

Starts app.py. Each client tokenizes, selects and generates at random, and now and then sends a file
that is no picture. Every answer is compared with what the library finds for that picture and those
settings: numbers that belong to somebody else's would show. Prints requests, median and 95th
percentile of the waiting time of each kind, and wrong answers.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT), str(ROOT / "tests")]  # as pytest has it
from browser.conftest import serving  # noqa: E402

from analysis.view.shared.engine import Engine  # noqa: E402
from analysis.view.shared.settings import Settings  # noqa: E402
from analysis.view.tokenize.picker import example_files  # noqa: E402
from tatok import TaTok  # noqa: E402

SETTINGS = ({"epsilon": 0.1, "side": 256}, {"epsilon": 0.3, "k": 4, "side": 128})
HOSTILE = {"text.png": b"Hello", "cut.png": b"\x89PNG\r\n\x1a\n" + bytes(40), "zero.jpg": bytes(9)}
KINDS = ("tokenize", "tokenize", "select", "generate", "hostile")


@dataclass
class Found:
    """What all clients saw, by kind; guarded by the lock."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, seconds: float, wrong: str | None) -> None:
        with self.lock:
            self.seconds[kind].append(seconds)
            if wrong:
                self.wrong.append(f"{kind}: {wrong}")


def expected(pictures: list[Path]) -> dict[tuple[int, int], tuple[int, float]]:
    """N and PSNR of each picture at each of SETTINGS, by the library."""
    engine, numbers = Engine(TaTok.from_pretrained(ROOT / "assets" / "anygrid")), {}
    config = engine.model.config
    for i, path in enumerate(pictures):
        for j, values in enumerate(SETTINGS):
            own = {"policy": "dtf", "k": config.k, "estimator": config.estimator}
            settings = Settings.parse(own | values, config)
            made = engine.tokenize(engine.square(str(path), None, settings.side), settings)
            numbers[i, j] = (made.statistics.kept, made.statistics.psnr)
    return numbers


def client(
    url: str, seed: int, end: float, pictures: list[Path], truth: dict, found: Found
) -> None:
    """One client, until `end` (time.monotonic)."""
    rng, caller = random.Random(seed), Client(url, verbose=False)
    while time.monotonic() < end:
        kind, i, j = rng.choice(KINDS), rng.randrange(len(pictures)), rng.randrange(len(SETTINGS))
        start, wrong = time.monotonic(), None
        try:
            wrong = ask(caller, kind, pictures[i], SETTINGS[j], truth[i, j], rng)
        except AppError as error:
            wrong = None if kind == "hostile" and "." in str(error) else f"refused: {error}"
        except Exception as error:
            wrong = f"{type(error).__name__}: {error}"
        found.add(kind, time.monotonic() - start, wrong)


def ask(caller: Client, kind: str, picture: Path, values: dict, truth: tuple, rng) -> str | None:
    """One request; what is wrong with the answer, or None."""
    if kind == "hostile":
        name = rng.choice(sorted(HOSTILE))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(HOSTILE[name])
            caller.predict(handle_file(str(path)), api_name="/tokenize")
        return "a file that is no picture was taken"
    if kind == "generate":
        seed = rng.randrange(1000)
        (told,) = caller.predict(pictures=1, steps=4, seed=seed, api_name="/generate")[1]
        return None if told["seed"] == seed else f"seed {told['seed']} for {seed}"
    answer = caller.predict(handle_file(str(picture)), **values, api_name=f"/{kind}")
    told = answer[1] if kind == "tokenize" else answer
    kept, psnr = truth
    if abs(told["kept"] - kept) > 1:
        return f"N = {told['kept']} for {kept}"
    if kind == "tokenize" and abs(told["psnr"] - psnr) > 0.05:
        return f"{told['psnr']} dB for {psnr}"
    return None


def report(found: Found) -> str:
    """The table, as Markdown."""
    lines = ["| request | number | p50, s | p95, s |", "|---|---:|---:|---:|"]
    for kind, values in sorted(found.seconds.items()):
        p95 = statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]
        lines.append(f"| {kind} | {len(values)} | {statistics.median(values):.2f} | {p95:.2f} |")
    return "\n".join([*lines, f"{len(found.wrong)} wrong or failed.", *found.wrong[:10]])


def main() -> None:
    """Run the clients; exit 1 where any answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=5)
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    pictures = example_files(ROOT / "assets" / "examples")[:6]
    truth, found = expected(pictures), Found()
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as url:
        end = time.monotonic() + 60 * args.minutes
        each = [
            threading.Thread(target=client, args=(url, seed, end, pictures, truth, found))
            for seed in range(args.clients)
        ]
        for thread in each:
            thread.start()
        for thread in each:
            thread.join()
    print(f"{args.clients} clients, {args.minutes:g} minutes\n\n{report(found)}")
    sys.exit(bool(found.wrong))


if __name__ == "__main__":
    main()
