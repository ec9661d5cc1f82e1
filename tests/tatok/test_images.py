"""The files that are accepted, and the pixels that come out."""

import io
import struct

import numpy as np
import pytest
import torch
from picture_files import (
    BLACK,
    BLUE,
    GREEN,
    QUARTERS,
    RED,
    WHITE,
    H,
    W,
    encode,
    exif,
    four,
    png16,
    png_chunk,
    quarters,
    tiff,
)
from PIL import Image

from tatok.images import FORMATS, BadImage, crop_square, load_image, open_image, to_pil, to_tensor


def corners(picture: Image.Image) -> list[tuple[int, int, int]]:
    """The colours at the middle of the four quarters."""
    w, h = picture.size
    return [picture.getpixel((x, y)) for y in (h // 4, 3 * h // 4) for x in (w // 4, 3 * w // 4)]


def assert_corners(source, expected, tolerance=0):
    picture = open_image(source)
    assert picture.mode == "RGB"
    difference = np.abs(np.array(corners(picture)) - np.array(expected))
    assert difference.max() <= tolerance, corners(picture)


def grey(levels) -> list[tuple[int, int, int]]:
    return [(level,) * 3 for level in levels]


# ---------------------------------------------------------------- accepted: formats


LOSSLESS = [("PNG", {}), ("GIF", {}), ("BMP", {}), ("TIFF", {}), ("PPM", {})]
LOSSLESS += [("WEBP", {"lossless": True}), ("TIFF", {"compression": "tiff_lzw"})]
LOSSY = [("JPEG", {"quality": 95}), ("WEBP", {"quality": 95}), ("AVIF", {"quality": 95})]
LOSSY += [("JPEG", {"quality": 95, "progressive": True}), ("TIFF", {"compression": "jpeg"})]


@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_lossless_formats_keep_every_pixel(kind, options):
    picture = quarters()
    assert np.array_equal(open_image(encode(picture, kind, **options)), picture)


@pytest.mark.parametrize(("kind", "options"), LOSSY)
def test_lossy_formats_keep_the_colours(kind, options):
    picture = quarters(width=64, height=64)
    assert_corners(encode(picture, kind, **options), QUARTERS, tolerance=12)


def test_phone_format_mpo_is_accepted():
    more = [quarters((BLACK,) * 4)]
    file = encode(quarters(width=64, height=64), "MPO", save_all=True, append_images=more)
    with Image.open(io.BytesIO(file)) as image:
        assert image.format == "MPO"
    assert_corners(file, QUARTERS, tolerance=12)


@pytest.mark.skipif("HEIF" not in FORMATS, reason="pillow-heif is not installed")
def test_a_heic_picture_keeps_its_colours():
    made = open_image(encode(quarters(), "HEIF", quality=100))
    difference = np.abs(np.asarray(made, int) - np.asarray(quarters(), int))
    assert made.size == quarters().size and np.median(difference) <= 4


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_first_frame_of_many(kind):
    picture = quarters(width=64, height=64)
    more = [Image.new("RGB", picture.size, colour) for colour in (BLACK, GREEN)]
    options = {"lossless": True} if kind == "WEBP" else {}
    file = encode(picture, kind, save_all=True, append_images=more, **options)
    with Image.open(io.BytesIO(file)) as image:
        assert image.n_frames == 3
    assert_corners(file, QUARTERS, tolerance=12 if kind == "AVIF" else 0)


def test_path_bytes_and_picture_give_the_same(tmp_path):
    file = encode(quarters(), "PNG")
    path = tmp_path / "a picture.png"
    path.write_bytes(file)
    expected = load_image(file, 8)
    for source in (path, str(path), quarters()):
        assert torch.equal(load_image(source, 8), expected)
    path.rename(tmp_path / "wrong.jpg")  # the content decides, not the name
    assert torch.equal(load_image(tmp_path / "wrong.jpg", 8), expected)


# ---------------------------------------------------------------- accepted: orientation


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "TIFF deflate", "JPEG", "MPO"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(kind, orientation):
    # What the camera stored if the upright scene is the four quarters: EXIF 2.3, tag 0x0112.
    stored = {
        1: lambda p: p,
        2: lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda p: p.rotate(180),
        4: lambda p: p.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda p: p.transpose(Image.Transpose.TRANSPOSE),
        6: lambda p: p.rotate(90, expand=True),
        7: lambda p: p.transpose(Image.Transpose.TRANSVERSE),
        8: lambda p: p.rotate(-90, expand=True),
    }[orientation](quarters(width=96, height=64))
    kind, _, compression = kind.partition(" ")
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}.get(kind, {})
    if compression:
        options = {"compression": "tiff_adobe_deflate"}
    file = encode(stored, kind, exif=exif(orientation), **options)
    assert open_image(file).size == (96, 64)
    assert_corners(file, QUARTERS, tolerance=12 if kind in ("JPEG", "MPO") else 0)


def test_unknown_orientation_is_ignored():
    assert_corners(encode(quarters(), "PNG", exif=exif(77)), QUARTERS)


# ---------------------------------------------------------------- accepted: transparency

HALF = [RED, (128, 128, 255), WHITE, WHITE]  # opaque red, half blue, two kinds of nothing


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_laid_on_white(kind):
    picture = quarters([(*RED, 255), (*BLUE, 127), (*GREEN, 0), (*BLACK, 0)], mode="RGBA")
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    assert_corners(encode(picture, kind, **options), HALF, tolerance=1)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_with_alpha_is_laid_on_white(kind):
    picture = quarters([(0, 255), (0, 127), (0, 0), (200, 255)], mode="LA")
    assert_corners(encode(picture, kind), grey([0, 128, 255, 200]), tolerance=1)


def test_picture_of_mode_pa_is_laid_on_white():
    picture = quarters([(*RED, 255), (*BLUE, 255), (*GREEN, 0), (*BLACK, 0)], mode="RGBA")
    assert_corners(picture.convert("PA"), [RED, BLUE, WHITE, WHITE], tolerance=8)


def palette_picture() -> Image.Image:
    picture = Image.new("P", (W, H))
    picture.putpalette([*RED, *BLUE, *GREEN, *BLACK])
    picture.putdata(four([0, 1, 2, 3], np.uint8).ravel().tolist())
    return picture


def test_palettes():
    assert_corners(encode(palette_picture(), "PNG"), [RED, BLUE, GREEN, BLACK])
    assert_corners(encode(palette_picture(), "BMP"), [RED, BLUE, GREEN, BLACK])
    assert_corners(encode(palette_picture(), "TIFF"), [RED, BLUE, GREEN, BLACK])
    alphas = bytes([255, 127, 0, 0])
    assert_corners(encode(palette_picture(), "PNG", transparency=alphas), HALF, tolerance=1)
    one = [RED, BLUE, WHITE, BLACK]
    assert_corners(encode(palette_picture(), "PNG", transparency=2), one)
    assert_corners(encode(palette_picture(), "GIF", transparency=2), one)


def test_one_transparent_colour():
    assert_corners(encode(quarters(), "PNG", transparency=BLUE), [RED, GREEN, WHITE, WHITE])
    levels = quarters((0, 60, 120, 180), mode="L")
    assert_corners(encode(levels, "PNG", transparency=60), grey([0, 255, 120, 180]))
    wide = png16(four([0, 60, 25700, 65535], np.uint16), png_chunk(b"tRNS", struct.pack(">H", 60)))
    assert_corners(wide, grey([0, 255, 100, 255]))


# ---------------------------------------------------------------- accepted: more than 8 bits

DEEP = [0, 100 * 257, 200 * 257, 65535]


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_grey(order):
    expected = grey([0, 100, 200, 255])
    assert_corners(png16(four(DEEP, np.uint16)), expected)
    assert_corners(tiff(four(DEEP, np.uint16), byteorder=order), expected)
    assert_corners(b"P5 24 16 65535\n" + four(DEEP, ">u2").tobytes(), expected)
    assert_corners(tiff(four(DEEP, np.uint16), byteorder=order, compression="zlib"), expected)


def test_16_bit_grey_is_rounded_not_cut():
    # 32896 / 257 = 128 exactly; half a level more and less
    values = [32896, 32896 + 128, 32896 + 129, 32896 - 129]
    assert_corners(png16(four(values, np.uint16)), grey([128, 128, 129, 127]))


def test_dark_16_bit_grey_stays_dark():
    assert_corners(
        b"P5 24 16 65535\n" + four([0, 50, 100, 200], ">u2").tobytes(), grey([0, 0, 0, 1])
    )


def test_16_bit_grey_where_zero_is_white():
    file = tiff(four(DEEP, np.uint16), photometric="miniswhite")
    assert_corners(file, grey([255, 155, 55, 0]))


def test_16_bit_colour():
    levels = np.array(QUARTERS, np.uint16) * 257
    levels[0] = (40 * 257, 80 * 257, 120 * 257)
    pixels = np.stack([four(levels[:, c], np.uint16) for c in range(3)], axis=-1)
    expected = [(40, 80, 120), *QUARTERS[1:]]
    assert_corners(png16(pixels), expected, tolerance=1)
    assert_corners(tiff(pixels, photometric="rgb"), expected, tolerance=1)
    alpha = four([65535, 65535, 0, 0], np.uint16)[..., None]
    with_alpha = np.concatenate([pixels, alpha], axis=-1)
    assert_corners(png16(with_alpha), [(40, 80, 120), GREEN, WHITE, WHITE], tolerance=1)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32])
def test_32_bit_integers(dtype):
    assert_corners(tiff(four([0, 50, 100, 255], dtype)), grey([0, 50, 100, 255]))
    assert_corners(tiff(four(DEEP, dtype)), grey([0, 100, 200, 255]))
    top = np.iinfo(dtype).max // 255
    values = np.array([0, 50, 100, 255]) * top
    assert_corners(tiff(four(values, np.int64).astype(dtype)), grey([0, 50, 100, 255]))
    # No agreed white: the range min..max becomes black..white.
    shifted = np.array([0, 51, 102, 255]) * 4 + 70_000
    assert_corners(tiff(four(shifted, np.int64).astype(dtype)), grey([0, 51, 102, 255]))


def test_negative_integers_are_stretched():
    assert_corners(tiff(four([-255, -204, 0, 255], np.int32)), grey([0, 26, 128, 255]), tolerance=1)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"photometric": "minisblack"}])
def test_floats(options):
    file = tiff(four([0, 0.2, 0.4, 1], np.float32), **options)
    assert_corners(file, grey([0, 51, 102, 255]))
    inside = tiff(four([0.2, 0.2, 0.4, 0.4], np.float32), **options)
    assert_corners(inside, grey([51, 51, 102, 102]))  # not stretched
    outside = tiff(four([-1, -0.6, 0.6, 1], np.float32), **options)
    assert_corners(outside, grey([0, 51, 204, 255]))
    huge = tiff(four([-3e38, -3e38, 3e38, 3e38], np.float32), **options)
    assert_corners(huge, grey([0, 0, 255, 255]))  # the difference does not overflow
    flat = tiff(four([7, 7, 7, 7], np.float32), **options)
    assert_corners(flat, grey([255] * 4))


def test_floats_that_are_not_finite_come_out_black():
    values = [np.nan, np.inf, 0.2, 1]
    assert_corners(tiff(four(values, np.float32)), grey([0, 0, 51, 255]))
    values = [-np.inf, np.nan, 5, 10]
    assert_corners(tiff(four(values, np.float32)), grey([0, 0, 0, 255]))
    inverted = tiff(four([np.nan, 0.2, 0.4, 1], np.float32), photometric="miniswhite")
    assert_corners(inverted, grey([0, 204, 153, 0]))
    with pytest.raises(BadImage, match="finite"):
        open_image(tiff(four([np.nan] * 4, np.float32)))


def test_portable_float_map():
    rows = four([0, 0.2, 0.4, 1], "<f4")[::-1]  # stored from the bottom up
    assert_corners(b"Pf\n24 16\n-1.0\n" + rows.tobytes(), grey([0, 51, 102, 255]))


# ---------------------------------------------------------------- accepted: other colour spaces


def test_one_bit():
    for kind in ("PNG", "TIFF", "BMP", "PPM"):
        picture = quarters((0, 1, 1, 0), mode="1")
        assert_corners(encode(picture, kind), [BLACK, WHITE, WHITE, BLACK])
    group4 = encode(quarters((0, 1, 1, 0), mode="1"), "TIFF", compression="group4")
    assert_corners(group4, [BLACK, WHITE, WHITE, BLACK])


def test_cmyk():
    inks = [(255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 0, 255), (0, 0, 0, 0)]
    expected = [(0, 255, 255), (255, 0, 255), BLACK, WHITE]
    picture = quarters(inks, width=64, height=64, mode="CMYK")
    assert_corners(encode(picture, "JPEG", quality=95), expected, tolerance=8)
    assert_corners(encode(picture, "TIFF"), expected)


def test_ycck_jpeg():
    # Photoshop stores inks inverted, and libjpeg turns R, G, B = 1 - inverted ink into Y, Cb, Cr:
    # the samples are those of the inks taken as RGB. They are written here as if they were inks
    # (Pillow inverts those), then the Adobe marker's transform byte says what they are.
    inks = quarters([tuple(255 - c for c in colour) for colour in QUARTERS], 64, 64)
    no_black = Image.new("L", inks.size, 255)
    samples = Image.merge("CMYK", [*inks.convert("YCbCr").split(), no_black])
    inverted = Image.eval(samples, lambda sample: 255 - sample)
    file = bytearray(encode(inverted, "JPEG", quality=98))
    transform = file.index(b"Adobe") + 11
    assert file[transform] == 0
    file[transform] = 2
    assert_corners(bytes(file), QUARTERS, tolerance=12)


def test_lab():
    # L* 0..100 as 0..255, a* and b* signed; white point D50. L* = 50 is level 119 of sRGB.
    lab = [(54.29, 80.81, 69.89), (50, 0, 0), (100, 0, 0), (0, 0, 0)]
    coded = [(round(light * 2.55), round(a) + 128, round(b) + 128) for light, a, b in lab]
    file = encode(quarters(coded, mode="LAB"), "TIFF")
    assert_corners(file, [RED, (119, 119, 119), WHITE, BLACK], tolerance=6)


# ---------------------------------------------------------------- resizing and cropping


def test_values_and_shape():
    x = load_image(encode(quarters((RED, RED, BLACK, BLACK), 16, 16), "PNG"), 16)
    assert x.shape == (1, 3, 16, 16)
    assert x.dtype == torch.float32
    assert x[0, :, 0, 0].tolist() == [1, -1, -1]
    assert x[0, :, -1, 0].tolist() == [-1, -1, -1]


def test_centre_square_is_taken():
    picture = Image.new("RGB", (40, 20), RED)
    picture.paste(BLUE, (10, 0, 30, 20))
    for upright in (picture, picture.rotate(90, expand=True)):
        x = load_image(encode(upright, "PNG"), 10)
        assert (x == torch.tensor([-1.0, -1.0, 1.0]).view(1, 3, 1, 1)).all()


def test_box_is_in_pixels_of_the_upright_original():
    stored = quarters(width=96, height=64).rotate(90, expand=True)
    file = encode(stored, "PNG", exif=exif(6))
    for box, colour in zip(
        [(0, 0, 32), (50, 0, 32), (0, 32, 32), (64, 32, 32)], QUARTERS, strict=True
    ):
        x = load_image(file, 16, box)
        assert (x == torch.tensor(colour).view(1, 3, 1, 1) / 127.5 - 1).all()


def test_centre_box_and_no_box_agree():
    noise = np.random.default_rng(0).integers(0, 256, (40, 61, 3), np.uint8)
    file = encode(Image.fromarray(noise), "PNG")
    assert torch.equal(load_image(file, 16), load_image(file, 16, (10, 0, 40)))
    assert torch.equal(load_image(file, 40), to_tensor(Image.fromarray(noise[:, 10:50])))


def test_downsizing_is_antialiased():
    stripes = Image.fromarray(np.tile(np.uint8([[0], [255]]), (64, 128)))
    x = load_image(encode(stripes, "PNG"), 32)
    assert x[..., 4:-4, :].abs().max() < 0.1  # mid-grey, not black or white


@pytest.mark.parametrize(
    "box",
    [(-1, 0, 8), (0, -1, 8), (0, 0, 17), (17, 0, 8), (0, 9, 8), (0, 0, 0), (0, 0, -4)]
    + [(0, 0), (0, 0, 8, 8), "abc", 5, ("x", 0, 8), (float("nan"), 0, 8), (float("inf"), 0, 8)],
)
def test_bad_boxes(box):
    with pytest.raises(BadImage, match="crop"):
        load_image(encode(quarters(), "PNG"), 8, box)


def test_tensor_and_picture_are_inverse():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    picture = Image.fromarray(np.stack([levels, levels.T, levels[::-1]], axis=-1))
    x = to_tensor(picture)
    assert np.array_equal(to_pil(x), picture)
    assert np.array_equal(to_pil(x[0].double()), picture)


def test_to_pil_rounds_and_clips():
    x = torch.tensor([-1.5, -1, 0.49 / 127.5 - 1, 0.51 / 127.5 - 1, 254.6 / 127.5 - 1, 1, 3])
    assert np.asarray(to_pil(x.expand(3, 1, -1)))[0, :, 0].tolist() == [0, 0, 0, 1, 255, 255, 255]
    for shape in [(2, 3, 4, 4), (1, 4, 4), (3, 4), (1, 1, 4, 4)]:
        with pytest.raises(ValueError, match="expected"):
            to_pil(torch.zeros(shape))


def test_crop_square_of_a_picture():
    assert crop_square(quarters()).size == (16, 16)
    assert crop_square(quarters(), (12.0, 0, 8)).getcolors() == [(64, GREEN)]
