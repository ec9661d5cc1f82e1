"""Bits against PSNR and rFD of every arm, and the difference of two arms at equal bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from analysis.base.evaluate import table
from analysis.base.extractors import FeatureExtractor
from analysis.base.provenance import Provenance
from analysis.base.results import BadResult, Estimate, Experiment, Point, Series, shown
from analysis.base.runner import Runner, Seconds, Setting
from analysis.base.stats import combine, jackknife, mean_band
from analysis.paper import experiments
from analysis.paper.experiments import Pictures
from analysis.paper.plans import Curve, Plan
from analysis.paper.work import Origin, Work
from analysis.peers.arms import ARMS, COMMON, Run
from analysis.rate.codecs import EPSILONS
from tatok.pretrained import best_device
from tatok.tokenizer import TaTok

TITLE, X = "Peers at equal training", "bits per pixel"


@dataclass(frozen=True)
class Coded(Point):
    """A point whose mean bits have replicates, as an Estimate's: DTF gives pictures unlike sizes.

    x is bits_per_pixel.
    """

    bits_replicates: tuple[float, ...] = ()


@dataclass(frozen=True)
class Peer:
    """An arm trained with one seed. options: of the training command, beyond `Peers.common`.

    commit, date: of its measurement, as in Provenance.
    """

    arm: str
    seed: int
    options: str
    weights: str
    images: int
    hours: float
    commit: str
    date: str
    points: tuple[Coded, ...]

    @property
    def name(self) -> str:
        """As a curve is called."""
        return f"{self.arm}, seed {self.seed}"


@dataclass(frozen=True)
class Peers:
    """The result file. minutes: that each was given; its `hours` leave out loading and saving."""

    minutes: float
    common: str
    image_size: int
    num_patches: int
    fd_label: str
    kid_label: str
    peers: tuple[Peer, ...]
    seconds: Seconds
    provenance: Provenance

    @property
    def x(self) -> str:
        """What the curves are drawn over."""
        return X

    @property
    def series(self) -> tuple[Series, ...]:
        """A curve for each."""
        return tuple(Series(peer.name, peer.points) for peer in self.peers)

    def line(self) -> str:
        """One line to print under a table or a figure."""
        return self.provenance.line()


def plan(model: TaTok, kept: str) -> Plan:
    """What is measured of an arm trained on "mixed", "all" or "none" of the patches.

    The last two have one size. DTF has all ε, between the global tokens alone and all patches.
    """
    k, M = model.config.k, model.config.num_patches
    none, every = (Setting(k, count=N, features=True) for N in (0, M))
    settings = {"none": [none], "all": [every]}.get(kept)
    if settings is None:
        between = [Setting(k, epsilon=epsilon, features=True) for epsilon in reversed(EPSILONS)]
        settings = [none, *between, every]
    points = tuple((float(place), setting) for place, setting in enumerate(settings))
    return Plan("peers", TITLE, X, (Curve("", points),))


def measure(
    runs: Sequence[Run],
    paths: Sequence[Path],
    content: str,
    extractor: FeatureExtractor,
    cache: Path,
    origin: Provenance,
) -> Peers:
    """Every run on the same pictures, whose files' hash is `content`; `cache` holds what is known.

    origin: of the measurement; it gets the weights of all.
    """
    made, peers, seconds = None, [], Seconds()
    for run in runs:
        model, record = TaTok.from_pretrained(run.folder).to(best_device()), run.record
        runner = Runner(model, extractor, origin.seed)
        work = Work(cache, Origin.now(runner, content, len(paths)))
        pictures = Pictures(tuple(paths), model.config.image_size)
        wanted = plan(model, record["draws"]["kept"])
        made = experiments.run(wanted, pictures, runner, work, origin)
        seconds += made.seconds
        options = f"{ARMS[run.arm]} --seed {run.seed}".strip()
        about = model.fingerprint, record["images"], record["hours"], origin.commit, origin.date
        peers.append(Peer(run.arm, run.seed, options, *about, points=_coded(made, work)))
    sizes = made.image_size, made.num_patches, made.fd_label, made.kid_label
    return _of(Peers(runs[0].minutes, COMMON, *sizes, (), seconds, origin), peers)


def together(made: Peers, before: Peers) -> Peers:
    """With the peers of an earlier file whose weights are no longer here; those in both are
    `made`'s. BadResult where the two are not to be compared."""

    def alike(peers: Peers) -> tuple:
        origin = peers.provenance
        measured = origin.data, origin.fitted, origin.extractor, origin.seed
        return peers.minutes, peers.common, peers.image_size, peers.num_patches, *measured

    if alike(made) != alike(before):
        raise BadResult(
            "The file of peers that is there was trained or measured otherwise: move it away first."
        )
    here = {(peer.arm, peer.seed) for peer in made.peers}
    rest = [peer for peer in before.peers if (peer.arm, peer.seed) not in here]
    order = list(ARMS)
    every = sorted((*made.peers, *rest), key=lambda peer: (order.index(peer.arm), peer.seed))
    return _of(made, every)


def _of(made: Peers, peers: Sequence[Peer]) -> Peers:
    weights = "; ".join(f"{peer.name}: {peer.weights}" for peer in peers)
    origin = replace(made.provenance, weights=weights, training_images=None, training_hours=None)
    return replace(made, peers=tuple(peers), provenance=origin)


def _coded(made: Experiment, work: Work) -> tuple[Coded, ...]:
    points = []
    for point in made.series[0].points:
        bits = mean_band(work.result(point.setting, work.starts).bits).replicates
        known = {name: getattr(point, name) for name in Point.__dataclass_fields__}
        points.append(Coded(**{**known, "x": point.bits_per_pixel}, bits_replicates=bits))
    return tuple(points)


# --- equal bits ------------------------------------------------------------------------------

Measure = Callable[[Point], Estimate]


def at_bits(points: Sequence[Coded], bits: float, measure: Measure) -> Estimate:
    """A measure of the curve at so many bits, on the straight line between its neighbours.

    Of the PSNR that is a mixture's: some pictures coded the one way, the rest the other. Beyond its
    ends a curve stays as it is there. The jackknife moves sizes and values together.
    """
    values = [measure(point) for point in points]

    def height(sizes: Sequence[float], heights: Sequence[float]) -> float:
        return float(np.interp(bits, *zip(*sorted(zip(sizes, heights, strict=True)), strict=True)))

    value = height([p.bits for p in points], [v.value for v in values])
    sizes, heights = [p.bits_replicates for p in points], [v.replicates for v in values]
    if not all(sizes) or not all(heights):
        return Estimate(value)
    columns = zip(zip(*sizes, strict=True), zip(*heights, strict=True), strict=True)
    return jackknife(value, [height(*column) for column in columns])


def lead(ours: Sequence[Coded], theirs: Coded, measure: Measure) -> Estimate:
    """Ours less theirs, at the bits of their point."""
    at = at_bits(ours, theirs.bits, measure)
    return combine(lambda a, b: a - b, at, measure(theirs))


# --- the table -------------------------------------------------------------------------------


def markdown(peers: Peers) -> str:
    """A row for each point, what was trained, and how it was made."""
    head = ["arm", "images", "hours", "k", "N", "bits", "PSNR, dB", peers.fd_label]
    rows = [_cells(peer, point) for peer in peers.peers for point in peer.points]
    trained = "\n".join(
        f"- {p.name}: `{p.options}` (commit {p.commit}, {p.date})" for p in peers.peers
    )
    told = f"Each was trained for {peers.minutes:g} minutes with `{peers.common}` and\n\n{trained}"
    made = f"Time: {peers.seconds.line()}.\n\n{peers.line()}"
    return "\n\n".join([f"## {TITLE}", table(head, rows), told, made])


def _cells(peer: Peer, point: Coded) -> list[str]:
    return [
        peer.name,
        f"{peer.images:,}",
        f"{peer.hours:.2f}",
        str(point.setting.k),
        f"{point.count:.1f} ± {point.count_deviation:.1f}",
        f"{point.bits:,.0f}",
        shown(point.psnr, 2),
        shown(point.fd, 2),
    ]
