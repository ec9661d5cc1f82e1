"""The rules by which the claims are judged; in words they stand beside the claims, `list`.
Those about places and redundancy are in `rules_bias`, that about peers in `rules_peers`.

"Surely" means that the whole 95 % interval says so; where an interval admits both, a comparison is
undecided. rFD is the Fréchet distance by the features that the result file names, less the
jackknife's estimate of its bias; the paper's rFID is by Inception on ImageNet, so that only changes
and orders can be compared, never values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from math import sqrt

from analysis.base.results import Estimate, Experiment, Point
from analysis.base.stats import combine, unbiased
from analysis.claims.protocol import Finding, Measured, Untestable, Verdict
from analysis.paper.plans import PAPER_EPSILON, PAPER_K, PAPER_M, PAPER_REMOVED, PAPER_TOKENS

BASELINES = ("random", "uniform", "first", "last")  # Ex1 to Ex4
HOLDS, PART, NOT, UNDECIDED = "holds", "holds in part", "does not hold here", "undecided here"
PATCHES, TOTAL = "fixed patches", "fixed total"  # the series of Fig. 3 begin so

FEATURES = 1280  # of Lite0; with fewer images than that much of the rFD's bias stays
Answer = bool | None  # surely so, surely not, or undecided


# --- reading and saying ----------------------------------------------------------------------


def curve(experiment: Experiment, name: str) -> tuple[Point, ...]:
    """The points of the series whose name begins so; Untestable if there is none."""
    for series in experiment.series:
        if series.name.startswith(name):
            return series.points
    raise Untestable(f"{name} was not measured")


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


def fd(point: Point) -> Estimate:
    """The point's rFD, less the jackknife's estimate of its bias."""
    return unbiased(sure(point.fd))


def difference(a: Estimate, b: Estimate) -> Estimate:
    """b - a."""
    return sure(combine(lambda a, b: b - a, a, b))


def change(a: Estimate, b: Estimate) -> Estimate:
    """(b - a) / a."""
    return sure(combine(lambda a, b: b / a - 1, a, b))


def above(estimate: Estimate, bound: float) -> Answer:
    """Whether it lies above the bound."""
    return True if estimate.low > bound else False if estimate.high < bound else None


def below(estimate: Estimate, bound: float) -> Answer:
    """Whether it lies below the bound."""
    answer = above(estimate, bound)
    return None if answer is None else not answer


def small(rise: Estimate, bound: float, experiment: Experiment) -> Answer:
    """Whether a rise of the rFD lies below the bound. Its bias makes rises too small: with few
    images it can be told that one is large, and not that it is small."""
    answer = below(rise, bound)
    return None if answer and experiment.provenance.data.n < FEATURES else answer


def graded(answers: Iterable[Answer]) -> Verdict:
    """Of several comparisons: all, some, or none surely so."""
    answers = list(answers)
    if True in answers:
        return HOLDS if all(answers) else PART
    return UNDECIDED if None in answers else NOT


def levelled(whole: Answer, part: Answer) -> Verdict:
    """Of a strong claim and a weak one that it implies."""
    return HOLDS if whole else PART if part else NOT if part is False else UNDECIDED


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
    estimate: Estimate, form: Callable[[float], str], verdict: Verdict, *because: str
) -> Finding:
    """A finding from a number with its interval."""
    sure(estimate)
    interval = f"{form(estimate.low)} to {form(estimate.high)}"
    return Finding(form(estimate.value), interval, verdict, "; ".join(because))


# --- theorems, and Fig. 3 --------------------------------------------------------------------


def error_floor(measured: Measured) -> Finding:
    """Theorem 2.1."""
    best = curve(measured["fig3"], PATCHES)[-1]
    raise Untestable(
        f"an infimum over all networks cannot be measured; this one reaches "
        f"{decibels(best.psnr.value)} with k = {best.setting.k}, all patches, {best.bits:,.0f} bits"
    )


def globals_lower_loss(measured: Measured) -> Finding:
    """Theorem 3.2."""
    gains, bits = [], []
    for series in (PATCHES, TOTAL):
        points = curve(measured["fig3"], series)
        none, some = at(points, 0), at(points, PAPER_K)
        gains.append(difference(none.psnr, some.psnr))
        bits.append(f"{none.bits:,.0f} → {some.bits:,.0f} bits")
    return found(
        gains[0],
        decibels,
        graded(above(gain, 0) for gain in gains),
        f"beside all patches, {bits[0]}",
        f"with as many tokens in all {decibels(gains[1].value)}, {bits[1]}",
        "an infimum cannot be measured",
    )


def globals_lower_rfd(series: str, papers: float, measured: Measured) -> Finding:
    """Fig. 3 at 16 global tokens; `papers` is the paper's change."""
    experiment = measured["fig3"]
    points = curve(experiment, series)
    fall = change(fd(at(points, 0)), fd(at(points, PAPER_K)))
    verdict = levelled(below(fall, papers / 2), below(fall, 0))
    return found(fall, signed, verdict, experiment.fd_label)


def plateau(measured: Measured) -> Finding:
    """Fig. 3 beyond 16 global tokens."""
    experiment = measured["fig3"]
    points = curve(experiment, PATCHES)
    k_max = points[-1].setting.k
    if k_max <= PAPER_K:
        raise Untestable(f"these weights have {k_max} global tokens at most")
    none, some, most = fd(points[0]), fd(at(points, PAPER_K)), fd(points[-1])
    if not above(difference(most, none), 0):
        raise Untestable(f"there is no sure fall up to k = {k_max} that could have a plateau")
    share = sure(combine(lambda a, b, c: (a - b) / (a - c), none, some, most))
    verdict = levelled(above(share, 0.9), above(share, 0.5))
    return found(share, percent, verdict, f"k_max = {k_max}", experiment.fd_label)


# --- Fig. 4 ----------------------------------------------------------------------------------


def removals(experiment: Experiment) -> dict[str, tuple[Point, Point, Point]]:
    """By the way of removing: no patch gone, 48 % of them, all but one."""
    middle = round(experiment.num_patches * PAPER_REMOVED / PAPER_M)
    ways = {name: curve(experiment, name) for name in ("end", "start", "random")}
    return {name: (points[0], at(points, middle), points[-1]) for name, points in ways.items()}


def half_is_redundant(measured: Measured) -> Finding:
    """Fig. 4 at 211 of 441 patches removed."""
    experiment = measured["fig4"]
    ways = removals(experiment)
    rises = {name: change(fd(whole), fd(half)) for name, (whole, half, _) in ways.items()}
    verdict = graded(small(rise, 0.11, experiment) for rise in rises.values())
    told = (
        f"{name} {signed(rises[name].value)}, {psnr_change(whole, half)}"
        for name, (whole, half, _) in ways.items()
    )
    worst = max(rises.values(), key=lambda rise: rise.value)
    return found(worst, signed, verdict, *told, experiment.fd_label)


def order_of_removal(measured: Measured) -> Finding:
    """Fig. 4: end, start, random."""
    experiment = measured["fig4"]
    ways = removals(experiment)
    half = [fd(points[1]) for points in ways.values()]
    verdict = graded(above(difference(a, b), 0) for a, b in pairwise(half))
    told = ", ".join(f"{name} {psnr_change(whole, h)}" for name, (whole, h, _) in ways.items())
    why = "the paper's own Fig. 5 has it the other way round for start and end"
    text = ", ".join(f"{value.value:.1f}" for value in half)
    return Finding(text, "", verdict, f"{told}; {why}; {experiment.fd_label}")


def collapse(measured: Measured) -> Finding:
    """Fig. 4 beyond 211 patches removed: steeper than before, and how far up."""
    experiment = measured["fig4"]
    steeper, factors = [], {}
    for way, (whole, half, one) in removals(experiment).items():
        before, after = half.x - whole.x, one.x - half.x
        bend = combine(
            lambda a, b, c, before=before, after=after: (c - b) / after - (b - a) / before,
            *map(fd, (whole, half, one)),
        )
        steeper.append(above(sure(bend), 0))
        factors[way] = sure(combine(lambda a, b: b / a, fd(whole), fd(one)))
    bent = graded(steeper)
    soars = all(above(factor, 10) for factor in factors.values())
    verdict = PART if bent == HOLDS and not soars else bent
    text = ", ".join(f"{way} × {factor.value:.1f}" for way, factor in factors.items())
    sure_ways = f"surely steeper beyond 48 % in {steeper.count(True)} of 3 ways"
    return Finding(text, "", verdict, f"{sure_ways}; {experiment.fd_label}")


# --- Fig. 5 ----------------------------------------------------------------------------------


def dtf_beats(label: str | None, measured: Measured) -> Finding:
    """DTF, by default with the estimator of the weights, against Ex1 to Ex4 at both N."""
    experiment = measured["fig5"]
    best, compared = [], []
    for series in experiment.series[::2]:  # the others are at equal bits
        dtf = series.points[0] if label is None else labelled(series.points, label)
        others = [labelled(series.points, name) for name in BASELINES]
        compared += [above(difference(fd(dtf), fd(other)), 0) for other in others]
        rival = min(others, key=lambda point: fd(point).value)
        best.append((change(fd(rival), fd(dtf)), psnr_change(rival, dtf)))
    (here, decibels_here), (share, decibels_share) = best
    return found(
        here,
        signed,
        graded(compared),
        dtf.setting.label,
        f"surely better in {compared.count(True)} of {len(compared)}",
        decibels_here,
        f"at the paper's share of patches {signed(share.value)}, {decibels_share}",
        experiment.fd_label,
    )


def order_of_baselines(measured: Measured) -> Finding:
    """Ex1 to Ex4 from worst to best."""
    experiment = measured["fig5"]
    fds = [fd(labelled(experiment.series[0].points, name)) for name in BASELINES]
    verdict = graded(above(difference(b, a), 0) for a, b in pairwise(fds))
    text = ", ".join(f"{value.value:.1f}" for value in fds)
    return Finding(text, "", verdict, experiment.fd_label)


# --- ε ---------------------------------------------------------------------------------------


def few_tokens(estimator: str, measured: Measured) -> Finding:
    """Mean tokens at the paper's ε as a share of the patches; estimator "": the weights' own."""
    experiment = measured["epsilon"]
    point = at(curve(experiment, f"DTF, {estimator}"), PAPER_EPSILON)
    half = 1.96 * point.count_deviation / sqrt(experiment.provenance.data.n)
    tokens, M = point.setting.k + point.count, experiment.num_patches
    share = Estimate(tokens / M, (tokens - half) / M, (tokens + half) / M)
    verdict = levelled(below(share, 1.25 * PAPER_TOKENS / PAPER_M), below(share, 0.5))
    return found(share, percent, verdict, point.setting.label, f"{tokens:.1f} of {M}")


def no_loss(measured: Measured) -> Finding:
    """rFD at the paper's ε against that of all patches."""
    experiment = measured["epsilon"]
    (whole,) = curve(experiment, "all patches")
    few = at(curve(experiment, "DTF"), PAPER_EPSILON)
    rise = change(fd(whole), fd(few))
    verdict = levelled(small(rise, 0.05, experiment), small(rise, 0.11, experiment))
    told = (few.setting.label, psnr_change(whole, few), experiment.fd_label)
    return found(rise, signed, verdict, *told)


def epsilon_generalises(measured: Measured) -> Finding:
    """DTF against random patches at each ε from 0.05 to 0.15."""
    experiment = measured["epsilon"]
    dtf, random = (curve(experiment, name) for name in ("DTF", "random"))
    chosen = [x for x in (point.x for point in dtf) if PAPER_EPSILON <= x <= 0.15]
    gains = [change(fd(at(random, x)), fd(at(dtf, x))) for x in chosen]
    text = ", ".join(f"ε = {x:g}: {signed(g.value)}" for x, g in zip(chosen, gains, strict=True))
    verdict = graded(below(gain, 0) for gain in gains)
    return Finding(text, "", verdict, f"{dtf[0].setting.label}; {experiment.fd_label}")


# --- speed -----------------------------------------------------------------------------------


def speed_up(measured: Measured) -> Finding:
    """Pictures a second with 57 tokens over those with 569, the size of the paper."""
    speed = measured["speed"]
    row = next((r for r in speed.rows if (r.size, r.tokens) == ("paper", 57)), None)
    if row is None:
        raise Untestable("the generator of the paper's size was not timed")
    verdict = graded(ratio >= 0.8 * 8.7 for ratio in (row.ratio_timed, row.ratio_counted))
    text = f"timed × {row.ratio_timed:.1f}, counted × {row.ratio_counted:.1f}"
    return Finding(text, "", verdict, f"{speed.device}, each length timed once")


def not_here(why: str, _: Measured) -> Finding:
    """A claim that this project has no means to test."""
    raise Untestable(why)
