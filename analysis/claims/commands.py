"""python -m analysis claims."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from analysis.base import cli
from analysis.base.provenance import ROOT
from analysis.claims import protocol
from analysis.claims.list import CLAIMS


def run_claims(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Judge the paper's claims by the result files; write the table."""
    table = protocol.judge(CLAIMS, args.out)
    protocol.write_table(table, args.readme)
    cli.save(args, table)
    print(protocol.markdown(table))


def add(verbs) -> None:
    """`claims`."""
    made = cli.verb(verbs, "claims", run_claims, "the paper's claims beside the results")
    made.add_argument("--readme", type=Path, default=ROOT / "README.md", help="gets the table")
