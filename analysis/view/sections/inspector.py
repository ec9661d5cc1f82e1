"""One patch under the lens: its H, its code, and what it does to the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import gradio as gr
import torch
from torch import Tensor

from analysis.view.shared.engine import Engine, Square
from analysis.view.shared.section import asks, section
from analysis.view.shared.settings import Settings, parse_place
from analysis.view.tokenize.patch_view import rgb_base64
from tatok import entropy, filtering
from tatok.entropy import ESTIMATORS
from tatok.transformer import patchify

NEAREST = 6  # codes shown, the patch's own among them


@dataclass(frozen=True)
class Code:
    """A code near the patch's latent: its distance ||z - e||, and the patch (1, 3, s, s) decoded
    in this picture with it in place of the patch's own."""

    code: int
    distance: float
    pixels: Tensor


@dataclass(frozen=True)
class Opinion:
    """What an estimator says of the patch: H, its rank from 1, and whether DTF would keep it."""

    estimator: str
    unit: str
    entropy: float
    rank: int
    keep: bool


@dataclass(frozen=True)
class Errors:
    """Mean square errors of a decoded picture, x in [-1, 1]: of all of it, and of the patch."""

    picture: float
    patch: float


@dataclass(frozen=True)
class Inspection:
    """A patch: its code, the codes nearest first, the parts of its H under the estimator chosen,
    every estimator's opinion, and the errors with the patch kept and without it, all else equal."""

    place: int
    code: int
    nearest: tuple[Code, ...]
    parts: dict[str, float]
    opinions: tuple[Opinion, ...]
    kept: Errors
    dropped: Errors


@torch.inference_mode()
def inspect(engine: Engine, square: Square, settings: Settings, place: int) -> Inspection:
    """Look at patch `place` under these settings; the pictures are decoded, not estimated."""
    k, codes = settings.k, engine.quantize(square, settings.k).patch_codes
    own = int(codes[0, place])
    near, distances = nearest(engine, square, k, place)
    others = [code for code in near if code != own]
    rows = codes.masked_fill(~engine.select(square, settings).keep, -1)
    rows = rows.repeat(2 + len(others), 1)  # kept, dropped, then with each other code
    rows[:, place] = torch.tensor([own, -1, *others])
    kept, dropped, *changed = engine.decode(square, k, rows).split(1)
    images = {own: kept} | dict(zip(others, changed, strict=True))
    return Inspection(
        place=place,
        code=own,
        nearest=tuple(
            Code(code, distance, _patch(engine, images[code], place))
            for code, distance in zip(near, distances, strict=True)
        ),
        parts=parts(engine, square, settings, place),
        opinions=tuple(opinion(engine, square, settings, name, place) for name in ESTIMATORS),
        kept=_errors(engine, square, kept, place),
        dropped=_errors(engine, square, dropped, place),
    )


def nearest(engine: Engine, square: Square, k: int, place: int) -> tuple[list[int], list[float]]:
    """The codes nearest to the patch's latent z, and their distances ||z - e||, nearest first."""
    z = engine.model.quantize_patches(engine.encode(square, k)).latents[0, place]  # (d_p,)
    distances = (engine.model.patch_codebook.codes - z).norm(dim=1).cpu()  # (K,)
    own = int(engine.quantize(square, k).patch_codes[0, place])
    # The own code first: at a near tie, rounding here may differ from the quantizer's.
    rest = distances.index_fill(0, torch.tensor(own), torch.inf)
    order = [own, *rest.argsort(stable=True)[: NEAREST - 1].tolist()]
    return order, distances[order].tolist()


def parts(engine: Engine, square: Square, settings: Settings, place: int) -> dict[str, float]:
    """The numbers that the estimator's formula makes H of the patch from; see inspector.js."""
    model, encoding = engine.model, engine.encode(square, settings.k)
    if settings.target_psnr is not None:
        encoding = replace(encoding, target_psnr=settings.target_psnr)
    seen = model.observe(encoding)
    if settings.estimator.startswith("residual"):
        pixels = patchify(seen.x, model.config).var(dim=2, unbiased=False)
        return {
            "distance": float(entropy.outside_span(seen)[0, place]),
            "pixels": float(pixels[0, place]),
            "token": float(entropy.complexity(seen.p)[0, place]),
            "scale": float(model.residual_scale),
        }
    if settings.estimator == "rate":
        return {
            "half": 0.5 * model.config.patch_dim,
            "D_i": float(seen.D_G[0, place]),
            "D_0": entropy.distortion(encoding.target_psnr),
        }
    if settings.estimator == "gain":
        return {"D_G": float(seen.D_G[0, place]), "D_all": float(seen.D_all[0, place])}
    if settings.estimator == "gaussian":
        z, mean, log_variance = (t[0, place] for t in (seen.z, *seen.latent_given_G))
        return {
            "nats": float(entropy.gaussian_nll(z, mean, log_variance)),
            "d_p": model.config.patch_code_dim,
            "delta": float(seen.delta),
        }
    p = model.predictor.log_p(seen.features[0, place]).exp()  # (K,)
    own = int(engine.quantize(square, settings.k).patch_codes[0, place])
    likeliest = int(p.argmax())
    return {
        "p": float(p[own]),
        "codes": len(p),
        "likeliest": likeliest,
        "p_max": float(p[likeliest]),
    }


def opinion(
    engine: Engine, square: Square, settings: Settings, estimator: str, place: int
) -> Opinion:
    """What `estimator` says of the patch at the same k, ε and target."""
    evidence = engine.measure(square, settings.k, estimator, settings.target_psnr)
    H = evidence.entropy
    filtered = filtering.dtf(H, settings.epsilon, evidence.minimum)
    order = H.argsort(dim=1, descending=True, stable=True)[0]
    return Opinion(
        estimator=estimator,
        unit=ESTIMATORS[estimator].unit,
        entropy=float(H[0, place]),
        rank=int((order == place).nonzero()) + 1,
        keep=bool(filtered.keep[0, place]),
    )


def inspection_reply(inspection: Inspection) -> dict:
    """An inspection as JSON."""
    return {
        "place": inspection.place,
        "code": inspection.code,
        "nearest": [
            {"code": n.code, "distance": n.distance, "pixels": rgb_base64(n.pixels)}
            for n in inspection.nearest
        ],
        "parts": inspection.parts,
        "opinions": [vars(opinion) for opinion in inspection.opinions],
        "kept": vars(inspection.kept),
        "dropped": vars(inspection.dropped),
    }


def _patch(engine: Engine, image: Tensor, place: int) -> Tensor:
    """Patch `place` of an image (1, 3, S, S): (1, 3, s, s)."""
    s = engine.model.config.patch_size
    return patchify(image, engine.model.config)[:, place].reshape(1, 3, s, s)


def _errors(engine: Engine, square: Square, image: Tensor, place: int) -> Errors:
    patch = entropy.patch_errors(square.x, image, engine.model.config)[0, place]
    return Errors(float((image - square.x).square().mean()), float(patch))


def build(engine: Engine, session: gr.State) -> None:
    """Add the section to the current Blocks. Its event `inspect` asks about the selected patch."""
    view = section("sections/inspector")

    def look(square, settings, wanted):
        place = parse_place(wanted.get("selected"), engine.grid(square) ** 2)
        return inspection_reply(inspect(engine, square, settings, place))

    asks(view, "inspect", engine, session, look)
