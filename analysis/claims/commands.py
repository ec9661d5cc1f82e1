"""python -m analysis claims."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.base import cli
from analysis.base.provenance import ROOT
from analysis.claims import found, frozen, protocol
from analysis.claims.list import CLAIMS
from tatok.tokenizer import TaTok


def run_claims(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Judge the paper's claims by the result files; write the table, or check it."""
    table = protocol.judge(CLAIMS, args.out, TaTok.from_pretrained(args.weights).fingerprint)
    if args.check:
        wrong = frozen.changed()
        wrong += [*protocol.differences(table, args.readme), *found.differences(table, args.readme)]
        if wrong:
            sys.exit("\n".join(wrong))
        return
    protocol.write_table(table, args.readme)
    found.write(table, args.readme)
    cli.save(args, table)
    print(protocol.markdown(table))


def add(verbs) -> None:
    """`claims`."""
    made = cli.verb(verbs, "claims", run_claims, "the paper's claims beside the results")
    usual = str(ROOT / "assets" / "anygrid")
    made.add_argument("--weights", default=usual, help="folder or hub id that the claims are about")
    made.add_argument("--readme", type=Path, default=ROOT / "README.md", help="gets the table")
    made.add_argument(
        "--check",
        action="store_true",
        help="write nothing; fail where the table or the rules are not what they are said to be",
    )
