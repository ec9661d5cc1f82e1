"""Command line: python -m analysis evaluate | run | codecs | claims | … (--help lists all)."""

from __future__ import annotations

import argparse
import sys

from analysis.base import commands as base
from analysis.base.evaluate import BadData
from analysis.base.results import BadResult
from analysis.bias import commands as bias
from analysis.claims import commands as claims
from analysis.generator import commands as generator
from analysis.paper import commands as paper
from analysis.peers import commands as peers
from analysis.rate import commands as rate
from tatok.files import CannotWrite
from tatok.images import BadImage
from tatok.pretrained import BadCheckpoint
from tatok.training.data import EmptyFolder


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="python -m analysis", description=__doc__)
    verbs = top.add_subparsers(required=True)
    for part in (base, paper, rate, bias, generator, peers, claims):
        part.add(verbs)
    return top


def main(argv: list[str] | None = None) -> None:
    """Entry point; what a user can cause ends in one sentence."""
    argv = sys.argv[1:] if argv is None else argv
    args = parser().parse_args(argv)
    try:
        args.run(args, argv)
    except (BadData, BadImage, BadCheckpoint, BadResult, CannotWrite, EmptyFolder) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
