"""The sentences of the tab Curves, and its table of claims, as HTML."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import get_args

from analysis.base.recipes import COMMANDS
from analysis.claims.protocol import READ, Claims, Row, Source, Verdict
from analysis.paper.own_pictures import Album, Report
from analysis.rate import codecs

FIGURES = {
    "fig5": "Fig. 5: which patches",
    "epsilon": "Rate over ε",
    "fig3": "Fig. 3: global tokens",
    "fig4": "Fig. 4: patches removed",
    "sides": "Tokens by side",
    "codecs": "TaTok and JPEG, WebP, AVIF",
    "peers": "TaTok and its peers",
}
INTRO = (
    "<p>What was measured, with 95 % bands; the line below a figure says on which weights. rFD is "
    "the Fréchet distance between the features of originals and reconstructions, lower is better; "
    "its value depends on the features and on the number of images, so the label names both. Grey "
    "points are the paper's own, on an axis of their own: compare shapes and orders, not heights. "
    "The dashed orange line is where the Tokenize tab stands now.</p>"
)
CLAIMS = (
    "<h2>The paper's claims</h2><p>Each is judged by a fixed rule from the files behind the "
    f"figures above; the rule is under “rule”. {READ}</p>"
)
RUN = (
    "<h2>Run it here</h2><p>The same measurement on your own pictures, with fewer settings: centre "
    "squares, 2 to 200 of them. They are read in memory and not kept. 20 pictures take a minute or "
    "two; after every 8 the figure shows what is known, and Stop keeps that.</p>"
)
FEW = (
    "With few pictures the Fréchet distance comes out far too high, and below 40 it has no band: "
    "PSNR is the one to read."
)
PAPER = {
    "fig3": "The paper's points go on to k = 200: double-click the figure to see them.",
    "fig4": "The paper's axis is logarithmic: at 440 of 441 patches removed its rFID is 379.",
    "fig5": "The paper's DTF ranks by the estimator residual, its Algorithm 1.",
    "sides": "The paper has no such figure: it works at one side. A patch has as many pixels at "
    "every side. Loss: PSNR below that of all patches of the same side.",
    "peers": "titok sends global tokens alone, vq patches alone, hita both and all of them; "
    "tatok-paper is the paper's form. All are this project's code, trained alike.",
}


def not_measured(name: str, html: bool = False) -> str:
    """That a result file is missing, and the command that makes it."""
    what = "The claims have" if name == "claims" else f"“{FIGURES[name]}” has"
    verb = "judged" if name == "claims" else "measured"
    command = COMMANDS[name]
    if html:
        return f"<p>{what} not been {verb} yet; <code>{escape(command)}</code> does it.</p>"
    return f"{what} not been {verb} yet; “{command}” does it."


def note(name: str, same_weights: bool) -> str:
    """What has to be known beside the line that says how a figure was made."""
    others = "" if same_weights else "Measured on other weights than those on this page. "
    return (others + PAPER.get(name, "")).strip()


def sentence(text: str) -> str:
    """Plain text as a paragraph."""
    return f"<p>{escape(text)}</p>"


def lead(text: str) -> str:
    """The sentence that a figure opens with."""
    return f'<p class="lead">{escape(text)}</p>'


def refusal(text: str) -> str:
    """The same where something cannot be done."""
    return f'<p class="refused" role="alert">{escape(text)}</p>'


def progress(report: Report, album: Album) -> str:
    """A bar, and the time left."""
    left = "" if report.seconds_left is None else f"; about {_duration(report.seconds_left)} left"
    text = (
        f"{len(album.x)} pictures, {report.total // len(album.x)} settings: "
        f"{report.done / report.total:.0%}{left}."
    )
    bar = f'<progress max="{report.total}" value="{report.done}" aria-label="Measured"></progress>'
    return f"<p>{bar} {escape(text)}</p>{_left_out(album)}"


def ended(report: Report, album: Album) -> str:
    """How a run ended."""
    if report.done >= report.total:
        text = f"Done: {len(album.x)} pictures through {report.total // len(album.x)} settings."
    else:
        text = "Stopped. The figure, if any, shows the pictures that had been through all settings."
    return sentence(text) + _left_out(album)


def where_each_wins(result: codecs.Codecs) -> str:
    """What stands beside the figure of the codecs, as HTML."""
    parts = [
        f"<h3>{title}</h3>{_bullets(codecs.sentences(result, size))}"
        for size, title in codecs.TITLES.items()
    ]
    minus = "<p>The sizes without containers and tables leave out:</p>"
    minus += _bullets(codecs.left_out(result))
    return f"<h2>Where each wins</h2>{sentence(codecs.how(result))}{''.join(parts)}{minus}"


def table(claims: Claims, fingerprint: str) -> str:
    """The claims as a table, and what they were made from. fingerprint: of the page's weights."""
    rows = "".join(map(_row, claims.rows))
    made = [_source(source, fingerprint) for source in claims.sources]
    head = "".join(f"<th>{name}</th>" for name in ("claim", "paper", "ours (95 %)", "verdict"))
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    files = f"<details><summary>Made from</summary>{_bullets(made, 'made-from')}</details>"
    return _verdicts(claims.rows) + body + (files if made else "")


def _verdicts(rows: Sequence[Row]) -> str:
    """How many claims there are of each verdict; choosing one shows those alone, without a script.

    The style beside it is made of fixed names only.
    """
    counts = Counter(row.verdict for row in rows)
    present = [verdict for verdict in get_args(Verdict) if counts[verdict]]
    choices = [("", f"all {len(rows)}", True)]
    choices += [(_kind(verdict), f"{counts[verdict]} {verdict}", False) for verdict in present]
    labels = "".join(
        f'<label><input type="radio" name="verdict" value="{kind}"{" checked" if on else ""}>'
        f"{name}</label>"
        for kind, name, on in choices
    )
    hide = "".join(
        f'.claims:has([value="{kind}"]:checked) tr[data-verdict]:not([data-verdict="{kind}"])'
        "{display:none !important}"
        for kind, _, _ in choices[1:]
    )
    named = 'class="verdicts" aria-label="Claims by verdict"'
    return f"<style>{hide}</style><fieldset {named}>{labels}</fieldset>"


def _kind(verdict: Verdict) -> str:
    return verdict.replace(" ", "-")


def _source(source: Source, fingerprint: str) -> str:
    """How a file was made; random weights are nobody's."""
    own = fingerprint in source.line or "random weights" in source.line
    other = "" if own else "measured on other weights than those on this page: "
    return f"{source.name}: {other}{source.line}"


def _bullets(lines: Iterable[str], name: str = "bullets") -> str:
    return f'<ul class="{name}">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>'


def _row(row: Row) -> str:
    interval = f" <small>({escape(row.interval)})</small>" if row.interval else ""
    interval += f" <small>N = {row.n}</small>" if row.n else ""
    because = f"<small>{_code(row.because)}</small>" if row.because else ""
    kind = _kind(row.verdict)
    return (
        f'<tr data-verdict="{kind}"><td>'
        f"{escape(row.text)} <small>{escape(row.where)}</small>"
        f"<details><summary>rule</summary>{_code(row.rule)}</details></td>"
        f'<td data-head="paper">{escape(row.paper)}</td>'
        f'<td data-head="ours">{escape(row.ours) or "–"}{interval}</td>'
        f'<td data-head="verdict"><b class="{kind}">{row.verdict}</b> {because}</td></tr>'
    )


def _code(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))


def _left_out(album: Album) -> str:
    return sentence(album.left_out()) if album.bad else ""


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
