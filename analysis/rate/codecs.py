"""TaTok against JPEG, WebP and AVIF: bytes against PSNR and Lite0 distance on the same pictures.

A codec also codes a smaller picture, which is then scaled up: at these sizes often the better deal.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain, product

import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from analysis.base.evaluate import table
from analysis.base.extractors import Lite0
from analysis.base.provenance import Provenance
from analysis.base.results import Estimate, shown
from analysis.base.runner import Seconds, Stopwatch
from analysis.base.stats import FEWEST, mean_band
from analysis.paper.experiments import PSNR_CAP, Images
from analysis.rate.containers import SUBTRACTED, payload_bytes
from analysis.rate.frontier import Stretch, Vertices, hull, stretches
from tatok.images import to_pil, to_tensor
from tatok.lite import maps_distance
from tatok.quality import psnr
from tatok.tokenfile import HEADER_BYTES
from tatok.tokenizer import TaTok

TATOK = "TaTok"
SHARES = (5 / 8, 3 / 4, 7 / 8, 1)  # of M: `rate` at ε = 0 sends no patch that G brings to D0
EPSILONS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
SHRINK = (1, 2, 4, 8)  # S over the side of the picture that a codec gets
OPTIONS = {  # of Pillow; the rest as it has them: JPEG and AVIF 4:2:0, AVIF at speed 6
    "JPEG": {"optimize": True},
    "WebP": {"method": 6},
    "AVIF": {"max_threads": 1},
}
QUALITIES = {"JPEG": (1, 10, 30, 60), "WebP": (0, 10, 30, 60, 85), "AVIF": (0, 15, 30, 50, 70)}
BATCH = 8


@dataclass(frozen=True)
class CodecPoint:
    """One way to code, over all images.

    knob            quality of a codec; ε of TaTok, None where N is given
    side            px of the coded picture
    file_bytes      size of the whole file; payload_bytes: of the coded picture alone
    psnr            dB, an image without error counts as 60 dB
    distance        Lite0 distance

    All are means over the same images, with replicates, so that ways can be compared in pairs.
    """

    coder: str
    knob: float | None
    side: int
    file_bytes: Estimate
    payload_bytes: Estimate
    psnr: Estimate
    distance: Estimate
    count: int = 0  # N, where it is given; 0: only the global tokens are sent

    @property
    def how(self) -> str:
        """The knob in words."""
        if self.knob is not None:
            return f"{'ε =' if self.coder == TATOK else 'quality'} {self.knob:g}"
        return f"N = {self.count}" if self.count else "G alone"


DISTANCE = "Lite0 distance"
SIZES: dict[str, Callable[[CodecPoint], Estimate]] = {
    "file": lambda p: p.file_bytes,
    "payload": lambda p: p.payload_bytes,
}
MEASURES: dict[str, Callable[[CodecPoint], Estimate]] = {
    "PSNR": lambda p: p.psnr,
    DISTANCE: lambda p: p.distance,
}


@dataclass(frozen=True)
class Comparison:
    """Where TaTok or another coder is the better, by the upper hull of each coder's points."""

    coder: str
    size: str  # "file" or "payload"
    measure: str  # "PSNR" or "Lite0 distance"
    stretches: tuple[Stretch, ...]

    def sentence(self, image_size: int) -> str:
        """In words, sizes in bits per pixel and in bytes."""

        def rate(size: float) -> str:
            return f"{8 * size / image_size**2:.2g}"

        low = self.stretches[0].low
        parts = []
        for one in self.stretches:
            end = "beyond" if one.high is None else f"to {rate(one.high)} ({one.high:.0f} bytes)"
            if one.winner is None:
                parts.append(f"neither surely wins {end}")
            elif one.lead is None:
                parts.append(f"only {one.winner} {end}")
            else:
                digits, unit = (3, "") if self.measure == DISTANCE else (2, " dB")
                lead = f"{shown(one.lead, digits)}{unit} at {rate(one.peak)}"
                parts.append(f"{one.winner} wins {end}, by up to {lead}")
        return (
            f"{TATOK} and {self.coder}, {self.measure}, from {rate(low)} bits per pixel "
            f"({low:.0f} bytes): {'; '.join(parts)}."
        )


@dataclass(frozen=True)
class Coder:
    """How a coder was used, and what the payload leaves out of the file."""

    name: str
    options: str
    subtracted: str


@dataclass(frozen=True)
class Codecs:
    """The result file."""

    image_size: int
    coders: tuple[Coder, ...]
    points: tuple[CodecPoint, ...]
    comparisons: tuple[Comparison, ...]
    seconds: Seconds
    provenance: Provenance

    @property
    def distance_label(self) -> str:
        """The name under which the Lite0 distance is shown, with the extractor and N."""
        return f"{DISTANCE} ({self.provenance.extractor}, N={self.provenance.data.n})"


@dataclass(frozen=True)
class _Way:
    """A coder with its knob and side, and what it gave so far."""

    coder: str
    knob: float | None
    side: int
    rows: list[tuple[Tensor, Tensor, Tensor, Tensor]]  # bytes twice, PSNR, distance; (B,) each
    count: int = 0  # of TaTok without a knob


@torch.no_grad()
def measure(model: TaTok, images: Images, lite0: Lite0, origin: Provenance) -> Codecs:
    """All coders on images[a:b], (b - a, 3, S, S), with a bar that tells the time left."""
    S, watch = model.config.image_size, Stopwatch()
    device = next(model.parameters()).device
    M = model.config.num_patches
    own = [_Way(TATOK, knob, S, []) for knob in EPSILONS]
    own += [_Way(TATOK, None, S, [], round(share * M)) for share in (0, *SHARES)]
    others = [
        _Way(coder, quality, S // shrink, [])
        for coder, qualities in QUALITIES.items()
        for shrink in SHRINK
        for quality in qualities
    ]
    ways = [*own, *others]
    with tqdm(total=len(images) * len(ways), unit="image", dynamic_ncols=True) as bar:
        for start in range(0, len(images), BATCH):
            with watch("load"):
                x = images[start : start + BATCH].to(device)
                pictures = [to_pil(row) for row in x]
            with watch("features"):
                maps = lite0(x).maps
            tatok = _reconstructions(model, x, own, watch)
            coded = (_transcoded(way, pictures, S, watch) for way in others)
            for way, (file_bytes, payload, y) in zip(ways, chain(tatok, coded), strict=True):
                y = y.to(device)
                with watch("features"):
                    distance = maps_distance(maps, lite0(y).maps).cpu()
                decibels = psnr(x, y).cpu().clamp(max=PSNR_CAP)
                way.rows.append((file_bytes, payload, decibels, distance))
                bar.update(len(x))
    with watch("statistics"):
        points = tuple(_point(way, origin.seed) for way in ways)
        comparisons = compare(points)
    return Codecs(S, _coders(), points, comparisons, watch.lap(), origin)


def _reconstructions(
    model: TaTok, x: Tensor, ways: Iterable[_Way], watch: Stopwatch
) -> Iterable[tuple[Tensor, Tensor, Tensor]]:
    """Bytes of the `.tatok` files, with and without header, and pictures; one per ε or N."""
    with watch("encode"):
        encoding = model.encode(x)
    with watch("select"):
        evidence = model.measure(encoding)
    for way in ways:
        with watch("select"):
            count = way.count if way.knob is None else None
            selection = model.filter(encoding, evidence, way.knob or 0.0, count=count)
            tokens = model.quantize(encoding, selection)
            payload = (tokens.bits() + 7) // 8
        with watch("decode"):
            y = model.decode(tokens)
        yield payload + HEADER_BYTES, payload, y


def _transcoded(
    way: _Way, pictures: list[Image.Image], S: int, watch: Stopwatch
) -> tuple[Tensor, Tensor, Tensor]:
    """Bytes of the files, of their payloads, and the pictures decoded at S × S."""
    with watch("encode"):
        files = [encoded(way.coder, picture, way.side, way.knob) for picture in pictures]
        bare = files
        if way.coder == "JPEG":  # the same picture; tables of its own could not be left out
            bare = [
                encoded(way.coder, picture, way.side, way.knob, optimize=False)
                for picture in pictures
            ]
    with watch("decode"):
        y = torch.cat([decoded(data, S) for data in files])
    payloads = [payload_bytes(way.coder, data) for data in bare]
    return torch.tensor([len(data) for data in files]), torch.tensor(payloads), y


def encoded(
    coder: str, picture: Image.Image, side: int, quality: float, **options: object
) -> bytes:
    """The picture scaled to side × side (bicubic) as a file; `options` go before OPTIONS."""
    if picture.width != side:
        picture = picture.resize((side, side), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    picture.save(file, coder, quality=quality, **{**OPTIONS[coder], **options})
    return file.getvalue()


def decoded(data: bytes, S: int) -> Tensor:
    """The picture of a file scaled to S × S (bicubic), (1, 3, S, S)."""
    with Image.open(io.BytesIO(data)) as picture:
        rgb = picture.convert("RGB")
    return to_tensor(rgb.resize((S, S), Image.Resampling.BICUBIC) if rgb.width != S else rgb)


def hulls(points: Iterable[CodecPoint], size: str, measure: str) -> list[Vertices]:
    """What one coder's points reach: of all images, then with a group of them left out at a time.

    size and measure: keys of SIZES and MEASURES. Of a distance the values are negative: the larger
    the better.
    """
    sign = -1 if measure == DISTANCE else 1
    ways = []
    for point in points:
        bytes_, value = SIZES[size](point), MEASURES[measure](point)
        values = [sign * v for v in (value.value, *value.replicates)]
        ways.append(zip((bytes_.value, *bytes_.replicates), values, strict=True))
    return [hull(version) for version in zip(*ways, strict=True)]


def compare(points: Iterable[CodecPoint]) -> tuple[Comparison, ...]:
    """TaTok with each other coder, by file and by payload, by PSNR and by Lite0 distance."""
    points = tuple(points)
    names = dict.fromkeys(point.coder for point in points)
    found = []
    for size, measure in product(SIZES, MEASURES):
        reached = {
            name: hulls((p for p in points if p.coder == name), size, measure) for name in names
        }
        for coder in names:
            if coder != TATOK:
                parts = stretches(TATOK, reached[TATOK], coder, reached[coder])
                found.append(Comparison(coder, size, measure, parts))
    return tuple(found)


def _point(way: _Way, seed: int) -> CodecPoint:
    columns = map(torch.cat, zip(*way.rows, strict=True))
    return CodecPoint(
        way.coder, way.knob, way.side, *(mean_band(c, seed) for c in columns), way.count
    )


def _coders() -> tuple[Coder, ...]:
    pillow = {
        name: ", ".join(f"{key}={value}" for key, value in options.items())
        for name, options in OPTIONS.items()
    }
    pillow[TATOK] = "DTF with the weights' own k and estimator"
    return tuple(Coder(name, pillow[name], SUBTRACTED[name]) for name in (TATOK, *OPTIONS))


TITLES = {
    "file": "The whole files",
    "payload": "Without containers and tables",
}


def how(codecs: Codecs) -> str:
    """How the winners were found, in words."""
    n = codecs.provenance.data.n
    few = f" Fewer than {FEWEST} pictures have no interval." if n < FEWEST else ""
    return (
        f"At every size: a coder wins where the 95 % interval of the difference, over the same {n} "
        f"pictures, excludes 0.{few} Between two settings a coder codes some pictures the one way "
        "and the rest the other; beyond its last setting it stays at its best."
    )


def sentences(codecs: Codecs, size: str) -> list[str]:
    """Where each wins at a budget for "file" or "payload"."""
    found = (c for c in codecs.comparisons if c.size == size)
    return [comparison.sentence(codecs.image_size) for comparison in found]


def left_out(codecs: Codecs) -> list[str]:
    """What the payload leaves out of each coder's files."""
    return [f"{c.name} ({c.options}): {c.subtracted}" for c in codecs.coders]


def markdown(codecs: Codecs) -> str:
    """The points as Markdown, and where each coder is the better."""
    sizes = ["bytes", "payload"]
    head = ["coder", "quality or ε", "side, px", *sizes, "PSNR, dB", codecs.distance_label]
    rows = [
        [
            p.coder,
            p.how,
            str(p.side),
            f"{p.file_bytes.value:.0f}",
            f"{p.payload_bytes.value:.0f}",
            shown(p.psnr, 2),
            shown(p.distance, 4),
        ]
        for p in sorted(
            codecs.points, key=lambda p: (p.coder != TATOK, p.coder, p.file_bytes.value)
        )
    ]
    told = [f"{title}\n\n{_list(sentences(codecs, size))}" for size, title in TITLES.items()]
    minus = f"The payload leaves out\n\n{_list(left_out(codecs))}"
    made = f"Time: {codecs.seconds.line()}.\n\n{codecs.provenance.line()}"
    return "\n\n".join([table(head, rows), how(codecs), *told, minus, made])


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
