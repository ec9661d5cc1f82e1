"""Many clients at once against the real server: python tests/load/load.py --clients 20 --minutes 5

Starts app.py. First one client tokenizes alone, then one beside others that draw without a pause,
so that it shows whether they starve it; then all clients tokenize, select, decode, draw and send
hostile files at random. Every answer is compared with what the library finds for that picture and
those settings: numbers that belong to somebody else's would show. Prints requests, median and 95th
percentile of the waiting time of each kind, and wrong answers; with --readme into README, too.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from gradio_client import Client

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT), str(ROOT / "tests")]  # as pytest has it
from asked import KINDS, Asked, Found, ask, truth_of  # noqa: E402
from browser.conftest import serving  # noqa: E402

START, END = "<!-- load -->", "<!-- /load -->"
STARVED = 5  # times the median of tokenizing alone
ALONE, BESIDE = "tokenize, alone", "tokenize, beside {} that draw"


def client(url: str, seed: int, end: float, kinds: Sequence[str], name: str | None, world) -> None:
    """One client that asks for one of `kinds` after the other, until `end` (time.monotonic).

    name: of all its requests in the table; None: that of their kind.
    """
    asked, found = world
    rng, caller = random.Random(seed), Client(url, verbose=False)
    while time.monotonic() < end:
        kind = rng.choice(kinds)
        start = time.monotonic()
        wrong = ask(caller, kind, asked, rng)
        found.add(name or kind, time.monotonic() - start, wrong)


def together(url: str, minutes: float, clients: list[tuple], world: tuple[Asked, Found]) -> None:
    """So many clients for so long, each with (kinds, name)."""
    end = time.monotonic() + 60 * minutes
    threads = [
        threading.Thread(target=client, args=(url, seed, end, *each, world))
        for seed, each in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def judge(found: Found, beside: str, log: str) -> list[str]:
    """What is wrong: answers, a starved client, what the server's log says; one sentence each."""
    wrong = list(found.wrong)
    alone, with_others = found.median(ALONE), found.median(beside)
    if not with_others <= STARVED * alone:
        wrong.append(f"starved: {with_others:.2f} s beside others, {alone:.2f} s alone")
    lines = [line for line in log.splitlines() if "Traceback" in line or "Warning" in line]
    return wrong + [f"the server's log: {line}" for line in lines]


def into_readme(table: str, readme: Path) -> None:
    """Put the table between its two marks."""
    text = readme.read_text(encoding="utf-8")
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        sys.exit(f"{readme.name} has no place for the table: {START} and {END}.")
    readme.write_text(f"{before}{START}\n{table}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Run the clients; exit 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    found, drawing = Found(), args.clients - 1
    beside = BESIDE.format(drawing)
    with tempfile.TemporaryDirectory() as name:
        world = truth_of(ROOT, Path(name)), found
        with serving(Path(name)) as url:
            part = args.minutes / 5
            together(url, part, [(("tokenize",), ALONE)], world)
            others = [(("generate",), "generate, without a pause")] * drawing
            together(url, part, [(("tokenize",), beside), *others], world)
            together(url, args.minutes, [(KINDS, None)] * args.clients, world)
        wrong = judge(found, beside, (Path(name) / "app.log").read_text())
    on = f"{os.cpu_count()} cores ({platform.processor() or platform.machine()})"
    table = f"{args.clients} clients, {args.minutes:g} minutes, {on}:\n\n{found.table()}"
    print(table, f"{len(wrong)} wrong or failed.", *wrong[:10], sep="\n")
    if args.readme:
        into_readme(f"{table}\n\n{len(wrong)} wrong or failed.", ROOT / "README.md")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
