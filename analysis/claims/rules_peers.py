"""The rule of the claim about peers that were trained alike; see `rules`."""

from __future__ import annotations

from analysis.base.results import Estimate
from analysis.claims.protocol import Finding, Measured, Untestable
from analysis.claims.rules import Answer, above, fd, graded, sure
from analysis.peers.arms import ARMS, OURS, PAPERS
from analysis.peers.frontier import Peer, Peers, lead

OTHERS = tuple(arm for arm in ARMS if arm not in (OURS, PAPERS))
UNEQUAL = 1.1  # longest training over shortest, from which nothing is compared


def mutual_enhancement(measured: Measured) -> Finding:
    """Ours against each peer, at the peer's bits, in PSNR and rFD, for every seed of both."""
    result: Peers = measured["peers"]
    hours = [peer.hours for peer in result.peers]
    if max(hours) > UNEQUAL * min(hours):
        raise Untestable(
            f"training took {min(hours):.2f} to {max(hours):.2f} hours, not equal time"
        )
    ours, told = _answers(result, OURS)
    papers, _ = _answers(result, PAPERS)
    because = f"surely better in {ours.count(True)} of {len(ours)}, surely worse in "
    because += f"{ours.count(False)}; the paper's form in {papers.count(True)} of {len(papers)}"
    minutes = f"{result.minutes:g} minutes each"
    return Finding("; ".join(told), "", graded(ours), f"{because}; {minutes}; {result.fd_label}")


def _answers(result: Peers, arm: str) -> tuple[list[Answer], list[str]]:
    """Whether the arm is surely better, by PSNR and by rFD, than each peer of the same seed; and
    its lead in words. Untestable where a peer is missing."""
    answers: list[Answer] = []
    told = []
    for other in OTHERS:
        pairs = [
            (mine, peer)
            for mine in result.peers
            for peer in result.peers
            if (mine.arm, peer.arm) == (arm, other) and mine.seed == peer.seed
        ]
        if not pairs:
            raise Untestable(f"{arm} and {other} were not trained with one seed")
        for mine, peer in pairs:
            decibels, distance = _leads(mine, peer)
            answers += [above(decibels, 0), above(distance, 0)]
            told.append(
                f"{peer.name}: PSNR {decibels.value:+.2f} dB ({decibels.low:+.2f} to "
                f"{decibels.high:+.2f}), rFD {-distance.value:+.1f}"
            )
    return answers, told


def _leads(mine: Peer, peer: Peer) -> tuple[Estimate, Estimate]:
    """How much better at the peer's one point: PSNR higher, and rFD lower."""
    (point,) = peer.points
    decibels = sure(lead(mine.points, point, lambda p: p.psnr))
    higher = sure(lead(mine.points, point, fd))
    return decibels, Estimate(-higher.value, -higher.high, -higher.low)
