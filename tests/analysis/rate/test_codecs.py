"""Sizes counted by hand, pictures decoded by Pillow, and who wins where on drawn-up curves."""

import io

import conftest
import numpy as np
import pytest
import small_results
import torch
import torch.nn.functional as F
from PIL import Image
from skimage import data

from analysis.base.provenance import Data, Provenance
from analysis.base.results import Estimate
from analysis.base.stats import GROUPS, T_95
from analysis.rate import codecs
from analysis.rate.codecs import decoded, encoded
from analysis.rate.containers import payload_bytes
from analysis.rate.frontier import Stretch, at, hull, stretches
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
    assert at(hull(points), np.array([99, 175, 9e9])).tolist() == [20, 24.75, 28]
    assert hull([(5, 1.0)]) == ((5, 1.0),)
    assert hull([(1, 0), (2, 1), (3, 2)]) == ((1, 0), (3, 2))  # on a line, two are enough


def test_a_winner_needs_an_interval_without_0():
    a, b = ((10, 20.0), (110, 30.0)), ((60, 22.0), (160, 42.0))
    # a: 20 + (x - 10) / 10; b: 22 + (x - 60) / 5; a - b = 9 - x / 10, up to b's last at 160
    shift = 0.5 / (T_95 * (GROUPS - 1) ** 0.5)  # of every second group: an interval of ± 0.5
    bs = [b, *(tuple((x, y + shift * (-1) ** g) for x, y in b) for g in range(GROUPS))]
    found = stretches("A", [a] * (1 + GROUPS), "B", bs)
    assert [s.winner for s in found] == ["A", "A", None, "B"]
    assert [s.low for s in found] == [10, 60, *(pytest.approx(x, rel=0.011) for x in (85, 95))]
    assert [s.high for s in found] == [*(s.low for s in found[1:]), None]  # without gaps
    alone, first, neither, second = found
    assert (alone.lead, alone.peak, neither.lead, neither.peak) == (None,) * 4
    assert (first.peak, second.peak) == (60, pytest.approx(160))
    assert first.lead == Estimate(*(pytest.approx(v) for v in (3.0, 2.5, 3.5)))
    assert second.lead == Estimate(*(pytest.approx(v) for v in (12.0, 11.5, 12.5)))
    swapped = stretches("B", bs, "A", [a] * (1 + GROUPS))
    assert [s.winner for s in swapped] == [s.winner for s in found]
    assert swapped[1].lead == first.lead


def test_without_replicates_nobody_wins_but_one_may_be_alone():
    a, b = ((10, 20.0), (110, 30.0)), ((60, 40.0),)
    assert stretches("A", [a], "B", [b]) == (Stretch(10, 60, "A"), Stretch(60, None, None))
    assert stretches("A", [a], "B", [a]) == (Stretch(10, None, None),)


def test_a_comparison_in_words():
    result = small_results.codecs()
    by_size = {size: codecs.sentences(result, size) for size in codecs.SIZES}
    told = by_size["file"][0]
    # TaTok at 400 bytes lies between 18 dB at 200 and 21 dB at 500; 16384 pixels
    assert told.startswith("TaTok and JPEG, PSNR, from 0.029 bits per pixel (60 bytes): only TaTok")
    assert "only TaTok to 0.2 (400 bytes); TaTok wins to" in told
    assert "by up to 5.00 (4.68 to 5.32) dB at 0.2; neither surely wins to" in told
    assert "JPEG wins beyond, by up to 3.00 (" in told and told.endswith(") dB at 0.44.")
    found = {(c.size, c.measure): c for c in result.comparisons}
    assert found["payload", "PSNR"].stretches[1].low == pytest.approx(400 - 28)
    distance = found["file", "Lite0 distance"].stretches
    assert [s.winner for s in distance] == ["TaTok", "TaTok", None, "JPEG"]
    assert "dB" not in by_size["file"][1] and "at 0.44." in by_size["file"][1]


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
    counts = [0, 10, 12, 14, 16]
    assert [p.knob for p in own] == [*codecs.EPSILONS, *[None] * len(counts)]
    assert [p.count for p in own if p.knob is None] == counts  # of 16: up to all
    encoding = model.encode(images)
    for point in own:
        how = {"count": point.count} if point.knob is None else {"epsilon": point.knob}
        tokens = model.quantize(encoding, model.select(encoding, **how))
        sizes = [len(pack(tokens, model, row)) for row in range(len(images))]
        assert point.file_bytes.value == pytest.approx(sum(sizes) / len(sizes))
        assert point.payload_bytes.value == pytest.approx(point.file_bytes.value - HEADER_BYTES)
        y = model.decode(tokens)
        mse = (images - y).square().mean((1, 2, 3))
        assert point.psnr.value == pytest.approx((10 * (4 / mse).log10()).mean().item(), abs=1e-4)
        distance = maps_distance(CoarseMaps()(images).maps, CoarseMaps()(y).maps).mean().item()
        assert point.distance.value == pytest.approx(distance, abs=1e-5)
        assert point.psnr.low < point.psnr.value < point.psnr.high
    none, *given = [p.file_bytes.value for p in own if p.knob is None]
    last = own[len(codecs.EPSILONS) - 1].file_bytes.value
    assert own[0].file_bytes.value > last > none and given == sorted(given)
    assert [own[0].how, own[-1].how, own[-5].how] == ["ε = 0", "N = 16", "G alone"]


def test_points_of_codecs_are_pillows_files(measured):
    _, images, made = measured
    others = [p for p in made.points if p.coder != "TaTok"]
    assert {(p.coder, p.side) for p in others} == {
        (coder, side) for coder in ("JPEG", "WebP", "AVIF") for side in (32, 16, 8, 4)
    }
    for point in others[::7]:
        files = [encoded(point.coder, to_pil(x), point.side, point.knob) for x in images]
        assert point.file_bytes.value == pytest.approx(sum(map(len, files)) / len(files))
        bare = files
        if point.coder == "JPEG":
            bare = [
                encoded("JPEG", to_pil(x), point.side, point.knob, optimize=False) for x in images
            ]
        payloads = [payload_bytes(point.coder, file) for file in bare]
        assert point.payload_bytes.value == pytest.approx(sum(payloads) / len(files))
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
    for found in made.comparisons:  # of ten images there is no interval
        alone, rest = found.stretches
        first = {
            name: min(codecs.SIZES[found.size](p).value for p in made.points if p.coder == name)
            for name in ("TaTok", found.coder)
        }
        assert (alone.winner, alone.low) == (min(first, key=first.get), min(first.values()))
        assert (rest.winner, rest.low) == (None, max(first.values()))
    text = codecs.markdown(made)
    assert made.comparisons[0].sentence(32) in text and made.provenance.line() in text
    assert "Lite0 distance (e, N=0)" in text and "Fewer than 40" in text
    assert all(coder.subtracted in text for coder in made.coders)
    assert made.seconds.decode > 0 and made.seconds.features > 0
