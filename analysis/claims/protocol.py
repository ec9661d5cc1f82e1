"""The paper's claims beside what the result files say: the protocol, the table, the command.

A claim is judged by a rule that stands beside it in words (`list`) and in code
(`claim_rules`). A rule reads result files and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.base.extractors import EXTRACTORS
from analysis.base.provenance import Provenance
from analysis.base.recipes import COMMANDS
from analysis.base.results import (
    Experiment,
    between,
    load,
    minus,
    path_of,
    write_between,
)
from analysis.bias.cure import Cure
from analysis.bias.decomposition import PlaceShares
from analysis.bias.placement import Bias
from analysis.bias.probe import Probes
from analysis.claims.standard import Verdict
from analysis.generator.speed import Speed
from analysis.paper import twins
from analysis.peers.frontier import Peers
from analysis.rate.redundancy import Redundancies

FILES: dict[str, type] = {
    **dict.fromkeys(("fig3", "fig4", "fig5", "epsilon"), Experiment),
    "bias": Bias,
    "decompose": PlaceShares,
    "redundancy": Redundancies,
    "probe": Probes,
    "cure": Cure,
    "speed": Speed,
    "peers": Peers,
    twins.NAME: twins.Twins,
}
READ = (
    "The rFD of this table is that of infinitely many pictures, extrapolated, so it lies below "
    "that of N pictures in the figures; how often such an interval holds the truth, `python -m "
    "analysis coverage` shows. Nothing is corrected for the number of comparisons: of eight, one "
    "is “sure” by chance in up to a fifth of the cases."
)
MARK = "claims"
START, END = f"<!-- {MARK} -->", f"<!-- /{MARK} -->"


@dataclass(frozen=True)
class Finding:
    """What a claim's rule says: our number, its 95 % interval or "", the verdict and why."""

    ours: str
    interval: str
    verdict: Verdict
    because: str = ""


class Untestable(Exception):
    """A claim that cannot be tested with what there is; the message says why."""


class NotYet(Exception):
    """A result file that lacks what a rule needs; the message says what."""


class Missing(Exception):
    """A result file that has not been made; the message is its name."""


class Measured:
    """The result files of a folder, read when a claim asks for them.

    weights: the fingerprint that all have to be of; None: that of the first of them.
    """

    def __init__(self, folder: Path, weights: str | None = None) -> None:
        self.folder, self.weights = folder, weights
        self.read: dict[str, object] = {}
        self.asked: list[str] = []  # by the claim that is being judged

    def __getitem__(self, name: str):
        """The result of that name. Raises Missing, NotYet for one of other weights, or BadResult
        for a damaged file."""
        self.asked.append(name)
        if name not in self.read:
            path = path_of(name, self.folder)
            if not path.exists():
                raise Missing(name)
            result = load(FILES[name], path)
            if not self._ours(result):
                raise NotYet("the file is of other weights")
            self.read[name] = result
        return self.read[name]

    def others(self, name: str) -> list[Experiment]:
        """The same experiment by other features, from folders of their names."""
        found = []
        for extractor in EXTRACTORS:
            path, key = path_of(name, self.folder / extractor), f"{extractor}/{name}"
            if path.exists():
                result = self.read.get(key) or load(FILES[name], path)
                if self._ours(result):
                    self.read[key] = result
                    found.append(result)
        return found

    def _ours(self, result: object) -> bool:
        """Whether it is of the weights, or among others of them, or of none."""
        marks = [] if isinstance(result, twins.Twins) else [o.weights for o in _origins(result)]
        if marks and self.weights is None:
            self.weights = marks[0]
        return not marks or self.weights in marks


@dataclass(frozen=True)
class Claim:
    """A claim of the paper. `rule` says in words what `judge` does.

    where: section or figure; paper: the paper's number.
    """

    id: str
    where: str
    text: str
    paper: str
    rule: str
    judge: Callable[[Measured], Finding]


@dataclass(frozen=True)
class Row:
    """A claim and what was found. n: pictures of the file that it was judged by, or ""."""

    id: str
    where: str
    text: str
    paper: str
    ours: str
    interval: str
    verdict: Verdict
    because: str
    rule: str
    n: str = ""


@dataclass(frozen=True)
class Source:
    """A result file that was read, and how it was made."""

    name: str
    line: str


@dataclass(frozen=True)
class Claims:
    """The result file."""

    rows: tuple[Row, ...]
    sources: tuple[Source, ...]


def judge(claims: Sequence[Claim], folder: Path, weights: str | None = None) -> Claims:
    """The claims by the result files in a folder; weights as in `Measured`. BadResult if one is
    damaged."""
    measured = Measured(folder, weights)
    rows = tuple(_row(claim, measured) for claim in claims)
    sources = tuple(Source(name, _line(result)) for name, result in measured.read.items())
    return Claims(rows, sources)


def _row(claim: Claim, measured: Measured) -> Row:
    measured.asked.clear()
    try:
        found = claim.judge(measured)
    except Missing as missing:
        found = Finding("", "", "not measured yet", f"`{COMMANDS[str(missing)]}` measures it")
    except NotYet as reason:
        by = " and ".join(f"`{COMMANDS[name]}`" for name in dict.fromkeys(measured.asked))
        found = Finding("", "", "not measured yet", f"{reason}; {by} measures it")
    except Untestable as reason:
        found = Finding("", "", "cannot be tested here", str(reason))
    return Row(
        claim.id,
        claim.where,
        claim.text,
        minus(claim.paper),
        minus(found.ours),
        minus(found.interval),
        found.verdict,
        minus(found.because),
        claim.rule,
        _pictures(measured) if found.ours else "",
    )


def _pictures(measured: Measured) -> str:
    """How many pictures the files have that a claim has just read."""
    origins = (_origins(measured.read[name]) for name in measured.asked)
    return ", ".join(dict.fromkeys(f"{one.data.n:,}" for part in origins for one in part[:1]))


def _origins(result: object) -> tuple[Provenance, ...]:
    """Of each of the models measured; none where the weights are random, or made to be compared."""
    if isinstance(result, (Speed, Peers)):
        return ()
    parts = result.models if isinstance(result, (Probes, PlaceShares)) else (result,)
    return tuple(part.provenance for part in parts)


def _line(result: object) -> str:
    lines = [origin.line() for origin in _origins(result)]
    return "; ".join(lines) or result.line()


def markdown(claims: Claims) -> str:
    """The table; the reason stands in the verdict's cell."""
    head = "| claim | where | paper | ours (95 %) | N | verdict |\n|---|---|---|---|---|---|"
    cells = (
        (row.text, row.where, row.paper, _ours(row), row.n or "–", _verdict(row))
        for row in claims.rows
    )
    return "\n".join([head, *(f"| {' | '.join(of_row)} |" for of_row in cells)])


def _ours(row: Row) -> str:
    return f"{row.ours} ({row.interval})" if row.interval else row.ours or "–"


def _verdict(row: Row) -> str:
    return f"**{row.verdict}**: {row.because}" if row.because else f"**{row.verdict}**"


def write_table(claims: Claims, readme: Path) -> None:
    """Put the table between the two marks in a Markdown file. BadResult where they are not."""
    made = "\n".join(f"- {source.name}: {source.line}" for source in claims.sources)
    parts = [
        markdown(claims),
        "Each verdict is computed by the rule beside the claim in `analysis/claims/list.py`, all "
        "by one standard, `analysis/claims/standard.py`; `analysis/claims/CHANGES.md` says which "
        f"rules changed when. N: pictures. {READ}",
    ]
    if made:
        parts.append(f"Made from:\n\n{made}")
    write_between(readme, MARK, "\n\n".join(parts))


def differences(claims: Claims, readme: Path) -> list[str]:
    """A sentence for each row of the table in a Markdown file that the rules do not give now."""
    _, table, _ = between(readme, START, END)
    there = [line for line in table.splitlines() if line.startswith("| ")][1:]  # without the head
    wanted = markdown(claims).splitlines()[2:]
    found = [
        f"{row.id}: {readme.name} does not say “{row.verdict}” as the rule does now"
        for row, line in zip(claims.rows, wanted, strict=True)
        if line not in there
    ]
    strangers = len(set(there) - set(wanted)) - len(found)
    return found + ([f"{readme.name} has {strangers} more rows"] if strangers > 0 else [])
