"""Sizes counted by hand, pictures decoded by Pillow, and who wins where on drawn-up curves."""

import io
import math

import conftest
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from skimage import data

from analysis import codecs
from analysis.codecs import decoded, encoded
from analysis.containers import payload_bytes
from analysis.frontier import Stretch, at, hull, stretches
from analysis.provenance import Data, Provenance
from tatok.images import to_pil, to_tensor
from tatok.lite import LiteOutput, maps_distance
from tatok.tokenfile import HEADER_BYTES, pack

ORIGIN = Provenance("c", "w", 7, None, Data("pictures", "s", 0), 3, "e", "d", "t", "python")


@pytest.fixture(scope="module")
def photo():
    return Image.fromarray(data.coffee()).crop((100, 0, 500, 400)).resize((128, 128))


# --- containers ------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", [1, 30, 90])
def test_the_scan_of_a_jpeg_is_what_remains_without_its_segments(photo, quality):
    file = encoded("JPEG", photo, 128, quality)
    start = file.index(b"\xff\xda")  # stuffing keeps a scan free of markers; tables have none here
    header = 2 + int.from_bytes(file[start + 2 : start + 4], "big")
    assert file[:2] == b"\xff\xd8" and file[-2:] == b"\xff\xd9"
    assert payload_bytes("JPEG", file) == len(file) - 2 - start - header
    # A scan of noise has stuffed bytes and, asked for, restart markers: both belong to it.
    noise = Image.effect_noise((64, 64), 90).convert("RGB")
    plain, restarted = io.BytesIO(), io.BytesIO()
    noise.save(plain, "JPEG", quality=quality)
    noise.save(restarted, "JPEG", quality=quality, restart_marker_rows=1)
    added = payload_bytes("JPEG", restarted.getvalue()) - payload_bytes("JPEG", plain.getvalue())
    assert added > 0
    if quality == 90:
        assert b"\xff\x00" in plain.getvalue()


@pytest.mark.parametrize("quality", [0, 50, 85])
def test_the_payload_of_a_webp_is_all_but_twenty_bytes(photo, quality):
    file = encoded("WebP", photo, 128, quality)
    assert file[12:16] == b"VP8 "
    assert payload_bytes("WebP", file) == len(file) - 20


@pytest.mark.parametrize("quality", [0, 50, 85])
def test_the_payload_of_an_avif_is_its_mdat(photo, quality):
    file = encoded("AVIF", photo, 128, quality)
    assert payload_bytes("AVIF", file) == len(file) - (file.index(b"mdat") + 4)  # it stands last


# --- one picture -----------------------------------------------------------------------------


def test_standard_tables_change_a_jpegs_size_and_not_its_picture(photo):
    own, standard = (encoded("JPEG", photo, 128, 10, optimize=o) for o in (True, False))
    assert len(own) < len(standard)
    assert payload_bytes("JPEG", own) < payload_bytes("JPEG", standard)
    assert torch.equal(decoded(own, 128), decoded(standard, 128))


@pytest.mark.parametrize("coder", ["JPEG", "WebP", "AVIF"])
def test_quality_and_side_change_size_and_picture(photo, coder):
    x = to_tensor(photo)
    low, *_, high = codecs.QUALITIES[coder]
    coarse, fine = (encoded(coder, photo, 128, quality) for quality in (low, high))
    small = encoded(coder, photo, 32, high)
    assert len(coarse) < len(fine) and len(small) < len(fine)
    errors = [(decoded(file, 128) - x).square().mean() for file in (coarse, fine, small)]
    assert errors[1] < min(errors[0], errors[2])
    with Image.open(io.BytesIO(small)) as opened:
        assert (opened.format.lower(), opened.size) == (coder.lower(), (32, 32))
        expected = opened.convert("RGB").resize((128, 128), Image.Resampling.BICUBIC)
    assert torch.equal(decoded(small, 128), to_tensor(expected))


# --- who wins --------------------------------------------------------------------------------


def test_the_hull_is_concave_and_rises():
    points = [(100, 20), (200, 26), (150, 22), (150, 23.5), (300, 25), (400, 28), (100, 19)]
    assert hull(points) == ((100, 20), (150, 23.5), (200, 26), (400, 28))
    assert at(hull(points), 175) == pytest.approx(24.75)
    assert at(hull(points), 99) == -math.inf and at(hull(points), 9e9) == 28
    assert hull([(5, 1.0)]) == ((5, 1.0),)
    assert hull([(1, 0), (2, 1), (3, 2)]) == ((1, 0), (3, 2))  # on a line, two are enough


def test_stretches_begin_and_end_where_the_curves_cross():
    a, b = ((10, 20.0), (110, 30.0)), ((60, 22.0), (160, 42.0))
    # a: 20 + (x - 10) / 10; b: 22 + (x - 60) / 5; equal at x = 90, where both are 28
    assert stretches("A", a, "B", b) == (
        Stretch(10, pytest.approx(90), "A"),
        Stretch(pytest.approx(90), None, "B"),
    )
    swapped = stretches("B", b, "A", a)
    assert [s.winner for s in swapped] == ["A", "B"]
    never = stretches("A", a, "B", ((5, 40.0),))
    assert never == (Stretch(5, None, "B"),)
    later = stretches("A", a, "B", ((500, 40.0),))  # no file as small: A until then
    assert later == (Stretch(10, 500, "A"), Stretch(500, None, "B"))
    assert later[0].text() == "A from 10 bytes to 500"
    assert later[1].text() == "B from 500 bytes on"


# --- all together ----------------------------------------------------------------------------


class CoarseMaps:
    """In the place of Lite0: two maps, the picture itself coarser and coarser."""

    name = "coarse"

    def __call__(self, x):
        return LiteOutput((F.avg_pool2d(x, 4), F.avg_pool2d(x, 8)), x[:, :, 0, 0], x[:, :, 0, 0])


@pytest.fixture(scope="module")
def measured():
    with torch.no_grad():
        model = conftest.random_model()
        images = to_tensor(to_pil(conftest.pictures(1)))
        rest = conftest.pictures(9, seed=5)
        images = torch.cat([images, *(to_tensor(to_pil(x)) for x in rest)])
        return model, images, codecs.measure(model, images, CoarseMaps(), ORIGIN)


def test_points_of_tatok_are_the_sizes_of_real_files(measured):
    model, images, made = measured
    own = [p for p in made.points if p.coder == "TaTok"]
    assert [p.knob for p in own] == [*codecs.EPSILONS, None]
    encoding = model.encode(images)
    for point in own:
        how = {"count": 0} if point.knob is None else {"epsilon": point.knob}
        tokens = model.quantize(encoding, model.select(encoding, **how))
        sizes = [len(pack(tokens, model, row)) for row in range(len(images))]
        assert point.file_bytes == pytest.approx(sum(sizes) / len(sizes))
        assert point.payload_bytes == pytest.approx(point.file_bytes - HEADER_BYTES)
        y = model.decode(tokens)
        mse = (images - y).square().mean((1, 2, 3))
        assert point.psnr.value == pytest.approx((10 * (4 / mse).log10()).mean().item(), abs=1e-4)
        distance = maps_distance(CoarseMaps()(images).maps, CoarseMaps()(y).maps).mean().item()
        assert point.distance.value == pytest.approx(distance, abs=1e-5)
        assert point.psnr.low < point.psnr.value < point.psnr.high
    assert own[0].file_bytes > own[-2].file_bytes > own[-1].file_bytes


def test_points_of_codecs_are_pillows_files(measured):
    _, images, made = measured
    others = [p for p in made.points if p.coder != "TaTok"]
    assert {(p.coder, p.side) for p in others} == {
        (coder, side) for coder in ("JPEG", "WebP", "AVIF") for side in (32, 16, 8, 4)
    }
    for point in others[::7]:
        files = [encoded(point.coder, to_pil(x), point.side, point.knob) for x in images]
        assert point.file_bytes == pytest.approx(sum(map(len, files)) / len(files))
        bare = files
        if point.coder == "JPEG":
            bare = [
                encoded("JPEG", to_pil(x), point.side, point.knob, optimize=False) for x in images
            ]
        payloads = [payload_bytes(point.coder, file) for file in bare]
        assert point.payload_bytes == pytest.approx(sum(payloads) / len(files))
        y = torch.cat([decoded(file, 32) for file in files])
        mse = (images - y).square().mean((1, 2, 3))
        assert point.psnr.value == pytest.approx((10 * (4 / mse).log10()).mean().item(), abs=1e-4)


def test_who_wins_is_said_for_each_size_and_measure(measured):
    _, _, made = measured
    assert {(c.coder, c.size, c.measure) for c in made.comparisons} == {
        (coder, size, measure)
        for coder in ("JPEG", "WebP", "AVIF")
        for size in ("file", "payload")
        for measure in ("PSNR", "Lite0 distance")
    }
    for found in made.comparisons:
        sizes = {"file": lambda p: p.file_bytes, "payload": lambda p: p.payload_bytes}[found.size]
        better = {"PSNR": lambda p: p.psnr.value, "Lite0 distance": lambda p: -p.distance.value}
        quality = better[found.measure]
        for stretch in found.stretches:  # no point of the loser lies above the winner's hull
            loser = found.coder if stretch.winner == "TaTok" else "TaTok"
            top = hull([(sizes(p), quality(p)) for p in made.points if p.coder == stretch.winner])
            for p in made.points:
                inside = stretch.low < sizes(p) and (
                    stretch.high is None or sizes(p) < stretch.high
                )
                if p.coder == loser and inside:
                    assert quality(p) <= at(top, sizes(p)) + 1e-9
    text = codecs.markdown(made)
    assert made.comparisons[0].sentence() in text and made.provenance.line() in text
    assert all(coder.subtracted in text for coder in made.coders)
    assert made.seconds.decode > 0 and made.seconds.features > 0
