"""The rules of the claims about Figs. 3 to 5, ε and speed; in words they stand beside the claims,
`list`. Those about places and redundancy are in `rules_bias`, that about peers in `rules_peers`.

"Surely" means that the whole 95 % interval says so. rFD is the Fréchet distance of infinitely many
images, extrapolated (`results.Limit`), by the features that the result file names; the paper's rFID
is by Inception on ImageNet, so that only changes and orders can be compared, never values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt

from analysis.base.results import Estimate, Experiment, Point
from analysis.base.stats import combine
from analysis.claims import standard
from analysis.claims.protocol import Finding, Measured, NotYet, Untestable
from analysis.claims.standard import UNDECIDED, Verdict, above, below, graded, levelled, together
from analysis.paper.plans import (
    PAPER_EPSILON,
    PAPER_ESTIMATOR,
    PAPER_K,
    PAPER_M,
    PAPER_REMOVED,
    PAPER_TOKENS,
    READINGS,
)

RIVALS = {"random": 3.25, "uniform": 2.88, "first": 2.41, "last": 2.32}  # Ex1 to Ex4 of Fig. 5
DTF = 1.51
REMOVALS = {"end": 2.32, "start": 2.35, "random": 2.40}  # Fig. 4 at 211 of 441
PATCHES, TOTAL = "fixed patches", "fixed total"  # the series of Fig. 3 begin so
ORACLES = {  # estimators that look at the picture's own error
    "rate": "our pixel-error oracle, whose D0 sets N",
    "gain": "our pixel-error oracle",
}
RFDRule = Callable[[Experiment], Finding]


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


def labelled(points: Sequence[Point], label: str) -> Point:
    """The point of a policy in Fig. 5. NotYet if the file has none."""
    for point in points:
        if point.setting.label == label:
            return point
    raise NotYet(f"the file has no {label}")


def sure(estimate: Estimate) -> Estimate:
    """The estimate; Untestable if it has no interval."""
    if estimate.low is None:
        raise Untestable("too few images for an interval: 40 are needed")
    return estimate


def fd(point: Point) -> Estimate:
    """The point's rFD of infinitely many images. NotYet if there were too few to tell it."""
    if point.limit is None:
        raise NotYet("too few pictures to take the bias out of an rFD: it takes two a feature")
    return point.limit.estimate


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


def kid_change(a: Point, b: Point, experiment: Experiment) -> str:
    """What the kernel distance says, which has no bias to take out."""
    name = experiment.kid_label.partition(" (")[0]
    return f"{name} {a.kid.value:.3f} → {b.kid.value:.3f}"


def told(label: str) -> str:
    """A policy with its estimator; an oracle is called one."""
    oracle = ORACLES.get(label.removeprefix("DTF, "))
    return f"{label}: {oracle}" if oracle else label


def found(
    estimate: Estimate, form: Callable[[float], str], verdict: Verdict, *because: str
) -> Finding:
    """A finding from a number with its interval."""
    sure(estimate)
    interval = f"{form(estimate.low)} to {form(estimate.high)}"
    return Finding(form(estimate.value), interval, verdict, "; ".join(because))


def by_rfd(name: str, rule: RFDRule, measured: Measured) -> Finding:
    """What a rule finds by the features of `name`'s file, and by other features beside it.

    Where another extractor has another verdict, the claim is undecided.
    """
    first = measured[name]
    finding = rule(first)
    because, verdict = [finding.because, f"rFD by {first.provenance.extractor}"], finding.verdict
    others = measured.others(name)
    for other in others:
        second = rule(other)
        interval = f" ({second.interval})" if second.interval else ""
        because.append(f"by {other.provenance.extractor} {second.ours}{interval}")
        if second.verdict != finding.verdict:
            because.append(f"there it {second.verdict.removesuffix(' here')}")
            verdict = UNDECIDED
    if not others:
        because.append("no second extractor yet")
    return Finding(finding.ours, finding.interval, verdict, "; ".join(filter(None, because)))


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
        together(standard.directed(gain, 1, standard.PSNR) for gain in gains),
        f"beside all patches, {bits[0]}",
        f"with as many tokens in all {decibels(gains[1].value)}, {bits[1]}",
        "an infimum cannot be measured",
    )


def globals_lower_rfd(series: str, papers: float, experiment: Experiment) -> Finding:
    """Fig. 3 at 16 global tokens; `papers` is the paper's change."""
    points = curve(experiment, series)
    none, some = at(points, 0), at(points, PAPER_K)
    fall = change(fd(none), fd(some))
    verdict = standard.reached(fall, papers, standard.RFD)
    return found(fall, signed, verdict, kid_change(none, some, experiment))


def plateau(papers: float, experiment: Experiment) -> Finding:
    """Fig. 3 beyond 16 global tokens: the share of the fall that is there by then."""
    points = curve(experiment, PATCHES)
    k_max = points[-1].setting.k
    if k_max <= PAPER_K:
        raise Untestable(f"these weights have {k_max} global tokens at most")
    none, some, most = fd(points[0]), fd(at(points, PAPER_K)), fd(points[-1])
    if not below(change(none, most), -standard.RFD):
        raise Untestable(f"there is no sure fall up to k = {k_max} that could have a plateau")
    share = sure(combine(lambda a, b, c: (a - b) / (a - c), none, some, most))
    rest = standard.TWICE * (1 - papers)
    verdict = levelled(above(share, 1 - rest), above(share, 0.5))
    return found(share, percent, verdict, f"k_max = {k_max}")


# --- Fig. 4 ----------------------------------------------------------------------------------


def removals(experiment: Experiment) -> dict[str, tuple[Point, Point, Point]]:
    """By the way of removing: no patch gone, 48 % of them, all but one."""
    middle = round(experiment.num_patches * PAPER_REMOVED / PAPER_M)
    ways = {name: curve(experiment, name) for name in REMOVALS}
    return {name: (points[0], at(points, middle), points[-1]) for name, points in ways.items()}


def half_is_redundant(experiment: Experiment) -> Finding:
    """Fig. 4 at 211 of 441 patches removed."""
    ways = removals(experiment)
    rises = {name: change(fd(whole), fd(half)) for name, (whole, half, _) in ways.items()}
    verdict = graded(below(rise, 0.11) for rise in rises.values())
    each = (
        f"{name} {signed(rises[name].value)}, {psnr_change(whole, half)}"
        for name, (whole, half, _) in ways.items()
    )
    worst = max(rises.values(), key=lambda rise: rise.value)
    return found(worst, signed, verdict, *each)


def order_of_removal(experiment: Experiment) -> Finding:
    """Fig. 4: end, start, random."""
    ways = removals(experiment)
    half = {name: fd(points[1]) for name, points in ways.items()}
    steps = (
        standard.reached(change(half[a], half[b]), REMOVALS[b] / REMOVALS[a] - 1, standard.RFD)
        for a, b in pairwise(half)
    )
    each = ", ".join(f"{name} {psnr_change(whole, h)}" for name, (whole, h, _) in ways.items())
    why = "the paper's own Fig. 5 has it the other way round for start and end"
    text = ", ".join(f"{value.value:.1f}" for value in half.values())
    return Finding(text, "", together(steps), f"{each}; {why}")


def collapse(experiment: Experiment) -> Finding:
    """Fig. 4 beyond 211 patches removed: steeper than before, and how far up."""
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
    soars = all(above(factor, 175 / standard.TWICE) for factor in factors.values())
    verdict = standard.PART if bent == standard.HOLDS and not soars else bent
    text = ", ".join(f"{way} × {factor.value:.1f}" for way, factor in factors.items())
    return Finding(
        text, "", verdict, f"surely steeper beyond 48 % in {steeper.count(True)} of 3 ways"
    )


# --- Fig. 5 ----------------------------------------------------------------------------------


def dtf_beats(papers_own: bool, experiment: Experiment) -> Finding:
    """DTF, with the paper's estimator or with that of the weights, against Ex1 to Ex4 at both N."""
    verdicts, best, readings = [], [], []
    for series in experiment.series[::2]:  # the others are at equal bits
        dtf = series.points[0]
        if papers_own:
            dtf = labelled(series.points, f"DTF, {PAPER_ESTIMATOR}")
            readings.append({r: labelled(series.points, f"DTF, {r}") for r in READINGS})
        others = {name: labelled(series.points, name) for name in RIVALS}
        verdicts += [
            standard.reached(change(fd(other), fd(dtf)), DTF / RIVALS[name] - 1, standard.RFD)
            for name, other in others.items()
        ]
        rival = min(others.values(), key=lambda point: fd(point).value)
        sharp = max(others.values(), key=lambda point: point.psnr.value)
        best.append((change(fd(rival), fd(dtf)), psnr_gain(sharp, dtf), rival, dtf))
    (here, gain, rival, dtf), (share, gain_at_share, *_) = best
    because = [
        told(dtf.setting.label),
        f"half of the paper's effect in {verdicts.count(standard.HOLDS)} of {len(verdicts)}",
        gain,
        f"at the paper's share of patches {signed(share.value)}, {gain_at_share}",
        kid_change(rival, dtf, experiment),
    ]
    if readings:
        other = (f"{r} {signed(change(fd(rival), fd(p)).value)}" for r, p in readings[0].items())
        because.append(f"read otherwise: {', '.join(other)}")
    return found(here, signed, together(verdicts), *because)


def psnr_gain(rival: Point, point: Point) -> str:
    """PSNR above that of the rival with the best PSNR, with its interval."""
    gain = difference(rival.psnr, point.psnr)
    band = f"{gain.low:+.2f} to {gain.high:+.2f}"
    return f"PSNR {gain.value:+.2f} dB ({band}) against {rival.setting.label}"


def order_of_baselines(experiment: Experiment) -> Finding:
    """Ex1 to Ex4 from worst to best."""
    fds = {name: fd(labelled(experiment.series[0].points, name)) for name in RIVALS}
    steps = (
        standard.reached(change(fds[a], fds[b]), RIVALS[b] / RIVALS[a] - 1, standard.RFD)
        for a, b in pairwise(fds)
    )
    text = ", ".join(f"{value.value:.1f}" for value in fds.values())
    return Finding(text, "", together(steps))


# --- ε ---------------------------------------------------------------------------------------


def share_kept(experiment: Experiment, point: Point) -> Estimate:
    """Mean N as a share of the patches; the k global tokens are none."""
    half = 1.96 * point.count_deviation / sqrt(experiment.provenance.data.n)
    M = experiment.num_patches
    return Estimate(point.count / M, (point.count - half) / M, (point.count + half) / M)


def few_tokens(papers_own: bool, measured: Measured) -> Finding:
    """Patches kept at the paper's ε, by the paper's estimator or by that of the weights."""
    experiment = measured["epsilon"]
    point = of_epsilon(experiment, PAPER_ESTIMATOR if papers_own else "")
    share, papers = share_kept(experiment, point), (PAPER_TOKENS - PAPER_K) / PAPER_M
    verdict = levelled(below(share, standard.TWICE * papers), below(share, 0.5))
    because = [
        told(point.setting.label),
        f"{point.count:.1f} of {experiment.num_patches} patches, beside {point.setting.k} global "
        "tokens",
    ]
    if papers_own:
        other = (f"{r} {of_epsilon(experiment, r).count:.1f}" for r in READINGS)
        because.append(f"read otherwise: {', '.join(other)}")
    return found(share, percent, verdict, *because)


def of_epsilon(experiment: Experiment, estimator: str, epsilon: float = PAPER_EPSILON) -> Point:
    """DTF's point at ε; estimator "": that of the weights. NotYet where it was not measured."""
    for series in experiment.series:
        if series.name == f"DTF, {estimator}" or (not estimator and series.name[:3] == "DTF"):
            return at(series.points, epsilon)
    raise NotYet(f"the file has no DTF by {estimator}")


def no_loss(papers_own: bool, experiment: Experiment) -> Finding:
    """rFD at the paper's ε against that of all patches."""
    (whole,) = curve(experiment, "all patches")
    few = of_epsilon(experiment, PAPER_ESTIMATOR if papers_own else "")
    rise = change(fd(whole), fd(few))
    verdict = levelled(below(rise, standard.RFD), below(rise, standard.TWICE * standard.RFD))
    kept = f"{few.count:.0f} of {experiment.num_patches} patches"
    says = (told(few.setting.label), kept, psnr_change(whole, few))
    return found(rise, signed, verdict, *says, kid_change(whole, few, experiment))


def epsilon_generalises(papers_own: bool, experiment: Experiment) -> Finding:
    """DTF against random patches at each ε from 0.05 to 0.15."""
    name = PAPER_ESTIMATOR if papers_own else experiment.series[0].points[0].setting.estimator
    chance = next((s.points for s in experiment.series if s.name == f"random, N as {name}"), None)
    if chance is None:
        raise NotYet(f"the file has no random patches at the N of {name}")
    chosen = [p.x for p in chance if PAPER_EPSILON <= p.x <= 0.15]
    gains = [change(fd(at(chance, x)), fd(of_epsilon(experiment, name, x))) for x in chosen]
    text = ", ".join(f"ε = {x:g}: {signed(g.value)}" for x, g in zip(chosen, gains, strict=True))
    verdict = together(standard.directed(gain, -1, standard.RFD) for gain in gains)
    return Finding(text, "", verdict, told(f"DTF, {name}"))


# --- speed -----------------------------------------------------------------------------------


def speed_up(papers: float, measured: Measured) -> Finding:
    """Pictures a second with 57 tokens over those with 569, the size of the paper."""
    speed = measured["speed"]
    row = next((r for r in speed.rows if (r.size, r.tokens) == ("paper", 57)), None)
    if row is None:
        raise Untestable("the generator of the paper's size was not timed")
    ratios = (row.ratio_timed, row.ratio_counted)
    verdict = graded(ratio >= papers / standard.TWICE for ratio in ratios)
    text = f"timed × {row.ratio_timed:.1f}, counted × {row.ratio_counted:.1f}"
    return Finding(text, "", verdict, f"{speed.device}, each length timed once")


def not_here(why: str, _: Measured) -> Finding:
    """A claim that this project has no means to test."""
    raise Untestable(why)
