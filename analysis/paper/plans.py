"""What is measured for Figs. 3, 4 and 5 and for the curve over ε: settings, in curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from analysis.base.runner import Like, Setting, bits_of_counts
from tatok.config import EPSILON
from tatok.entropy import ESTIMATORS
from tatok.filtering import POLICIES
from tatok.tokenizer import TaTok

PAPER_M, PAPER_TOKENS, PAPER_K = 441, 56.4, 16
PAPER_EPSILON = EPSILON  # of all the paper's measurements
PAPER_ESTIMATOR = "residual"  # of Alg. 1, line 4
READINGS = ("residual-token", "residual-plain")  # of its Complexity, beside the default's
PAPER_REMOVED = 211  # of 441 patches, where Fig. 4 is read off
GLOBALS = (0, 1, 2, 4, 8, 12, 16, 24, 32, 48, 64)  # k of Fig. 3, as far as k_max
REMOVED = (0, 1 / 8, 1 / 4, 3 / 8, PAPER_REMOVED / PAPER_M, 5 / 8, 3 / 4, 7 / 8, 15 / 16)  # of M
PAPER_RANGE = (PAPER_EPSILON, 0.1, 0.15)  # ε of Fig. 7
EPSILONS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Curve:
    """A series to be measured: (x, setting), in the order of x."""

    name: str
    points: tuple[tuple[float, Setting], ...]


@dataclass(frozen=True)
class Plan:
    """An experiment to be made; the fields are those of `results.Experiment`."""

    id: str
    title: str
    x: str
    curves: tuple[Curve, ...]

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Each once."""
        every = (setting for curve in self.curves for _, setting in curve.points)
        return tuple(dict.fromkeys(every))


def papers_count(M: int) -> int:
    """The paper's mean share of the patches, 56.4 - 16 of 441, as a count of M."""
    return round(M * (PAPER_TOKENS - PAPER_K) / PAPER_M)


def fig3(model: TaTok) -> Plan:
    """k from 0 to k_max with all M patches, and with M tokens in all.

    In the second setting the M - k patches are those that DTF ranks first, with the model's own
    estimator; the paper does not say which patches make room.
    """
    config = model.config
    M, own = config.num_patches, config.estimator
    ks = sorted({k for k in (*GLOBALS, config.k, config.k_max) if k <= min(config.k_max, M)})

    def points(fixed_total: bool) -> tuple[tuple[float, Setting], ...]:
        counts = ((k, M - k if fixed_total else M) for k in ks)
        return tuple((float(k), Setting(k, N, estimator=own, features=True)) for k, N in counts)

    curves = (
        Curve(f"fixed patches: {M} + k", points(False)),
        Curve(f"fixed total: {M} - k patches, k global", points(True)),
    )
    return Plan("fig3", "Fig. 3: what global tokens add", "global tokens k", curves)


def fig4(model: TaTok) -> Plan:
    """k = 0; patches removed from the end, the start, at random: from none to all but one."""
    M, own = model.config.num_patches, model.config.estimator
    removed = sorted({*(round(share * M) for share in REMOVED), M - 1})

    def curve(name: str, policy: str) -> Curve:
        settings = (Setting(0, M - r, None, own, policy, True) for r in removed)
        return Curve(name, tuple(zip(map(float, removed), settings, strict=True)))

    curves = (curve("end", "first"), curve("start", "last"), curve("random", "random"))
    return Plan("fig4", "Fig. 4: how many patches can go", "patches removed, k = 0", curves)


def fig5(model: TaTok) -> Plan:
    """Every policy, and DTF with every estimator, at equal N and at equal bits.

    N twice: for each image what DTF gives it at the paper's ε with the model's own estimator, and
    for all images the paper's mean share of the patches, 56.4 - 16 of 441. x counts the policies.
    """
    config = model.config
    k, M, own = config.k, config.num_patches, config.estimator
    by_epsilon = Setting(k, epsilon=PAPER_EPSILON, estimator=own, features=True)
    N = papers_count(M)
    by_share = Setting(k, N, estimator=own, features=True)
    curves = []
    for reference, what in (
        (by_epsilon, f"N of each image by DTF ({own}), ε = {PAPER_EPSILON}"),
        (by_share, f"N = {N}, the paper's mean share"),
    ):
        equal = _policies(reference)
        curves.append(Curve(what, _counted(equal)))
        bits = [_same_bits(model, setting, reference) for setting in equal]
        curves.append(Curve(f"bits as DTF ({own}) takes with {what}", _counted(bits)))
    return Plan("fig5", "Fig. 5: which patches to keep", "policy", tuple(curves))


def epsilon(model: TaTok) -> Plan:
    """ε from 0 to 0.9: DTF with the model's own estimator, random patches at the same N, and DTF
    with the paper's estimator; in the paper's range also random patches at its N and its readings.

    All patches are a curve of one point: at ε = 0 DTF still leaves out those with H = 0.
    """
    k, own, M = model.config.k, model.config.estimator, model.config.num_patches

    def dtf(name: str, epsilons: tuple[float, ...] = EPSILONS) -> Curve:
        points = ((e, Setting(k, None, e, name, "dtf", True)) for e in epsilons)
        return Curve(f"DTF, {name}", tuple(points))

    def random(name: str, epsilons: tuple[float, ...] = EPSILONS) -> Curve:
        points = ((e, Setting(k, None, e, name, "random", True)) for e in epsilons)
        return Curve(f"random, N as {name}", tuple(points))

    every = Curve("all patches", ((0.0, Setting(k, M, estimator=own, features=True)),))
    curves, beside = [dtf(own), random(own)], [dtf(r, PAPER_RANGE) for r in READINGS if r != own]
    if own != PAPER_ESTIMATOR:
        curves.append(dtf(PAPER_ESTIMATOR))
        beside.insert(0, random(PAPER_ESTIMATOR, PAPER_RANGE))
    title = "Rate and distortion over ε"
    return Plan("epsilon", title, "information loss rate ε", (*curves, every, *beside))


PLANS: dict[str, Callable[[TaTok], Plan]] = {
    "fig3": fig3,
    "fig4": fig4,
    "fig5": fig5,
    "epsilon": epsilon,
}


def _policies(reference: Setting) -> list[Setting]:
    """`reference`, then DTF with the other estimators and the other policies, at the same N."""
    own = reference.estimator
    base = replace(reference, estimator=None)
    if reference.epsilon is not None:
        base = replace(base, epsilon=None, like=Like(reference.epsilon, own))
    others = [replace(base, estimator=name) for name in ESTIMATORS if name != own]
    rest = [replace(base, estimator=own, policy=name) for name in POLICIES if name != "dtf"]
    return [reference, *others, *rest]


def _same_bits(model: TaTok, setting: Setting, reference: Setting) -> Setting:
    """The setting with the most patches that take no more bits than the reference's tokens.

    The same setting where as many patches take as many bits.
    """
    bits, budget = bits_of_counts(model, setting), bits_of_counts(model, reference)
    if bits.equal(budget):
        return setting
    if setting.like is not None:
        return replace(setting, like=replace(setting.like, bits=True))
    return replace(setting, count=int((bits <= budget[reference.count]).nonzero().max()))


def _counted(settings: list[Setting]) -> tuple[tuple[float, Setting], ...]:
    return tuple((float(place), setting) for place, setting in enumerate(settings))
