"""Files that nobody should send, as Hypothesis draws them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from picture_files import png_chunk

# Where whole numbers of a header overflow, or mean nothing or everything.
NUMBERS = st.sampled_from(
    [0, 1, 2, 7, 8, 255, 256, 5000, 7071, 10_000, 32_767, 65_535, 2**31 - 1, 2**31, 2**32 - 1]
)
PNG = b"\x89PNG\r\n\x1a\n"


@st.composite
def spoilt(draw: DrawFn, files: list[bytes]) -> bytes:
    """One of the files after a few changes: bytes, numbers of 2 or 4 bytes, what is cut out,
    repeated, or taken from another file. Half of them where headers are."""
    data = bytearray(draw(st.sampled_from(files)))
    for _ in range(draw(st.integers(1, 6))):
        end = max(len(data) - 1, 0)
        at = draw(st.integers(0, end) | st.integers(0, min(end, 96)))
        kind = draw(st.sampled_from(["byte", "number", "cut", "end", "repeat", "other"]))
        length = draw(st.integers(1, 64))
        if kind == "byte":
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif kind == "number":
            form = draw(st.sampled_from(["<H", ">H", "<I", ">I"]))
            size = struct.calcsize(form)
            data[at : at + size] = struct.pack(form, draw(NUMBERS) % 256**size)
        elif kind == "cut":
            del data[at : at + length]
        elif kind == "end":
            del data[at:]
        elif kind == "repeat":
            data[at:at] = data[at : at + length] * draw(st.sampled_from([1, 2, 100]))
        else:
            other = draw(st.sampled_from(files))
            data[at:] = other[at : at + draw(st.integers(1, len(other)))]
    return bytes(data)


@st.composite
def pngs(draw: DrawFn) -> bytes:
    """A PNG whose checksums are right and whose chunks say anything."""
    header = struct.pack(
        ">IIBBBBB",
        draw(NUMBERS),
        draw(NUMBERS),
        draw(st.sampled_from([1, 2, 4, 8, 16, 3])),
        draw(st.sampled_from([0, 2, 3, 4, 6, 5])),
        *(draw(st.sampled_from([0, 0, 0, 1, 9])) for _ in range(3)),
    )
    names = [b"PLTE", b"tRNS", b"eXIf", b"iCCP", b"zTXt", b"iTXt", b"gAMA", b"acTL", b"fcTL"]
    file = PNG + png_chunk(b"IHDR", header)
    for name in draw(st.lists(st.sampled_from(names), max_size=4)):
        data = draw(st.binary(max_size=64))
        if name in (b"iCCP", b"zTXt"):
            data = b"x\0\0" + zlib.compress(bytes(draw(st.sampled_from([9, 10**6, 10**7]))))
        file += png_chunk(name, data)
    rows = bytes(draw(st.sampled_from([0, 100, 10**6, 3 * 10**7])))
    return file + png_chunk(b"IDAT", zlib.compress(rows, 1)) + png_chunk(b"IEND", b"")


WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
OTHER_TAGS = [266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339, 347, 34665]


@st.composite
def tiffs(draw: DrawFn) -> bytes:
    """A TIFF of one directory whose tags say anything."""
    tags = {
        WIDTH: draw(NUMBERS),
        HEIGHT: draw(NUMBERS),
        BITS: draw(st.sampled_from([1, 4, 8, 12, 16, 32, 64])),
        COMPRESSION: draw(st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34925, 50000])),
        PHOTOMETRIC: draw(st.integers(0, 8)),
    }
    tags |= draw(st.dictionaries(st.sampled_from(OTHER_TAGS), NUMBERS, max_size=8))
    lines = b""
    for tag, value in sorted(tags.items()):
        kind = draw(st.sampled_from([3, 4, 4, 4, 1, 2, 5, 12]))
        count = draw(st.sampled_from([1, 1, 1, 1, 3, 2**32 - 1]))
        lines += struct.pack("<HHII", tag, kind, count, value)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + lines + bytes(4 + 200)


@st.composite
def numbers_in_text(draw: DrawFn) -> bytes:
    """A PPM of any kind."""
    kind = draw(st.sampled_from([b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf", b"PF", b"Py"]))
    header = b"%s\n%d %d\n%d\n" % (kind, *(draw(NUMBERS) for _ in range(3)))
    return header + draw(st.binary(max_size=200)) * draw(st.sampled_from([1, 1000]))


def zips(pictures: SearchStrategy[bytes]) -> SearchStrategy[bytes]:
    """Zip archives of such pictures, of zeros and of archives, whole or spoilt."""
    contents = pictures | st.builds(bytes, st.sampled_from([0, 1000, 10**6, 3 * 10**7]))
    words = ["a.png", "b/c.jpg", "../d.png", "/e.png", "f.zip", "C:\\g.png", ".h", "", "i/", "é😀"]
    names = st.sampled_from(words) | st.text(max_size=12)
    files = st.dictionaries(names, contents, max_size=5)
    modes = st.sampled_from([0, 0, 0, 0o100644, 0o120777, 0o010644, 0o060644]).map(
        lambda m: m << 16
    )
    methods = st.sampled_from([0, 8, 8, 8, 12, 14])
    whole = st.builds(_zipped, files, methods, modes)
    return whole | whole.flatmap(lambda file: spoilt([file]))


def _zipped(files: dict[str, bytes], method: int, mode: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type, entry.external_attr = method, mode
            archive.writestr(entry, data)
    return stream.getvalue()
