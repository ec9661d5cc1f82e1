"""The files that are refused, each with one sentence, and without taking memory first."""

import random
import struct
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from picture_files import encode, exif, png, png_chunk, quarters, sample_files, tiff
from PIL import Image

from tatok import images
from tatok.images import BadImage, load_image


def rejected(source, pattern) -> str:
    with pytest.raises(BadImage, match=pattern) as caught:
        load_image(source, 16)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_missing_empty_and_foreign_files(tmp_path):
    rejected(b"", "empty")
    (tmp_path / "none.png").touch()
    for name, pattern in [("none.png", "empty"), ("gone.png", "no file"), ("", "no file")]:
        message = rejected(tmp_path / name, pattern)
        assert str(tmp_path.parent) not in message
    rejected("a\0b.png", "no file")
    rejected(b"Hello, this is not a picture at all.", "not recognised")
    rejected(b"%PDF-1.4\n%%EOF", "not recognised")
    rejected(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EOF", "not recognised")
    rejected(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not recognised")
    rejected(encode(quarters(), "TGA"), "not recognised")  # Pillow could, the list does not


def test_a_heic_picture_is_named_where_the_plugin_is_missing(monkeypatch):
    monkeypatch.setattr(images, "FORMATS", tuple(f for f in images.FORMATS if f != "HEIF"))
    head = b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf"
    rejected(head, "HEIC picture, which needs pillow-heif")
    rejected(head.replace(b"ftypheic", b"ftypmp42"), "not recognised")


def test_what_pillow_says_does_not_reach_the_log():
    head = b"II*\0\x08\0\0\0\3\0"  # a TIFF of 24 x 16 pixels with two thousand million samples
    tags = ((256, 24), (257, 16), (277, 2**31))
    head += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags) + bytes(4)
    script = (
        "from tatok.images import BadImage, load_image\n"
        "from PIL import Image; import io\n"
        "Image.MAX_IMAGE_PIXELS = 3000; data = io.BytesIO()\n"
        "Image.new('L', (400, 12)).save(data, 'PNG')\n"
        "try: load_image(data.getvalue(), 16)\n"
        "except BadImage as error: print(error)\n"
        f"try: load_image({head!r}, 16)\n"
        "except BadImage as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr == "" and "at most 20 times" in done.stdout
    assert done.stdout.count(".\n") == 2


def test_message_names_the_file_without_folder_or_markup(tmp_path):
    path = tmp_path / "a<b>\n.png"
    path.write_bytes(b"nothing")
    message = rejected(path, "not recognised")
    assert message.startswith("ab.png is")
    assert str(tmp_path) not in message
    assert "<" not in message
    assert rejected(b"nothing", "not recognised").startswith("The picture is")


def test_small_and_narrow_pictures():
    for size in [(7, 100), (100, 7), (1, 1)]:
        rejected(encode(Image.new("RGB", size), "PNG"), "at least 8")
    load_image(encode(Image.new("RGB", (8, 8)), "PNG"), 16)
    for size in [(8, 161), (161, 8)]:
        rejected(encode(Image.new("RGB", size), "PNG"), "20 times")
    load_image(encode(Image.new("RGB", (160, 8)), "PNG"), 16)


def bomb(width, height, depth=1, colour_type=0) -> bytes:
    """A PNG whose header declares the size; hardly any pixels follow."""
    return png(width, height, depth, colour_type, b"\0" * 1000)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    "size", [(13000, 13000), (89000, 1000), (7100, 7100), (60000, 60000), (2**31 - 1, 2**31 - 1)]
)
def test_too_many_pixels(size):
    rejected(bomb(*size), "million pixels")
    rejected(bomb(*size, depth=8, colour_type=2), "million pixels")
    rejected(b"P6 %d %d 255\n" % size, "million pixels")


def test_the_limit_itself():
    # 50 million pixels pass the size check and fail only because the pixels are missing.
    rejected(b"P5 10000 5000 255\n" + bytes(100), "damaged")
    rejected(b"P5 10000 5001 255\n" + bytes(100), "million pixels")


@pytest.mark.parametrize("kind", [b"P5 2000 1501 254", b"P2 2000 1501 255", b"P6 1001 1000 9"])
def test_a_large_ppm_that_is_read_value_by_value_is_rejected(kind):
    rejected(kind + b"\n" + bytes(100), "of another maximum than 255, and has more than 3 million")
    rejected(kind.replace(b"2000", b"100").replace(b"1001", b"100") + b"\n", "damaged")


def test_tiff_with_one_enormous_tile():
    side = 8192  # 67 million pixels in the tile, 4096 in the picture
    file = tiff(np.zeros((64, 64), np.uint8), tile=(side, side), compression="zlib")
    assert len(file) < 200_000
    rejected(file, "million pixels")
    load_image(tiff(np.zeros((64, 64), np.uint8), tile=(64, 64), compression="zlib"), 16)


def webp_bomb() -> bytes:
    """The canvas of an extended WebP is declared in its header: 16383 x 16383."""
    file = bytearray(encode(Image.new("RGBA", (64, 64), (1, 2, 3, 4)), "WEBP", exif=exif(1)))
    at = file.index(b"VP8X") + 12
    file[at : at + 6] = (16382).to_bytes(3, "little") * 2
    return bytes(file)


def test_bombs_take_no_memory(tmp_path):
    """In a process of its own: the resident peak must not grow by the size of the pixels."""
    for width, height in [(13000, 13000), (89000, 1000)]:  # whole: 20 kB that decode to the end
        rows = bytes((width // 8 + 1) * height)
        (tmp_path / f"{width}.png").write_bytes(png(width, height, 1, 0, rows))
    (tmp_path / "huge.tif").write_bytes(
        tiff(np.zeros((64, 64), np.uint8), tile=(8192, 8192), compression="zlib")
    )
    (tmp_path / "canvas.webp").write_bytes(webp_bomb())
    code = """
        import resource, sys
        from tatok.images import BadImage, load_image
        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        load_image(sys.argv[1], 16)
        before = peak()
        for path in sys.argv[2:]:
            try:
                load_image(path, 16)
            except BadImage:
                continue
            raise SystemExit(f"{path} was loaded")
        print((peak() - before) // 1024)
    """
    good = tmp_path / "good.png"
    good.write_bytes(encode(quarters(), "PNG"))
    bombs = [path for path in tmp_path.iterdir() if path != good]
    arguments = [sys.executable, "-c", textwrap.dedent(code), good, *bombs]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=240, check=False)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) < 16  # MiB; the smallest of them would take 64


def test_a_strict_warnings_filter_changes_nothing():
    with pytest.warns(Image.DecompressionBombWarning):
        rejected(bomb(10000, 10000), "million pixels")


# ---------------------------------------------------------------- damaged files


@pytest.mark.filterwarnings("ignore")  # Pillow warns of odd metadata, as it should
@pytest.mark.parametrize(("kind", "file"), sample_files().items(), ids=sample_files())
def test_damaged_files_raise_only_bad_image(kind, file):
    load_image(file, 16)
    chance = random.Random(kind)
    failed = 0
    cuts = [file[: chance.randrange(1, len(file))] for _ in range(40)]
    for damaged in cuts + [flip(file, chance) for _ in range(160)]:
        try:
            assert load_image(damaged, 16).isfinite().all()
        except BadImage as error:
            failed += 1
            assert str(error).endswith(".")
    assert failed  # the damage was real


def flip(file: bytes, chance: random.Random) -> bytes:
    """A few bits turned, half of them where the headers are."""
    damaged = bytearray(file)
    for _ in range(chance.choice([1, 2, 8])):
        end = chance.choice([min(128, len(file)), len(file)])
        damaged[chance.randrange(end)] ^= 1 << chance.randrange(8)
    return bytes(damaged)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF"])
def test_half_a_file_is_damaged(kind):
    noise = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    file = encode(Image.fromarray(noise), kind)
    rejected(file[: len(file) // 2], "damaged|not recognised")


def test_unreadable_exif_is_one_error():
    good = exif(6).tobytes().removeprefix(b"Exif\0\0")
    broken = good.replace(b"MM\0*", b"oops")
    assert broken != good
    webp = encode(quarters(), "WEBP", exif=exif(6))
    rejected(webp.replace(good, broken), "damaged")
    file = encode(quarters(), "PNG", exif=exif(6))
    rejected(file.replace(png_chunk(b"eXIf", good), png_chunk(b"eXIf", broken)), "damaged")
