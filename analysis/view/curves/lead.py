"""The sentence that a figure of the tab Curves opens with: its own numbers, read off its points."""

from __future__ import annotations

from analysis.base.results import Experiment, Point, Series
from analysis.peers.arms import OURS, PAPERS
from analysis.peers.frontier import Peers
from analysis.peers.frontier import lead as lead_of
from analysis.rate.codecs import Codecs
from analysis.rate.sides import Sides

BLIND = ("random", "uniform", "first", "last")  # policies that do not look at the picture


def lead(result: Experiment | Sides | Codecs | Peers) -> str:
    """One sentence, or nothing where the figure's points do not give one."""
    if isinstance(result, Sides):
        return sides(result)
    if isinstance(result, Peers):
        return peers(result)
    say = {"fig3": globals_, "fig4": removed, "fig5": policies, "epsilon": over_epsilon}
    return say[result.id](result) if isinstance(result, Experiment) and result.id in say else ""


def globals_(result: Experiment) -> str:
    """Fig. 3: none against the k with the best PSNR, beside all patches."""
    none, *more = result.series[0].points
    best = max(more, key=lambda point: point.psnr.value)
    return (
        f"{best.x:g} global tokens beside all {result.num_patches} patches add "
        f"{best.psnr.value - none.psnr.value:.2f} dB, and change the rFD by "
        f"{_signed(best.fd.value - none.fd.value)}."
    )


def removed(result: Experiment) -> str:
    """Fig. 4: what half of the patches cost, by how they are taken away."""
    half = [_nearest(series, result.num_patches / 2) for series in result.series]
    gone = half[0].x / result.num_patches
    costs = [
        f"{series.points[0].psnr.value - point.psnr.value:.1f} dB ({series.name})"
        for series, point in zip(result.series, half, strict=True)
    ]
    return (
        f"Without {gone:.0%} of the patches, and without global tokens, {', '.join(costs)} are "
        "lost, by which of them go."
    )


def policies(result: Experiment) -> str:
    """Fig. 5: DTF against the best policy that does not look."""
    own, *others = result.series[0].points
    blind = [point for point in others if point.setting.policy in BLIND]
    best = max(blind, key=lambda point: point.psnr.value)
    return (
        f"With the same {own.count:.0f} of {result.num_patches} patches, chosen by DTF "
        f"({own.setting.estimator}), a picture reaches {own.psnr.value:.1f} dB; without looking at "
        f"it, {best.psnr.value:.1f} dB at best ({best.setting.policy})."
    )


def over_epsilon(result: Experiment) -> str:
    """Rate over ε, at the paper's 0.05."""
    own, chance = (_nearest(series, 0.05) for series in result.series[:2])
    return (
        f"At ε = {own.x:g} DTF ({own.setting.estimator}) keeps {own.count:.0f} of "
        f"{result.num_patches} patches and {own.psnr.value:.1f} dB; as many at random reach "
        f"{chance.psnr.value:.1f} dB."
    )


def sides(result: Sides) -> str:
    """Tokens by side: the share that is kept of the smallest and of the largest picture."""
    small, *_, large = result.over_sides("gain")
    return (
        f"From {small.side} to {large.side} pixels a side there are "
        f"{large.patches / small.patches:.0f} times as many patches, and the share that gain keeps "
        f"at ε = {result.epsilon:g} goes from {small.share.value:.0%} to {large.share.value:.0%}."
    )


def peers(result: Peers) -> str:
    """Ours against each peer at the bits of the peer, in PSNR; the first seed of each."""
    first = {peer.arm: peer for peer in reversed(result.peers)}
    if OURS not in first:
        return ""
    ours, told = first.pop(OURS), []
    for peer in reversed(first.values()):
        if peer.arm != PAPERS:
            (point,) = peer.points
            gain = lead_of(ours.points, point, lambda p: p.psnr).value
            told.append(f"{_signed(gain)} dB ({peer.arm}, {point.bits:,.0f} bits)")
    if not told:
        return ""
    return (
        f"After {result.minutes:g} minutes of training each, ours at the bits of the others: "
        + (f"{', '.join(told)}.")
    )


def _nearest(series: Series, x: float) -> Point:
    return min(series.points, key=lambda point: abs(point.x - x))


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")
