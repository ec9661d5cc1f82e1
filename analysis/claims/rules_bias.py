"""The rules of the claims about places and redundancy; see `rules`."""

from __future__ import annotations

from analysis.base.results import Estimate
from analysis.bias.decomposition import Bar
from analysis.bias.placement import Placement
from analysis.bias.probe import RAW, TARGETS
from analysis.claims import standard
from analysis.claims.protocol import Finding, Measured, NotYet, Untestable
from analysis.claims.rules import found, percent, signed, sure
from analysis.claims.standard import above, graded, levelled, together
from analysis.paper.plans import PAPER_ESTIMATOR, READINGS
from analysis.rate.redundancy import Redundancy

BLANK = READINGS[0]  # the default reading of `residual` is 0 where pixels do not vary


def region(placement: Placement, name: str) -> tuple[Estimate, float]:
    """Share of the kept patches in a region, and what chance gives."""
    share = next(share for share in placement.shares if share.region == name)
    return share.share, share.chance


def edges(pictures: tuple[str, ...], estimator: str, measured: Measured) -> Finding:
    """App. D.2 on several sets of pictures, by a reading of the paper's estimator at the paper's
    share of the patches. Single pictures, white and black, have no test, but must show it too."""
    bias = measured["bias"]
    if not any(p.estimator == BLANK for p in bias.at_share):
        raise NotYet(f"the file was made before `{PAPER_ESTIMATOR}` was read as it is now")
    placed = [p for p in bias.at_share if p.pictures in pictures and p.estimator == estimator]
    tested = [region(p, "columns") for p in placed if p.shares and p.n > 1]
    if not tested:
        raise Untestable(
            f"no set of these pictures was measured with estimator {estimator} at the paper's "
            "share of the patches"
        )
    ((share, chance),) = tested
    single = [bool(p.shares) and _half_way(region(p, "columns")) for p in placed if p.n < 2]
    whole = above(sure(share), (chance + 0.5) / 2)
    verdict = levelled(whole and all(single), above(share, chance + standard.SHARE))
    N = max(p.count for p in placed)
    twins = [
        f"{twin.weights} ({twin.layout}): {_columns_and_rows(p)}"
        for twin in bias.twins
        for p in twin.at_share
        if p.pictures in pictures and p.estimator == estimator
    ]
    because = [f"estimator {estimator}; N = {N:.0f}", *(twins or ["no pair of layouts yet"])]
    return Finding(
        "; ".join(f"{p.pictures}: {_columns_and_rows(p)}" for p in placed),
        "",
        verdict,
        "; ".join(because),
    )


def _half_way(share: tuple[Estimate, float]) -> bool:
    return share[0].value >= (share[1] + 0.5) / 2


def _columns_and_rows(placement: Placement) -> str:
    if not placement.shares:
        return "H = 0 everywhere"
    parts = []
    for name in ("columns", "rows"):
        one, chance = region(placement, name)
        band = "" if one.low is None else f", {percent(one.low)} to {percent(one.high)}"
        parts.append(f"{name} {percent(one.value)}{band}")
    return f"{'; '.join(parts)} (chance {percent(chance)})"


def position_dominates(measured: Measured) -> Finding:
    """App. D.2: the place's share of the variance of H over all rolls, in each model measured."""
    shares = measured["decompose"]
    parts = {}
    for model in shares.models:
        bars = {bar.estimator: bar for bar in model.bars if _photographs(bar)}
        if BLANK not in bars:
            raise NotYet(f"the file was made before `{PAPER_ESTIMATOR}` was read as it is now")
        place = next(p.share for p in bars[PAPER_ESTIMATOR].parts if p.factor == "place")
        parts[f"{model.weights} ({model.layout})"] = sure(place)
    text = "; ".join(
        f"{name}: {percent(one.value)} ({percent(one.low)} to {percent(one.high)})"
        for name, one in parts.items()
    )
    verdict = graded(above(one, 0.5) for one in parts.values())
    return Finding(text, "", verdict, f"estimator {PAPER_ESTIMATOR}, rolled photographs")


def _photographs(bar: Bar) -> bool:
    return (bar.pictures, bar.response) == ("photographs", "entropy") and bool(bar.parts)


def edges_first(measured: Measured) -> Finding:
    """App. D.3, by the paper's estimator at equal N."""
    cure = measured["cure"]
    rows = [r for r in cure.rows if (r.estimator, r.way.policy) == (PAPER_ESTIMATOR, "edges")]
    if not rows:
        raise Untestable(f"it was not measured with estimator {PAPER_ESTIMATOR}")
    if any(row.limit_change is None for row in rows):
        raise NotYet("too few pictures to take the bias out of an rFD: it takes two a feature")
    changes = [sure(row.limit_change) for row in rows]
    text = "; ".join(
        f"N = {row.count}: {signed(one.value)} ({signed(one.low)} to {signed(one.high)}), "
        f"PSNR {row.gain.value:+.2f} dB"
        for row, one in zip(rows, changes, strict=True)
    )
    verdict = together(standard.directed(one, -1, standard.RFD) for one in changes)
    return Finding(text, "", verdict, f"{PAPER_ESTIMATOR}; rFD by {cure.provenance.extractor}")


def red(measured: Measured, patches: str, given: bool) -> Redundancy:
    """A row of the redundancy file. NotYet if it has none."""
    for row in measured["redundancy"].rows:
        if (row.patches, row.given_globals) == (patches, given):
            return row
    raise NotYet(f"the file has no Red of {patches} patches{' given G' if given else ''}")


def patches_are_redundant(measured: Measured) -> Finding:
    """Defect II."""
    row = red(measured, "all", False)
    verdict = standard.directed(sure(row.red), 1, standard.SHARE)
    if verdict == standard.HOLDS and (row.at_least or 0) <= standard.SHARE:
        verdict = standard.PART
    least = "unknown" if row.at_least is None else percent(row.at_least)
    return found(row.red, percent, verdict, f"lower bound {least}; Red itself is none")


def red_vanishes(measured: Measured) -> Finding:
    """App. B.4.2. A small Red is no upper bound, so the claim can hold in part at best; and as few
    patches, drawn at random, have less of it than all."""
    kept, control = (sure(red(measured, name, True).red) for name in ("kept", "random"))
    if kept.high < 0:
        raise Untestable("the joint model of the codes is worse than single ones: Red is below 0")
    less = True if kept.high < control.low else False if kept.low > control.high else None
    every = red(measured, "all", False).red
    return found(
        kept,
        percent,
        levelled(False, less),
        f"as many patches at random, given G: {percent(control.value)}",
        f"all patches, without G: {percent(every.value)}; a small Red is no upper bound",
    )


def place_in_codes(measured: Measured) -> Finding:
    """App. D.2's explanation, on the codes of rolled pictures: `sequence` against raw patches, and
    against `grid`."""
    probes = measured["probe"]
    last = {model.layout: model for model in probes.models}  # of each layout
    hours = [model.provenance.training_hours for model in last.values()]
    if not {"sequence", "grid"} <= set(last) or None in hours or max(hours) > 1.1 * min(hours):
        raise Untestable("it takes weights of both layouts, trained for equal time")
    control = last["sequence"].patches_help
    if control is None:
        raise NotYet("the file does not say whether layout `sequence` gains from its patches")
    if not above(sure(control), standard.PSNR):
        raise Untestable(
            f"layout `sequence` gains {control.value:+.2f} dB from a quarter of its patches, so "
            "nothing about their codes can be told"
        )
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
    verdict = together(standard.directed(one, 1, standard.ACCURACY) for one in gains.values())
    says = f"accuracy on {probes.n_test} rolled pictures; a quarter of the patches of `sequence`"
    return Finding(text, "", verdict, f"{says} adds {control.value:+.2f} dB")
