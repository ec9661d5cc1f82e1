"""The rules of the claims about places and redundancy; see `claim_rules`."""

from __future__ import annotations

from analysis.bias import Placement
from analysis.claim_rules import (
    HOLDS,
    NOT,
    PART,
    UNDECIDED,
    above,
    below,
    found,
    graded,
    levelled,
    percent,
    signed,
    sure,
)
from analysis.claims import Finding, Measured, Untestable
from analysis.plans import PAPER_ESTIMATOR
from analysis.probe import RAW, TARGETS
from analysis.redundancy import Redundancy
from analysis.results import Estimate


def columns(placement: Placement) -> tuple[Estimate, float]:
    """Share of the kept patches in the left and right columns, and what chance gives."""
    share = next(share for share in placement.shares if share.region == "columns")
    return share.share, share.chance


def edges(pictures: tuple[str, ...], measured: Measured) -> Finding:
    """App. D.2 on several sets of pictures, by the paper's estimator at the paper's share of the
    patches: sets are tested, single pictures only described."""
    places = measured["bias"].at_share
    placed = [p for p in places if p.pictures in pictures and p.estimator == PAPER_ESTIMATOR]
    tested = [columns(p) for p in placed if p.shares and p.n > 1]
    if not tested:
        raise Untestable(
            f"no set of these pictures was measured with estimator {PAPER_ESTIMATOR} at the "
            "paper's share of the patches"
        )
    parts = []
    for placement in placed:
        told = "H = 0 everywhere"
        if placement.shares:
            share, chance = columns(placement)
            told = f"{percent(share.value)} (chance {percent(chance)})"
        parts.append(f"{placement.pictures}: {told}")
    many = [above(sure(share), 0.4) for share, _ in tested]
    single = [p.n == 1 and columns(p)[0].value >= 0.4 for p in placed if p.n < 2]
    more = graded(above(share, chance) for share, chance in tested)
    verdict = levelled(
        all(many) and all(single), {HOLDS: True, PART: True, NOT: False, UNDECIDED: None}[more]
    )
    N = max(p.count for p in placed)
    return Finding("; ".join(parts), "", verdict, f"estimator {PAPER_ESTIMATOR}; N = {N:.0f}")


def edges_first(measured: Measured) -> Finding:
    """App. D.3, by the paper's estimator at equal N."""
    cure = measured["cure"]
    of_papers = [row for row in cure.rows if row.estimator == PAPER_ESTIMATOR]
    rows = [row for row in of_papers if row.way.policy == "edges"]
    if not rows:
        raise Untestable(f"it was not measured with estimator {PAPER_ESTIMATOR}")
    told = (
        f"N = {row.count}: {row.fd_change.value:+.1f} ({row.fd_change.low:+.1f} to "
        f"{row.fd_change.high:+.1f}), PSNR {row.gain.value:+.2f} dB"
        for row in rows
        if sure(row.fd_change)
    )
    verdict = graded(below(sure(row.fd_change), 0) for row in rows)
    return Finding("; ".join(told), "", verdict, f"{PAPER_ESTIMATOR}; change of {cure.fd_label}")


def red(measured: Measured, patches: str, given: bool) -> Redundancy:
    """A row of the redundancy file."""
    rows = measured["redundancy"].rows
    return next(r for r in rows if (r.patches, r.given_globals) == (patches, given))


def patches_are_redundant(measured: Measured) -> Finding:
    """Defect II."""
    row = red(measured, "all", False)
    some = above(sure(row.red), 0)
    verdict = levelled(some and (row.at_least or 0) > 0, some)
    least = "unknown" if row.at_least is None else percent(row.at_least)
    return found(row.red, percent, verdict, f"lower bound {least}; Red itself is none")


def red_vanishes(measured: Measured) -> Finding:
    """App. B.4.2. A small Red is no upper bound, so the claim can hold in part at best."""
    kept, every = (sure(red(measured, *row).red) for row in (("kept", True), ("all", False)))
    if kept.high < 0:
        raise Untestable("the joint model of the codes is worse than single ones: Red is below 0")
    less = True if kept.high < every.low else False if kept.low > every.high else None
    text = f"all patches, without G: {percent(every.value)}; a small Red is no upper bound"
    return found(kept, percent, levelled(False, less), text)


def place_in_codes(measured: Measured) -> Finding:
    """App. D.2's explanation, on the codes of rolled pictures: `sequence` against raw patches, and
    against `grid`."""
    probes = measured["probe"]
    layouts = {model.layout: model.weights for model in probes.models}  # the last of each
    if not {"sequence", "grid"} <= set(layouts):
        raise Untestable("it takes weights of both layouts, trained for equal time")
    gains = {}
    for less in (RAW, layouts["grid"]):
        for target in TARGETS:
            wanted = ("code", target, f"{layouts['sequence']} − {less}")
            gains[f"{target} {wanted[2]}"] = next(
                one.estimate
                for one in probes.differences
                if (one.feature, one.target, one.name) == wanted
            )
    text = "; ".join(f"{name}: {signed(gain.value)}" for name, gain in gains.items())
    verdict = graded(above(sure(gain), 0) for gain in gains.values())
    return Finding(text, "", verdict, f"accuracy on {probes.n_test} rolled pictures")
