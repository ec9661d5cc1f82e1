"""Whether the rules are those that `CHANGES.md` says are in force."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from analysis.base.results import BadResult

FOLDER = Path(__file__).parent
RULES = ("standard.py", "list.py", "rules.py", "rules_bias.py", "rules_peers.py")
CHANGES = FOLDER / "CHANGES.md"


def fingerprint(folder: Path = FOLDER) -> str:
    """SHA-256 of the files that judge, 16 digits."""
    digest = hashlib.sha256()
    for name in RULES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]


def changed(folder: Path = FOLDER, changes: Path = CHANGES) -> list[str]:
    """A sentence where the newest fingerprint in the changelog is not that of the rules."""
    said = re.findall(r"`([0-9a-f]{16})`", changes.read_text(encoding="utf-8"))
    if not said:
        raise BadResult(f"{changes.name} names no fingerprint of the rules.")
    now = fingerprint(folder)
    if said[0] == now:
        return []
    return [
        f"The rules are {now}, {changes.name} has {said[0]}: say there what changed, and whether "
        "results were out."
    ]
