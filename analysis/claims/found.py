"""What was found, in sentences to be read aloud; each was written for one verdict.

`python -m analysis claims` puts them into the README with the numbers of the table. A sentence
whose claim has another verdict by now is not printed, and `--check` names it: it has to be written
anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analysis.base.results import between, write_between
from analysis.claims.protocol import Claims, Row
from analysis.claims.standard import HOLDS, NOT, PART, UNDECIDED, Verdict

MARK = "found"
START, END = f"<!-- {MARK} -->", f"<!-- /{MARK} -->"
MOST = 15  # sentences, as many as somebody listens to


@dataclass(frozen=True)
class Sentence:
    """text: with {ours}, {interval} and {paper} of the claim's row."""

    claim: str
    verdict: Verdict
    text: str

    def said(self, row: Row) -> str:
        """With its numbers, and where the figure is."""
        told = self.text.format(ours=row.ours, interval=row.interval, paper=row.paper)
        return f"{told} ({row.where})"


SENTENCES = (
    Sentence(
        "globals-loss",
        PART,
        "Sixteen global tokens beside all patches lower the error by {ours} ({interval}), surely, "
        "and too little to see.",
    ),
    Sentence(
        "globals-rfd",
        NOT,
        "They do not lower the Fréchet distance: it changes by {ours} ({interval}), where the "
        "paper says {paper}.",
    ),
    Sentence(
        "globals-total",
        NOT,
        "Nor do they where as many patches make room for them: {ours} ({interval}; paper: "
        "{paper}).",
    ),
    Sentence(
        "redundant-half",
        NOT,
        "Half of the patches are not redundant where nobody looks which: without 48 % of them the "
        "Fréchet distance rises by as much as {ours} ({interval}), and the paper says "
        "{paper}.",
    ),
    Sentence(
        "removal-order",
        PART,
        "To leave them out at random does most harm, as in the paper; from the end and from the "
        "start come out alike ({ours}; paper: {paper}).",
    ),
    Sentence(
        "collapse",
        PART,
        "Beyond one half the distance rises more steeply, as the paper has it, but in all it gets "
        "no further than {ours} (paper: {paper}).",
    ),
    Sentence(
        "redundancy",
        HOLDS,
        "The codes of patches are redundant, though: read one after another they take "
        "{ours} ({interval}) fewer bits than each by itself, as the paper has it ({paper}).",
    ),
    Sentence(
        "red-zero",
        NOT,
        "Those that are kept are still redundant to one who knows the global tokens, and no less "
        "than as many at random: {ours} ({interval}), where the paper says {paper}.",
    ),
    Sentence(
        "dtf-residual",
        PART,
        "Kept by the paper's own score, as many patches change the Fréchet distance by {ours} "
        "({interval}) against the best choice that does not look at the picture; the paper says "
        "{paper}, and half of that is reached in most comparisons, not in all.",
    ),
    Sentence(
        "dtf-best",
        PART,
        "An oracle that sees the error of every patch comes little further: {ours} ({interval}).",
    ),
    Sentence(
        "baselines",
        UNDECIDED,
        "Which choice is best among those that do not look at the picture, we cannot say: random, "
        "uniform, first and last are as good as equal ({ours}), while the paper sets them far "
        "apart ({paper}).",
    ),
    Sentence(
        "few-residual",
        NOT,
        "At the paper's ε the patches that are kept are not few: {ours} ({interval}) of them, "
        "where the paper has {paper}.",
    ),
    Sentence(
        "no-loss-residual",
        NOT,
        "Nor are they as good as all: the Fréchet distance changes by {ours} ({interval}), and in "
        "the paper not at all.",
    ),
    Sentence(
        "epsilon-residual",
        HOLDS,
        "Against as many patches at random the score helps alike over the paper's range: {ours}.",
    ),
    Sentence(
        "speed",
        HOLDS,
        "With as few tokens as the paper's, a picture is drawn many times as fast as with all of "
        "them: {ours} (paper: {paper}).",
    ),
)


def said(claims: Claims) -> list[str]:
    """Those that the verdicts bear out, in their order."""
    return [one.said(row) for one, row in _paired(claims) if one.verdict == row.verdict]


def _paired(claims: Claims) -> list[tuple[Sentence, Row]]:
    rows = {row.id: row for row in claims.rows}
    return [(one, rows[one.claim]) for one in SENTENCES]


def markdown(claims: Claims) -> str:
    """A numbered list."""
    return "\n".join(f"{n}. {text}" for n, text in enumerate(said(claims), start=1))


def write(claims: Claims, readme: Path) -> None:
    """Put them between their marks in a Markdown file. BadResult where they are not."""
    write_between(readme, MARK, markdown(claims))


def differences(claims: Claims, readme: Path) -> list[str]:
    """Sentences written for another verdict; and whether the Markdown file has other text."""
    stale = [
        f"What we found: the sentence for “{one.verdict}” of {one.claim} stands beside "
        f"“{row.verdict}”"
        for one, row in _paired(claims)
        if one.verdict != row.verdict
    ]
    _, there, _ = between(readme, START, END)
    if there.strip() != markdown(claims).strip():
        stale.append(f"{readme.name} does not say what was found as the table has it now")
    return stale
