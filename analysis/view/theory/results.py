"""What the paper proves, what it assumes, and beside it what was measured."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path

import gradio as gr

from analysis.base.recipes import COMMANDS
from analysis.base.results import BadResult, Estimate, load, path_of, shown
from analysis.rate import redundancy, theory
from analysis.view.bias.results import Dot, Part, Shown, add, dots
from analysis.view.shared.files import source
from analysis.view.shared.origin import note

# --- the figures -----------------------------------------------------------------------------


def of_redundancy(result: redundancy.Redundancies) -> Shown:
    """Red of all patches and of the kept, without and given G."""
    rows = [Dot(_named(row), row.red, 0.0) for row in result.rows]
    caveat = (
        '<p class="note">Red = 1 − joint / singles, both code lengths in bits on held-out '
        "pictures, so each is an upper bound of its entropy, and Red a bound on neither side. A "
        "better joint model would find more redundancy, a better model of single codes less. The "
        "table’s “at least” is a lower bound. “Kept” is what DTF keeps at "
        f"ε = {result.epsilon:g}. The interval is over {result.n} pictures.</p>"
    )
    figure = dots("Red; the tick is 0, no redundancy", rows, tick="no redundancy") + caveat
    return Shown(figure, redundancy.markdown(result.rows), (result.provenance,))


def of_theory(result: theory.Theory) -> Shown:
    """The error floor at one number of tokens in all, and what T asks over the set."""
    none, others = _split(result)
    rows = [Dot(f"k = {f.k}, {f.count} patches, {f.bits:,.0f} bits", f.gain, 0.0) for f in others]
    floor = dots(
        f"Gain in dB over {none.count} patches and no global token, {none.bits:,.0f} bits, at as "
        "many tokens in all; the tick is 0",
        rows,
        2,
        "no gain",
    )
    lines = [
        f"<li>D0 at {d.psnr:g} dB: G alone is enough for {100 * d.share_reached:.0f} % of the "
        f"{result.n} pictures; T is more than all patch codes carry for "
        f"{100 * d.share_beyond:.0f} % by Eq. 18, for {100 * d.share_beyond_water:.0f} % by "
        "reverse water-filling.</li>"
        for d in result.demands
    ]
    return Shown(
        f"{floor}<h3>What T asks of the patches</h3><ul>{''.join(lines)}</ul>",
        theory.markdown(result),
        (result.provenance,),
    )


def _named(row: redundancy.Redundancy) -> str:
    return f"{row.patches} patches{', given G' if row.given_globals else ''}"


def _split(result: theory.Theory) -> tuple[theory.Floor, list[theory.Floor]]:
    """The floor without global tokens, and the others."""
    none = next(f for f in result.floors if f.k == 0)
    return none, [f for f in result.floors if f.k > 0]


PARTS = (
    Part(
        "theory",
        "The error floor with and without global tokens, and what T asks over a set",
        theory.Theory,
        of_theory,
    ),
    Part(
        "redundancy",
        "Red (Eq. 2) of all patches, of the kept, and given G",
        redundancy.Redundancies,
        of_redundancy,
    ),
)

# --- theorem and measurement -----------------------------------------------------------------

INFIMUM = (
    "<b>Proved:</b> codes of finitely many bits cannot give a continuous source back without "
    "error, inf L ≥ D<sub>min</sub> &gt; 0, and quantizing never adds information. <b>Assumed:</b> "
    "that x has a density (pictures of 8-bit pixels have none), and nothing about patches in "
    "particular: the bound holds for any code of that rate, global tokens included."
)
REDUCTION = (
    "<b>Proved:</b> with ΔR bits per pixel value more for G the <i>lower bound</i> of the "
    "distortion falls, D′<sub>min</sub> = D<sub>min</sub> 2<sup>−2ΔR</sup> (an erratum: Eq. 14 has "
    "exp(−2ΔR), which wants nats, where Eq. 12 counts in bits); but the proof compares two lower "
    "bounds, and ε′<sub>inf</sub> ≥ D′<sub>min</sub> and ε<sub>inf</sub> ≥ D<sub>min</sub> do not "
    "order the two infima. <b>Assumed:</b> that training drives h(𝒢(x) | g) to 0 (Lemma 3.1) and "
    "that ΔR costs nothing, though ΔR is all that lowers the bound: at the same number of bits the "
    "argument gives no gain."
)
REDUNDANCY = (
    "<b>Derived:</b> the patches that DTF keeps have Red ≈ 0. <b>Assumed on the way:</b> "
    "H(p̂<sub>i</sub> | G, earlier ones) = H(p̂<sub>i</sub> | G), which says already that given G "
    "nothing is redundant, and Σ I(p̂<sub>i</sub>; G) ≈ I(P̂; G) + H(G), with which the numerator as "
    "printed (Eq. 38) comes to 2 I(P̂; G), not to 0."
)


def floor_alone(result: theory.Theory) -> str:
    """Beside Theorem 2.1: the error of all patches without a global token."""
    none, _ = _split(result)
    return (
        f"{none.count} patch tokens and no global one reach D = {shown(none.mse, 4)}, "
        f"{shown(none.psnr, 2)} dB, mean over {result.n} pictures. That is one trained tokenizer: "
        "it lies above the infimum, and says neither where that is nor that it is positive."
    )


def floor_gain(result: theory.Theory) -> str:
    """Beside Theorem 3.2: the gain by global tokens at one number of tokens in all."""
    none, others = _split(result)
    gains = [
        f"{f.k} global and {f.count} patch tokens ({f.bits:,.0f} bits) against {none.count} patch "
        f"tokens ({none.bits:,.0f} bits): {shown(f.gain, 2)} dB, {_direction(f.gain)}"
        for f in others
    ]
    return (
        f"{'; '.join(gains)}. At as many tokens the bits can differ, since the places of kept "
        "patches cost some. The paper’s Fig. 3, 441 tokens in all: rFID 2.17 without, 1.54 with "
        "16 global tokens. Both compare trained models, not infima."
    )


def red_kept(result: redundancy.Redundancies) -> str:
    """Beside App. B.4.2: Red of every case."""
    values = [f"{_named(row)} {shown(row.red, 3)}" for row in result.rows]
    return f"Red: {'; '.join(values)}. Code lengths, so a bound on neither side."


def _direction(gain: Estimate) -> str:
    """Which way a gain goes, where its interval tells."""
    if gain.low is None or gain.low <= 0 <= gain.high:
        return "undecided"
    return "as the theorem says" if gain.low > 0 else "the other way round"


CLAIMS: tuple[tuple[str, str, str, type, Callable], ...] = (
    ("Theorem 2.1: an error that stays", INFIMUM, "theory", theory.Theory, floor_alone),
    ("Theorem 3.2: global tokens lower it", REDUCTION, "theory", theory.Theory, floor_gain),
    (
        "App. B.4.2: no redundancy is left",
        REDUNDANCY,
        "redundancy",
        redundancy.Redundancies,
        red_kept,
    ),
)


def measurement(name: str, kind: type, says: Callable, folder: Path, fingerprint: str) -> str:
    """What the file says beside a claim, as HTML, or why it says nothing."""
    try:
        result = load(kind, path_of(name, folder))
    except BadResult as error:
        return f"{escape(str(error))} <code>{escape(COMMANDS[name])}</code> makes it."
    made = note(result.provenance, fingerprint)
    return f'<b>Measured:</b> {escape(says(result))} <span class="note">{made}</span>'


def build(fingerprint: str, folder: Path) -> None:
    """Add theorems and figures to the current Blocks. fingerprint: of the page's weights."""
    claims = "".join(
        f"<h3>{title}</h3><p>{text}</p><p>{measurement(name, kind, says, folder, fingerprint)}</p>"
        for title, text, name, kind, says in CLAIMS
    )
    gr.HTML(
        html_template="${value}",
        value=f'<div class="section claims"><h2>2 Proved, assumed, measured</h2>{claims}</div>'
        '<div class="section claims"><h2>3 Measured over a set of pictures</h2></div>',
        css_template=source("shared/section.css", "theory/results.css"),
        apply_default_css=False,
        elem_id="theory-claims",
    )
    for part in PARTS:
        add(part, folder, fingerprint)
