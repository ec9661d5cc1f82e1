"""The rules of the claims about places and redundancy; see `rules`."""

from __future__ import annotations

from analysis.base.results import Estimate
from analysis.bias.placement import Placement
from analysis.bias.probe import RAW, TARGETS
from analysis.claims.protocol import Finding, Measured, Untestable
from analysis.claims.rules import above, below, found, graded, levelled, percent, signed, sure
from analysis.paper.plans import PAPER_ESTIMATOR
from analysis.rate.redundancy import Redundancy


def columns(placement: Placement) -> tuple[Estimate, float]:
    """Share of the kept patches in the left and right columns, and what chance gives."""
    share = next(share for share in placement.shares if share.region == "columns")
    return share.share, share.chance


def edges(pictures: tuple[str, ...], measured: Measured) -> Finding:
    """App. D.2 on several sets of pictures, by the paper's estimator at the paper's share of the
    patches. Single pictures, white and black, have no test, but must show it too."""
    places = measured["bias"].at_share
    placed = [p for p in places if p.pictures in pictures and p.estimator == PAPER_ESTIMATOR]
    tested = [columns(p) for p in placed if p.shares and p.n > 1]
    if not tested:
        raise Untestable(
            f"no set of these pictures was measured with estimator {PAPER_ESTIMATOR} at the "
            "paper's share of the patches"
        )
    ((share, chance),) = tested
    parts = []
    for placement in placed:
        told = "H = 0 everywhere"
        if placement.shares:
            one, by_chance = columns(placement)
            band = "" if one.low is None else f", {percent(one.low)} to {percent(one.high)}"
            told = f"{percent(one.value)}{band} (chance {percent(by_chance)})"
        parts.append(f"{placement.pictures}: {told}")
    single = [bool(p.shares) and columns(p)[0].value >= 0.4 for p in placed if p.n < 2]
    verdict = levelled(above(sure(share), 0.4) and all(single), above(share, chance))
    N = max(p.count for p in placed)
    return Finding("; ".join(parts), "", verdict, f"estimator {PAPER_ESTIMATOR}; N = {N:.0f}")


def edges_first(measured: Measured) -> Finding:
    """App. D.3, by the paper's estimator at equal N."""
    cure = measured["cure"]
    rows = [r for r in cure.rows if (r.estimator, r.way.policy) == (PAPER_ESTIMATOR, "edges")]
    if not rows:
        raise Untestable(f"it was not measured with estimator {PAPER_ESTIMATOR}")
    changes = [sure(row.fd_change) for row in rows]
    text = "; ".join(
        f"N = {row.count}: {one.value:+.1f} ({one.low:+.1f} to {one.high:+.1f}), "
        f"PSNR {row.gain.value:+.2f} dB"
        for row, one in zip(rows, changes, strict=True)
    )
    verdict = graded(below(one, 0) for one in changes)
    return Finding(text, "", verdict, f"{PAPER_ESTIMATOR}; change of {cure.fd_label}")


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
    last = {model.layout: model for model in probes.models}  # of each layout
    hours = [model.provenance.training_hours for model in last.values()]
    if not {"sequence", "grid"} <= set(last) or None in hours or max(hours) > 1.1 * min(hours):
        raise Untestable("it takes weights of both layouts, trained for equal time")
    sequence, grid = last["sequence"].weights, last["grid"].weights
    gains = {}
    for less in (RAW, grid):
        for target in TARGETS:
            wanted = ("code", target, f"{sequence} − {less}")
            gains[f"{target}, {wanted[2]}"] = next(
                sure(one.estimate)
                for one in probes.differences
                if (one.feature, one.target, one.name) == wanted
            )
    text = "; ".join(
        f"{name}: {signed(gain.value)} ({signed(gain.low)} to {signed(gain.high)})"
        for name, gain in gains.items()
    )
    verdict = graded(above(gain, 0) for gain in gains.values())
    return Finding(text, "", verdict, f"accuracy on {probes.n_test} rolled pictures")
