"""Do drawn patches go on where their neighbours end? A test of coherence on held-out pictures.

Given a picture's own global tokens and the places that DTF keeps of it, the generator draws its
patches. A generator that has learned how patches continue comes nearer to the original than the
picture decoded from the global tokens alone; one that has not does harm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from tqdm import tqdm

from analysis.base.evaluate import table
from analysis.base.extractors import Lite0
from analysis.base.provenance import Provenance
from analysis.base.results import Estimate, shown
from analysis.bias.places import mean_estimate
from tatok.canvas import MASKED
from tatok.generator import MaskGIT
from tatok.images import load_image
from tatok.lite import maps_distance
from tatok.quality import psnr
from tatok.sampling import SamplingOptions, fill
from tatok.streams import seeded
from tatok.tokenizer import TaTok
from tatok.tokens import Tokens
from tatok.training.data import ImageFile

ALONE, RANDOM, DRAWN, TRUE = "G alone", "random codes", "drawn", "true codes"
WAYS = (ALONE, RANDOM, DRAWN, TRUE)  # what stands at the kept places
STREAM = 21  # of the random codes, beside the seed


@dataclass(frozen=True)
class Way:
    """Means over the pictures: PSNR in dB, and the distance of Lite0's feature maps."""

    name: str
    psnr: Estimate
    distance: Estimate


@dataclass(frozen=True)
class Coherence:
    """The result file.

    cost: dB that drawn patches lose against the picture from G alone. closed: the share of the
    Lite0 distance between G alone and the true codes that they close, (G - drawn) / (G - true) of
    the means. count: mean N. tokenizer: fingerprint.
    """

    n: int
    count: float
    ways: tuple[Way, ...]
    cost: Estimate
    closed: float
    options: SamplingOptions
    tokenizer: str
    provenance: Provenance


@torch.inference_mode()
def measure(
    tokenizer: TaTok,
    generator: MaskGIT,
    extractor: Lite0,
    files: Sequence[ImageFile],
    options: SamplingOptions,
    origin: Provenance,
    batch: int = 8,
) -> Coherence:
    """Of held-out files, the i-th of class i mod C."""
    found: dict[str, list[Tensor]] = {name: [] for name in WAYS}  # (B, 2) each: PSNR, distance
    counts = []
    starts = range(0, len(files), batch)
    for start in tqdm(starts, desc="coherence", unit="batch", dynamic_ncols=True):
        some = files[start : start + batch]
        x = torch.cat([load_image(f.path, size=generator.side(tokenizer)) for f in some])
        x = x.to(tokenizer.device)
        labels = [(start + i) % len(generator.config.classes) for i in range(len(some))]
        maps = extractor(x).maps
        for name, tokens in ways(tokenizer, generator, x, labels, options, start):
            y = tokenizer.decode(tokens)
            distance = maps_distance(maps, extractor(y).maps)
            found[name].append(torch.stack([psnr(x, y), distance], dim=1).double().cpu())
            if name == TRUE:
                counts.append(tokens.count.double().cpu())
    values = {name: torch.cat(parts) for name, parts in found.items()}  # (n, 2)
    mean = {name: v[:, 1].mean().item() for name, v in values.items()}
    return Coherence(
        len(files),
        torch.cat(counts).mean().item(),
        tuple(Way(name, *map(mean_estimate, values[name].unbind(dim=1))) for name in WAYS),
        mean_estimate(values[ALONE][:, 0] - values[DRAWN][:, 0]),
        (mean[ALONE] - mean[DRAWN]) / (mean[ALONE] - mean[TRUE]),
        options,
        tokenizer.fingerprint,
        origin,
    )


def ways(
    tokenizer: TaTok,
    generator: MaskGIT,
    x: Tensor,
    labels: Sequence[int],
    options: SamplingOptions,
    first: int = 0,
) -> Iterator[tuple[str, Tokens]]:
    """The four kinds of tokens of pictures (B, 3, S, S), all with the pictures' own G and places.

    first: the number of the first picture in a longer list.
    """
    config = generator.config
    encoding = tokenizer.encode(x, config.k)
    selection = tokenizer.select(encoding, options.epsilon, config.estimator)
    true = tokenizer.quantize(encoding, selection)
    yield ALONE, replace(true, patch_codes=torch.full_like(true.patch_codes, MASKED))
    stream = seeded(options.seed, STREAM, first)
    chance = torch.randint(config.codebook_size, true.patch_codes.shape, generator=stream)
    chance = chance.to(x.device)
    yield RANDOM, replace(true, patch_codes=torch.where(true.keep, chance, MASKED))
    unknown = torch.full_like(true.patch_codes, MASKED)
    chosen = generator.labels(labels)
    given = true.global_codes, unknown, true.keep
    *_, last = fill(generator, chosen, options, *given, tokenizer=tokenizer, first_row=first)
    yield DRAWN, replace(true, patch_codes=last.tokens.patch_codes)
    yield TRUE, true


def markdown(result: Coherence) -> str:
    """The table, and what follows from it."""
    rows = [[way.name, shown(way.psnr, 2), shown(way.distance, 3)] for way in result.ways]
    head = ["at the kept places", "PSNR, dB", "Lite0 distance"]
    return f"{table(head, rows)}\n\n{sentence(result)}"


def sentence(result: Coherence) -> str:
    """What the page says of it."""
    lost = result.cost.value
    way = "cost" if lost > 0 else "gain"
    return (
        f"Drawn for the real global tokens of {result.n} held-out pictures, at their own places "
        f"(N = {result.count:.0f} on average), the patches {way} {abs(lost):.1f} dB against the "
        f"picture from the global tokens alone, and close {result.closed:.0%} of the way to the "
        "true patches by Lite0's feature maps."
    )
