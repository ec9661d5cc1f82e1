"""The rule of the claim about peers that were trained alike; see `rules`."""

from __future__ import annotations

from analysis.base.results import Estimate
from analysis.base.stats import combine
from analysis.claims import standard
from analysis.claims.protocol import Finding, Measured, Untestable
from analysis.claims.rules import fd, signed, sure
from analysis.claims.standard import HOLDS, NOT, PART, Verdict, together
from analysis.peers.arms import ARMS, OURS, PAPERS
from analysis.peers.frontier import Peer, Peers, at_bits, lead

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
    limited = all(point.limit for peer in result.peers for point in peer.points)
    ours, told = _verdicts(result, OURS, limited)
    papers, _ = _verdicts(result, PAPERS, limited)
    verdict = together(ours)
    because = [
        f"better in {ours.count(HOLDS)} of {len(ours)}, not in {ours.count(NOT)}; the paper's form "
        f"in {papers.count(HOLDS)} of {len(papers)}",
        f"{result.minutes:g} minutes each",
    ]
    if not limited:
        verdict = PART if verdict == HOLDS else verdict
        because.append("by PSNR alone: too few pictures to take the bias out of an rFD")
    return Finding("; ".join(told), "", verdict, "; ".join(because))


def _verdicts(result: Peers, arm: str, limited: bool) -> tuple[list[Verdict], list[str]]:
    """Whether the arm is better, by PSNR and by rFD, than each peer of the same seed; and its lead
    in words. Untestable where a peer is missing."""
    verdicts: list[Verdict] = []
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
            (point,) = peer.points
            gain = sure(lead(mine.points, point, lambda p: p.psnr))
            verdicts.append(standard.directed(gain, 1, standard.PSNR))
            words = f"PSNR {gain.value:+.2f} dB ({gain.low:+.2f} to {gain.high:+.2f})"
            if limited:
                change = _change(mine, peer)
                verdicts.append(standard.directed(change, -1, standard.RFD))
                words += f", rFD {signed(change.value)}"
            told.append(f"{peer.name}: {words}")
    return verdicts, told


def _change(mine: Peer, peer: Peer) -> Estimate:
    """Relative change of the rFD at the bits of the peer's one point."""
    (point,) = peer.points
    at = at_bits(mine.points, point.bits, fd)
    return sure(combine(lambda a, b: a / b - 1, at, fd(point)))
