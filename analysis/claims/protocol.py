"""The paper's claims beside what the result files say: the protocol, the table, the command.

A claim is judged by a rule that stands beside it in words (`list`) and in code
(`claim_rules`). A rule reads result files and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from analysis.base.provenance import Provenance
from analysis.base.recipes import COMMANDS
from analysis.base.results import BadResult, Experiment, load, minus, path_of, write
from analysis.bias.cure import Cure
from analysis.bias.placement import Bias
from analysis.bias.probe import Probes
from analysis.generator.speed import Speed
from analysis.peers.frontier import Peers
from analysis.rate.redundancy import Redundancies

Verdict = Literal[
    "holds",
    "holds in part",
    "undecided here",
    "does not hold here",
    "cannot be tested here",
    "not measured yet",
]
FILES: dict[str, type] = {
    **dict.fromkeys(("fig3", "fig4", "fig5", "epsilon"), Experiment),
    "bias": Bias,
    "redundancy": Redundancies,
    "probe": Probes,
    "cure": Cure,
    "speed": Speed,
    "peers": Peers,
}
READ = (
    "The rFD of this table is less the jackknife's estimate of its bias, so it lies below that of "
    "the figures. Nothing is corrected for the number of comparisons: of eight, one is “sure” by "
    "chance in up to a fifth of the cases."
)
START, END = "<!-- claims -->", "<!-- /claims -->"


@dataclass(frozen=True)
class Finding:
    """What a claim's rule says: our number, its 95 % interval or "", the verdict and why."""

    ours: str
    interval: str
    verdict: Verdict
    because: str = ""


class Untestable(Exception):
    """A claim that cannot be tested with what there is; the message says why."""


class Missing(Exception):
    """A result file that has not been made; the message is its name."""


class Measured:
    """The result files of a folder, read when a claim asks for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read: dict[str, object] = {}

    def __getitem__(self, name: str):
        """The result of that name. Raises Missing, or BadResult for a damaged file, and for one of
        other weights than those read before."""
        if name not in self.read:
            path = path_of(name, self.folder)
            if not path.exists():
                raise Missing(name)
            result = load(FILES[name], path)
            if len(set().union(*map(_weights, (result, *self.read.values())))) > 1:
                raise BadResult(f"{path.name} was made with other weights than the results before.")
            self.read[name] = result
        return self.read[name]


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
    """A claim and what was found."""

    id: str
    where: str
    text: str
    paper: str
    ours: str
    interval: str
    verdict: Verdict
    because: str
    rule: str


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


def judge(claims: Sequence[Claim], folder: Path) -> Claims:
    """The claims by the result files in a folder. BadResult if one is damaged."""
    measured = Measured(folder)
    rows = tuple(_row(claim, measured) for claim in claims)
    sources = tuple(Source(name, _line(result)) for name, result in measured.read.items())
    return Claims(rows, sources)


def _row(claim: Claim, measured: Measured) -> Row:
    try:
        found = claim.judge(measured)
    except Missing as missing:
        found = Finding("", "", "not measured yet", f"`{COMMANDS[str(missing)]}` measures it")
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
    )


def _origins(result: object) -> tuple[Provenance, ...]:
    """Of each of the models measured; none where the weights are random, or made to be compared."""
    if isinstance(result, (Speed, Peers)):
        return ()
    parts = result.models if isinstance(result, Probes) else (result,)
    return tuple(part.provenance for part in parts)


def _weights(result: object) -> set[str]:
    """The fingerprint of a result of one model."""
    origins = _origins(result)
    return {origins[0].weights} if len(origins) == 1 else set()


def _line(result: object) -> str:
    lines = [origin.line() for origin in _origins(result)]
    return "; ".join(lines) or result.line()


def markdown(claims: Claims) -> str:
    """The table; the reason stands in the verdict's cell."""
    head = "| claim | where | paper | ours (95 %) | verdict |\n|---|---|---|---|---|"
    lines = [
        f"| {row.text} | {row.where} | {row.paper} | {_ours(row)} | {_verdict(row)} |"
        for row in claims.rows
    ]
    return "\n".join([head, *lines])


def _ours(row: Row) -> str:
    return f"{row.ours} ({row.interval})" if row.interval else row.ours or "–"


def _verdict(row: Row) -> str:
    return f"**{row.verdict}**: {row.because}" if row.because else f"**{row.verdict}**"


def write_table(claims: Claims, readme: Path) -> None:
    """Put the table between the two marks in a Markdown file. BadResult where they are not."""
    try:
        text = readme.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadResult(f"{readme.name} cannot be read.") from error
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise BadResult(f"{readme.name} has no place for the table: {START} and {END}.")
    made = "\n".join(f"- {source.name}: {source.line}" for source in claims.sources)
    parts = [
        markdown(claims),
        "Each verdict is computed by the rule beside the claim in `analysis/claims/list.py`. "
        f"{READ}",
    ]
    if made:
        parts.append(f"Made from:\n\n{made}")
    body = "\n\n".join(parts)
    write(readme, f"{before}{START}\n{body}\n{END}{after}")
