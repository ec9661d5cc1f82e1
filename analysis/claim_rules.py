"""The rules by which the claims are judged; in words they stand beside the claims, `claim_list`.

"Surely" means that the whole 95 % interval says so. rFD is the Fréchet distance by the features
that the result file names; the paper's rFID is by Inception on ImageNet, so that only changes and
orders can be compared, never values.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import sqrt

from analysis.bands import combine
from analysis.bias import Placement
from analysis.claims import Finding, Measured, Untestable, Verdict
from analysis.plans import PAPER_EPSILON, PAPER_K, PAPER_M, PAPER_REMOVED, PAPER_TOKENS
from analysis.redundancy import Redundancy
from analysis.results import Estimate, Experiment, Point

PAPERS_ESTIMATOR = "residual"  # of Alg. 1
BASELINES = ("random", "uniform", "first", "last")  # Ex1 to Ex4
HOLDS, PART, NOT = "holds", "holds in part", "does not hold here"
PATCHES, TOTAL = "fixed patches", "fixed total"  # the series of Fig. 3 begin so


# --- reading and saying ----------------------------------------------------------------------


def curve(experiment: Experiment, name: str) -> tuple[Point, ...]:
    """The points of the series whose name begins so."""
    return next(s.points for s in experiment.series if s.name.startswith(name))


def at(points: tuple[Point, ...], x: float) -> Point:
    """The point at x; Untestable if it was not measured."""
    for point in points:
        if point.x == x:
            return point
    raise Untestable(f"these weights have no point at {x:g}")


def labelled(points: tuple[Point, ...], label: str) -> Point:
    """The point of a policy in Fig. 5."""
    return next(point for point in points if point.setting.label == label)


def sure(estimate: Estimate) -> Estimate:
    """The estimate; Untestable if it has no interval."""
    if estimate.low is None:
        raise Untestable("too few images for an interval: 40 are needed")
    return estimate


def difference(a: Estimate, b: Estimate) -> Estimate:
    """b - a."""
    return sure(combine(lambda a, b: b - a, a, b))


def change(a: Estimate, b: Estimate) -> Estimate:
    """(b - a) / a."""
    return sure(combine(lambda a, b: b / a - 1, a, b))


def percent(value: float) -> str:
    """A share as text."""
    return f"{100 * value:.1f} %"


def signed(value: float) -> str:
    """A change as text."""
    return f"{100 * value:+.1f} %"


def decibels(value: float) -> str:
    """A PSNR as text."""
    return f"{value:.2f} dB"


def psnr_change(a: Point, b: Point) -> str:
    """What the PSNR says beside the rFD; the two need not agree."""
    return f"PSNR {b.psnr.value - a.psnr.value:+.1f} dB"


def found(
    estimate: Estimate, form: Callable[[float], str], verdict: Verdict, because: str = ""
) -> Finding:
    """A finding from a number with its interval."""
    sure(estimate)
    interval = f"{form(estimate.low)} to {form(estimate.high)}"
    return Finding(form(estimate.value), interval, verdict, because)


def graded(right: int, of: int) -> Verdict:
    """All, some or none of several comparisons."""
    return HOLDS if right == of else PART if right else NOT


# --- theorems, and Fig. 3 --------------------------------------------------------------------


def error_floor(measured: Measured) -> Finding:
    """Theorem 2.1."""
    best = curve(measured["fig3"], PATCHES)[-1]
    text = f"best of all: k = {best.setting.k}, all patches, {best.bits:,.0f} bits"
    return found(best.psnr, decibels, HOLDS if sure(best.psnr).high < 60 else NOT, text)


def globals_lower_loss(measured: Measured) -> Finding:
    """Theorem 3.2."""
    gains = []
    for series in (PATCHES, TOTAL):
        points = curve(measured["fig3"], series)
        gains.append(difference(at(points, 0).psnr, at(points, PAPER_K).psnr))
    verdict = graded(sum(gain.low > 0 for gain in gains), len(gains))
    text = f"with as many tokens in all: {decibels(gains[1].value)}"
    return found(gains[0], decibels, verdict, f"{text}; an infimum cannot be measured")


def globals_lower_rfd(series: str, papers: float, measured: Measured) -> Finding:
    """Fig. 3 at 16 global tokens; `papers` is the paper's change."""
    points = curve(measured["fig3"], series)
    fall = change(at(points, 0).fd, at(points, PAPER_K).fd)
    verdict = NOT if fall.high >= 0 else HOLDS if fall.value <= papers / 2 else PART
    return found(fall, signed, verdict)


def plateau(measured: Measured) -> Finding:
    """Fig. 3 beyond 16 global tokens."""
    points = curve(measured["fig3"], PATCHES)
    k_max = points[-1].setting.k
    if k_max <= PAPER_K:
        raise Untestable(f"these weights have {k_max} global tokens at most")
    none, some, most = points[0].fd, at(points, PAPER_K).fd, points[-1].fd
    if difference(most, none).low <= 0:
        return Finding(f"no sure fall up to k = {k_max}", "", NOT)
    share = sure(combine(lambda a, b, c: (a - b) / (a - c), none, some, most))
    verdict = HOLDS if share.value >= 0.9 else PART if share.value >= 0.5 else NOT
    return found(share, percent, verdict, f"k_max = {k_max}")


# --- Fig. 4 ----------------------------------------------------------------------------------


def removals(experiment: Experiment) -> dict[str, tuple[Point, Point, Point]]:
    """By the way of removing: no patch gone, 48 % of them, all but one."""
    middle = round(experiment.num_patches * PAPER_REMOVED / PAPER_M)
    ways = {name: curve(experiment, name) for name in ("end", "start", "random")}
    return {name: (points[0], at(points, middle), points[-1]) for name, points in ways.items()}


def half_is_redundant(measured: Measured) -> Finding:
    """Fig. 4 at 211 of 441 patches removed."""
    ways = removals(measured["fig4"])
    rises = {name: change(whole.fd, half.fd) for name, (whole, half, _) in ways.items()}
    right = sum(rise.high < 0.11 for rise in rises.values())
    text = "; ".join(
        f"{name} {signed(rises[name].value)}, {psnr_change(whole, half)}"
        for name, (whole, half, _) in ways.items()
    )
    return found(max(rises.values(), key=lambda r: r.value), signed, graded(right, 3), text)


def order_of_removal(measured: Measured) -> Finding:
    """Fig. 4: end, start, random."""
    half = [points[1] for points in removals(measured["fig4"]).values()]
    steps = [difference(a.fd, b.fd) for a, b in pairwise(half)]
    text = ", ".join(f"{point.fd.value:.1f}" for point in half)
    why = "the paper's own Fig. 5 has it the other way round for start and end"
    return Finding(text, "", graded(sum(step.low > 0 for step in steps), 2), why)


def collapse(measured: Measured) -> Finding:
    """Fig. 4 beyond 211 patches removed: steeper than before, and how far up."""
    ways = removals(measured["fig4"])
    steeper, factors = [], []
    for whole, half, one in ways.values():
        before, after = half.x - whole.x, one.x - half.x
        bend = combine(
            lambda a, b, c, before=before, after=after: (c - b) / after - (b - a) / before,
            *(point.fd for point in (whole, half, one)),
        )
        steeper.append(sure(bend).low > 0)
        factors.append(one.fd.value / whole.fd.value)
    text = ", ".join(f"{way} × {factor:.1f}" for way, factor in zip(ways, factors, strict=True))
    verdict = NOT if not all(steeper) else HOLDS if min(factors) >= 10 else PART
    return Finding(text, "", verdict, f"steeper beyond 48 % in {sum(steeper)} of 3 ways")


# --- Fig. 5 ----------------------------------------------------------------------------------


def dtf_beats(label: str | None, measured: Measured) -> Finding:
    """DTF, by default with the estimator of the weights, against Ex1 to Ex4 at both N."""
    best, compared = [], []
    for series in measured["fig5"].series[::2]:  # the others are at equal bits
        dtf = series.points[0] if label is None else labelled(series.points, label)
        others = [labelled(series.points, name) for name in BASELINES]
        compared += [difference(dtf.fd, other.fd).low > 0 for other in others]
        rival = min(others, key=lambda p: p.fd.value)
        best.append((change(rival.fd, dtf.fd), psnr_change(rival, dtf)))
    (here, decibels_here), (share, decibels_share) = best
    text = (
        f"{dtf.setting.label}; better in {sum(compared)} of {len(compared)}; {decibels_here}; at "
        f"the paper's share of patches {signed(share.value)}, {decibels_share}"
    )
    return found(here, signed, graded(sum(compared), len(compared)), text)


def order_of_baselines(measured: Measured) -> Finding:
    """Ex1 to Ex4 from worst to best."""
    points = measured["fig5"].series[0].points
    fds = [labelled(points, name).fd for name in BASELINES]
    right = sum(difference(b, a).low > 0 for a, b in pairwise(fds))
    return Finding(", ".join(f"{fd.value:.1f}" for fd in fds), "", graded(right, 3))


# --- ε ---------------------------------------------------------------------------------------


def few_tokens(measured: Measured) -> Finding:
    """Mean tokens at the paper's ε as a share of the patches."""
    experiment = measured["epsilon"]
    point = at(curve(experiment, "DTF"), PAPER_EPSILON)
    half = 1.96 * point.count_deviation / sqrt(experiment.provenance.data.n)
    tokens, M = point.setting.k + point.count, experiment.num_patches
    share = Estimate(tokens / M, (tokens - half) / M, (tokens + half) / M)
    papers = PAPER_TOKENS / PAPER_M
    verdict = HOLDS if share.value <= 1.25 * papers else PART if share.value <= 0.5 else NOT
    return found(share, percent, verdict, f"{tokens:.1f} of {M}")


def no_loss(measured: Measured) -> Finding:
    """rFD at the paper's ε against that of all patches."""
    (whole,) = curve(measured["epsilon"], "all patches")
    few = at(curve(measured["epsilon"], "DTF"), PAPER_EPSILON)
    rise = change(whole.fd, few.fd)
    verdict = HOLDS if rise.high <= 0.05 else PART if rise.value <= 0.11 else NOT
    return found(rise, signed, verdict, psnr_change(whole, few))


def epsilon_generalises(measured: Measured) -> Finding:
    """DTF against random patches at each ε from 0.05 to 0.15."""
    dtf, random = (curve(measured["epsilon"], name) for name in ("DTF", "random"))
    chosen = [x for x in (point.x for point in dtf) if PAPER_EPSILON <= x <= 0.15]
    gains = [change(at(random, x).fd, at(dtf, x).fd) for x in chosen]
    text = ", ".join(f"ε = {x:g}: {signed(g.value)}" for x, g in zip(chosen, gains, strict=True))
    return Finding(text, "", graded(sum(gain.high < 0 for gain in gains), len(gains)))


# --- places, redundancy, speed ---------------------------------------------------------------


def columns(placement: Placement) -> tuple[Estimate, float]:
    """Share of the kept patches in the left and right columns, and what chance gives."""
    share = next(share for share in placement.shares if share.region == "columns")
    return share.share, share.chance


def edges(pictures: tuple[str, ...], measured: Measured) -> Finding:
    """App. D.2 on several sets of pictures, by the paper's estimator."""
    places = measured["bias"].placements
    placed = [p for p in places if p.pictures in pictures and p.estimator == PAPERS_ESTIMATOR]
    if not placed:
        raise Untestable(f"these pictures were not measured with estimator {PAPERS_ESTIMATOR}")
    parts, reached, above = [], 0, 0
    for placement in placed:
        if not placement.shares:
            parts.append(f"{placement.pictures}: H = 0 everywhere")
            continue
        share, chance = columns(placement)
        reached += share.value >= 0.4
        above += (share.value if share.low is None else share.low) > chance
        parts.append(f"{placement.pictures}: {percent(share.value)} (chance {percent(chance)})")
    verdict = HOLDS if reached == len(placed) else PART if above else NOT
    return Finding("; ".join(parts), "", verdict, f"estimator {PAPERS_ESTIMATOR}")


def red(measured: Measured, patches: str, given: bool) -> Redundancy:
    """A row of the redundancy file."""
    rows = measured["redundancy"].rows
    return next(r for r in rows if (r.patches, r.given_globals) == (patches, given))


def patches_are_redundant(measured: Measured) -> Finding:
    """Defect II."""
    row = red(measured, "all", False)
    verdict = NOT if sure(row.red).low <= 0 else HOLDS if (row.at_least or 0) > 0 else PART
    least = "unknown" if row.at_least is None else percent(row.at_least)
    return found(row.red, percent, verdict, f"lower bound {least}; Red itself is none")


def red_vanishes(measured: Measured) -> Finding:
    """App. B.4.2."""
    kept, every = red(measured, "kept", True), red(measured, "all", False)
    less = sure(kept.red).high < sure(every.red).low
    verdict = HOLDS if kept.red.high <= 0.02 else PART if less else NOT
    text = f"all patches, without G: {percent(every.red.value)}; a small Red is no upper bound"
    return found(kept.red, percent, verdict, text)


def speed_up(measured: Measured) -> Finding:
    """Pictures a second with 57 tokens over those with 569, the size of the paper."""
    speed = measured["speed"]
    row = next((r for r in speed.rows if (r.size, r.tokens) == ("paper", 57)), None)
    if row is None:
        raise Untestable("the generator of the paper's size was not timed")
    right = (row.ratio_timed >= 0.8 * 8.7) + (row.ratio_counted >= 0.8 * 8.7)
    text = f"timed × {row.ratio_timed:.1f}, counted × {row.ratio_counted:.1f}"
    return Finding(text, "", graded(right, 2), speed.device)


def not_here(why: str, _: Measured) -> Finding:
    """A claim that this project has no means to test."""
    raise Untestable(why)
