"""Result files made up for the rules of the claims; what a rule is not to read is absurd."""

import dataclasses

from analysis.base import results
from analysis.base.provenance import Data, Provenance
from analysis.base.results import Estimate, Experiment, Limit, Point, Series
from analysis.base.runner import Seconds, Setting
from analysis.base.stats import jackknife
from analysis.bias.cure import Cure, Cured, Way
from analysis.bias.decomposition import Bar, ModelBars, Part, PlaceShares
from analysis.bias.placement import Bias, Placement, Share, Twin
from analysis.bias.probe import Difference, ModelProbes, Probes
from analysis.claims.list import CLAIMS
from analysis.claims.protocol import (
    FILES,
)
from analysis.generator.speed import Speed
from analysis.paper.plans import EPSILONS, PAPER_RANGE, READINGS, REMOVED
from analysis.paper.twins import Twins
from analysis.peers.frontier import Coded, Peer, Peers
from analysis.rate.redundancy import Redundancies, Redundancy
from tatok.bench.generator import Cost

M = 256
ORIGIN = Provenance("c", "w", 7, None, Data("pictures", "s", 1280), 3, "e", "d", "t", "python")
HOLDS, PART, NOT = "holds", "holds in part", "does not hold here"
UNDECIDED, UNTESTABLE = "undecided here", "cannot be tested here"
MISSING = "not measured yet"
BY_ID = {claim.id: claim for claim in CLAIMS}


def estimate(value, spread=0.001, places=3):
    """With replicates of which every `places`-th differs: other `places`, other noise; unbiased."""
    noise = [spread * (g % places == 0) for g in range(20)]
    return jackknife(value, [value + one - sum(noise) / 20 for one in noise])


def point(x, fd, psnr=20.0, label="DTF, rate", k=16, count=100.0, deviation=1.0):
    policy, _, estimator = label.partition(", ")
    setting = Setting(k, 100, None, estimator or None, policy.lower(), True)
    fd = fd if isinstance(fd, Estimate) else estimate(fd)
    psnr = psnr if isinstance(psnr, Estimate) else estimate(psnr)
    limit = Limit((1280, 640, 320), (2.0, 3.0, 5.0), fd)
    of_n = estimate(77.0)  # not to be read
    return Point(x, setting, count, deviation, 1200.0, 0.1, psnr, of_n, Estimate(0.25), limit)


def experiment(id, **series):
    made = tuple(Series(name, tuple(points)) for name, points in series.items())
    return Experiment(id, "t", "x", M, 128, "rFD", "KID", made, Seconds(), ORIGIN)


def fig3(patches, total=None, psnr=(20.0, 21.0), ks=(0, 16, 32)):
    def points(fds):
        decibels = [psnr[0], psnr[1], psnr[1]]
        return [point(k, fd, p, k=k) for k, fd, p in zip(ks, fds, decibels, strict=True)]

    return experiment(
        "fig3",
        **{"fixed patches: 256 + k": points(patches), "fixed total": points(total or patches)},
    )


def twins(none, some):
    made = experiment("twins", **{"fixed patches: 256 + k": [point(0, none), point(16, some)]})
    return Twins(**vars(made))


def fig4(end, start=None, random=None, last=300.0):
    removed = sorted({*(round(share * M) for share in REMOVED), M - 1})

    def points(half):
        fds = [half if r else 100.0 for r in removed[:-1]]
        return [point(r, fd, k=0) for r, fd in zip(removed, [*fds, last], strict=True)]

    ways = {"end": end, "start": start or end, "random": random or end}
    return experiment("fig4", **{name: points(half) for name, half in ways.items()})


def fig5(dtf, random=40.0, uniform=35.0, first=30.0, last=25.0, residual=50.0, at_share=None):
    def points(best):
        others = {"random": random, "uniform": uniform, "first": first, "last": last}
        readings = {f"DTF, {name}": 60.0 for name in READINGS}
        made = {"DTF, rate": best, "DTF, residual": residual, **readings, **others}
        psnr = {"uniform": 19.0, "DTF, rate": 21.0}
        return [point(i, fd, psnr.get(at, 18.0), at) for i, (at, fd) in enumerate(made.items())]

    wrong = [point(p.x, 0.0, label=p.setting.label) for p in points(dtf)]  # not to be read
    share = points(dtf if at_share is None else at_share)
    return experiment("fig5", n=points(dtf), bits=wrong, share=share, bits2=wrong)


def epsilon(at_5, count=20.0, random=None, at_15=None, residual=240.0, by_residual=1.0):
    values = {0.0: 1.0, 0.15: at_15 or at_5}  # ε = 0 is not all patches, and not to be read
    dtf = [point(e, values.get(e, at_5), count=count, deviation=10.0) for e in EPSILONS]
    other = [point(p.x, random or 2 * p.fd.value, label="random") for p in dtf]

    def papers(name, fds, epsilons=PAPER_RANGE):
        label = name if name == "random" else f"DTF, {name}"
        counted = zip(epsilons, fds * len(epsilons), strict=False)
        return [point(e, fd, label=label, count=residual, deviation=10.0) for e, fd in counted]

    every = [point(0.0, 100.0)]
    return experiment(
        "epsilon",
        **{
            "DTF, rate": dtf,
            "random, N as rate": other,
            "DTF, residual": papers("residual", [by_residual], EPSILONS),
            "random, N as residual": papers("random", [120.0]),
            **{f"DTF, {name}": papers(name, [1.0]) for name in READINGS},
            "all patches": every,
        },
    )


def bias(*placements, estimator="residual", read=True):
    """(pictures, share of the outer columns or None where all H = 0); a set has an interval."""

    def placement(pictures, share, estimator):
        if share is None:
            return Placement(pictures, estimator, None, 0, 1, 0.0, (), (), ())
        n = 24 if isinstance(share, Estimate) else 1
        share = share if n > 1 else Estimate(share)
        shares = (Share("rows", Estimate(1.0), 0.125, None), Share("columns", share, 0.125, None))
        return Placement(pictures, estimator, None, n, 0, 23.0, (), (), shares)

    made = [placement(*one, estimator) for one in placements]
    wrong = [placement(one[0], Estimate(0.0, 0.0, 0.0), "rate") for one in placements]
    other = [placement("colours", None, READINGS[0])] if read else []
    twin = Twin("seq", "sequence", tuple(made), dataclasses.replace(ORIGIN, weights="seq"))
    # Those at ε, and by `rate`: not to be read.
    return Bias(tuple(wrong), ORIGIN, (*wrong, *made, *other), (twin,))


def blank(*placements):
    """By the reading that is not 0 on flat pictures."""
    return bias(*placements, estimator=READINGS[0])


def decompose(*places, spread=0.02):
    """Shares of the place in the variance of H of photographs, one for each model."""
    models = []
    for n, place in enumerate(places):
        band = Estimate(place, place - spread, place + spread)
        bars = [
            Bar(pictures, estimator, response, 9, 0, (part,), Estimate(1.0), 0.1, None)
            for pictures in ("photographs", "noise")
            for estimator in ("residual", *READINGS)
            for response in ("entropy", "kept")
            for part in [
                Part("place", Estimate(1.0), band)
                if (pictures, estimator, response) == ("photographs", "residual", "entropy")
                else Part("place", Estimate(1.0), Estimate(0.4, 0.1, 0.7))  # not to be read
            ]
        ]
        models.append(ModelBars(f"m{n}", "grid", tuple(bars), ORIGIN))
    return PlaceShares(0.15, tuple(models))


EQUAL = {"grid": 2.0, "sequence": 2.1}  # hours


def cure(*changes):
    """Relative changes of the rFD by keeping the edges first, at one N each."""
    rows = []
    for N, value in enumerate(changes, start=1):
        wrong = Estimate(99.0, 98.0, 100.0)  # not to be read
        for estimator, way in (("rate", "edges"), ("residual", "dtf"), ("residual", "edges")):
            band = Estimate(value, value - 0.01, value + 0.01)
            own = band if (estimator, way) == ("residual", "edges") else Estimate(99.0, 98.0, 100.0)
            rows.append(Cured(estimator, Way(way), N, band, band, band, wrong, 0.5, own))
    return Cure(9, "rFD", tuple(rows), ORIGIN)


def probe(over_raw, over_grid=0.0, layouts=EQUAL, helps=1.0):
    """Gains of layout `sequence` in naming row and column; those of latents are not to be read."""
    models = [
        ModelProbes(
            name,
            name,
            (),
            dataclasses.replace(ORIGIN, weights=name, training_hours=hours),
            None if helps is None else Estimate(helps, helps - 0.05, helps + 0.05),
        )
        for name, hours in layouts.items()
    ]
    rows = [
        Difference(feature, target, f"sequence − {less}", Estimate(v, v - 0.01, v + 0.01))
        for less, value in (("raw patches", over_raw), ("grid", over_grid))
        for feature, v in (("latent", 0.9), ("code", value))
        for target in ("row", "column")
    ]
    return Probes(9, 9, tuple(models), (), tuple(rows))


def redundancy(kept, every, least=0.1, control=0.3):
    def row(patches, given, red):
        band = Estimate(red, red - 0.01, red + 0.01)
        at_least = None if given else least if patches == "all" else 0.9  # 0.9: not to be read
        return Redundancy(patches, given, 9.0, 8.0, 7.0, band, None, at_least)

    rows = (row("all", False, every), row("all", True, 0.5), row("kept", False, 0.5))
    if control is not None:
        rows = (*rows, row("random", False, 0.9), row("random", True, control))
    return Redundancies(0.05, 9, 9, 9, 12.0, (*rows, row("kept", True, kept)), ORIGIN)


def speed(timed, counted, size="paper"):
    rows = (Cost(size, "57 tokens", 57, 1e9, 1.0, counted, timed), Cost(size, "", 569, 1e9, 1.0))
    return Speed(rows, 1, 8, "CPU, 2 threads", "t", "c", "d", "python")


def peers(
    theirs,
    ours=(20.0, 30.0),
    seeds=(0,),
    hours=1.0,
    arms=("titok-64", "vq", "hita"),
    limited=True,
):
    """PSNR and rFD of ours at 100 and, 2 dB and 10 more, at 200 bits; of each peer at 150 bits."""

    def coded(bits, psnr, fd):
        made = vars(point(0.0, fd, psnr)) | {"bits": bits}
        made |= {} if limited else {"limit": None}
        return Coded(**made, bits_replicates=(bits,) * 20)

    def peer(arm, seed, *points, hours=1.0):
        return Peer(arm, seed, "", "w", 9, hours, "c", "d", points)

    psnr, fd = ours
    curve = coded(100.0, psnr - 1, fd + 5), coded(200.0, psnr + 1, fd - 5)
    made = [peer("titok-96", seed, coded(150.0, 19.0, 40.0)) for seed in seeds]
    made += [peer(arm, seed, coded(150.0, *theirs)) for arm in arms for seed in seeds]
    for arm in ("tatok", "tatok-paper"):
        made += [peer(arm, seed, *curve, hours=hours) for seed in seeds]
    return Peers(60.0, "", 128, M, "rFD", "KID", tuple(made), Seconds(), ORIGIN)


def save(result, folder):
    named = {kind: name for name, kind in FILES.items() if kind is not Experiment}
    name = named.get(type(result)) or result.id
    results.save(result, results.path_of(name, folder))
    return name
