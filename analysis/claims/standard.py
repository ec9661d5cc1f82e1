"""The one standard that every claim is judged by. It is frozen: `CHANGES.md` says since when.

Where the paper has a number, a claim holds if the whole 95 % interval reaches half of the paper's
effect, holds in part if it surely goes beyond the margin, does not hold if it surely stays short of
the margin (or of half the paper's effect, where that is less), and is undecided else. Where the
paper has a direction alone, it holds surely beyond the margin, in part if there surely is an
effect, and does not hold if that is surely below the margin. That something is small, as the paper
has it: surely at most twice the paper's number.

An effect below its margin is one that this project would not act on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from analysis.base.results import Estimate

RFD = 0.05  # margin of a relative change of the rFD
PSNR = 0.1  # dB
SHARE = 0.05  # of a share of patches, of variance, of bits
ACCURACY = 0.01  # of a probe
TWICE = 2.0  # the factor within which a number of the paper counts as reached

Verdict = Literal[
    "holds",
    "holds in part",
    "undecided here",
    "does not hold here",
    "cannot be tested here",
    "not measured yet",
]
HOLDS, PART, NOT, UNDECIDED = "holds", "holds in part", "does not hold here", "undecided here"
Answer = bool | None  # surely so, surely not, or undecided


def above(estimate: Estimate, bound: float) -> Answer:
    """Whether it lies above the bound."""
    return True if estimate.low > bound else False if estimate.high < bound else None


def below(estimate: Estimate, bound: float) -> Answer:
    """Whether it lies below the bound."""
    answer = above(estimate, bound)
    return None if answer is None else not answer


def reached(effect: Estimate, papers: float, margin: float) -> Verdict:
    """Whether an effect reaches the paper's, of either sign."""
    effect = effect if papers > 0 else _turned(effect)
    half = abs(papers) / TWICE
    return levelled(above(effect, half), above(effect, min(half, margin)))


def directed(effect: Estimate, sign: int, margin: float) -> Verdict:
    """Whether there is an effect of that sign; the paper has no number."""
    effect = effect if sign > 0 else _turned(effect)
    if above(effect, 0):
        return HOLDS if above(effect, margin) else PART
    return NOT if above(effect, margin) is False else UNDECIDED


def levelled(whole: Answer, part: Answer) -> Verdict:
    """Of a strong claim and a weak one that it implies."""
    return HOLDS if whole else PART if part else NOT if part is False else UNDECIDED


def graded(answers: Iterable[Answer]) -> Verdict:
    """Of several questions: all, some, or none surely so."""
    answers = list(answers)
    if True in answers:
        return HOLDS if all(answers) else PART
    return UNDECIDED if None in answers else NOT


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """Of the parts of a claim: it holds where all do, and not where none does."""
    found = set(verdicts)
    if found == {HOLDS}:
        return HOLDS
    if found & {HOLDS, PART}:
        return PART
    return UNDECIDED if UNDECIDED in found else NOT


def _turned(estimate: Estimate) -> Estimate:
    return Estimate(-estimate.value, -estimate.high, -estimate.low)
