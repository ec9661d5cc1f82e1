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
SIDES = st.sampled_from([8, 16, 24, 24, 24, 40, 5000, 7071]) | NUMBERS
PNG = b"\x89PNG\r\n\x1a\n"


@st.composite
def spoilt(draw: DrawFn, files: list[bytes]) -> bytes:
    """One of the files after no or a few changes: bytes, numbers of 2 or 4 bytes, what is cut out,
    repeated, or taken from another file. Half of them where headers are."""
    data = bytearray(draw(st.sampled_from(files)))
    for _ in range(draw(st.integers(0, 6))):
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
    width, height = draw(SIDES), draw(SIDES)
    depth, colour = draw(
        st.sampled_from([(8, 2), (8, 6), (16, 0), (1, 3), (16, 6), (4, 0), (3, 5)])
    )
    ways = (draw(st.sampled_from([0] * 12 + [1, 9])) for _ in range(3))
    file = PNG + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, *ways))
    names = [b"tRNS", b"eXIf", b"iCCP", b"zTXt", b"iTXt", b"gAMA", b"acTL", b"fcTL", b"PLTE"]
    if colour == 3:
        file += png_chunk(b"PLTE", bytes(range(48)))
    for name in draw(st.lists(st.sampled_from(names), max_size=2)):
        data = draw(st.binary(max_size=64))
        if name in (b"iCCP", b"zTXt"):
            data = b"x\0\0" + zlib.compress(bytes(draw(st.sampled_from([9, 10**6, 10**7]))))
        file += png_chunk(name, data)
    rows = bytes(draw(st.sampled_from([0, 100, 10**4, 10**4, 10**4, 10**4, 3 * 10**7])))
    return file + png_chunk(b"IDAT", zlib.compress(rows, 1)) + png_chunk(b"IEND", b"")


# Width, height, bits, compression, colours, where the pixels are, samples, bytes; then others.
TAGS = [256, 257, 258, 259, 262, 273, 277, 279, 266, 274, 278, 284, 317, 320, 322, 323, 324, 325]
TAGS += [338, 339, 347, 34665]
PIXELS = 1000  # where they begin


@st.composite
def tiffs(draw: DrawFn) -> bytes:
    """A TIFF of one directory whose tags are right but for a few that say anything."""
    width, height = draw(SIDES), draw(SIDES)
    bits, samples, length = draw(st.sampled_from([(8, 1, 1), (16, 1, 2), (32, 1, 4), (1, 1, 1)]))
    packing = draw(st.sampled_from([1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34925, 50000]))
    right = (width, height, bits, packing, draw(st.integers(0, 8)), PIXELS, samples)
    tags = dict(zip(TAGS, (*right, width * height * length % 2**32), strict=False))
    tags |= draw(st.dictionaries(st.sampled_from(TAGS), NUMBERS, max_size=3))
    lines = b""
    for tag, value in sorted(tags.items()):
        kind, count = draw(
            st.sampled_from([(4, 1)] * 40 + [(3, 1), (2, 9), (5, 3), (4, 2**32 - 1)])
        )
        lines += struct.pack("<HHII", tag, kind, count, value)
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + lines
    return head.ljust(PIXELS, b"\0") + bytes(draw(st.sampled_from([10**4, 10**4, 10, 3 * 10**7])))


@st.composite
def numbers_in_text(draw: DrawFn) -> bytes:
    """A PPM of any kind."""
    kind = draw(st.sampled_from([b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf", b"PF", b"Py"]))
    white = draw(st.sampled_from([255, 255, 65535, 1]) | NUMBERS)
    header = b"%s\n%d %d\n%d\n" % (kind, draw(SIDES), draw(SIDES), white)
    data = draw(st.sampled_from([b"0 1 ", b"\0\xff", b"9" * 99]) | st.binary(max_size=200))
    return header + data * draw(st.sampled_from([1, 10**4, 10**4, 10**5]))


HEAD = 28  # bytes of a token file before its payload; the last four are the checksum


@st.composite
def checked(draw: DrawFn, files: list[bytes]) -> bytes:
    """A token file that was spoilt and whose checksum is right again."""
    data = draw(spoilt(files))
    rest = data[: HEAD - 4] + data[HEAD:]
    return rest[: HEAD - 4] + struct.pack(">I", zlib.crc32(rest)) + rest[HEAD - 4 :]


def zips(pictures: SearchStrategy[bytes]) -> SearchStrategy[bytes]:
    """Zip archives of such pictures, of zeros and of archives, whole or spoilt."""
    zeros = st.builds(bytes, st.sampled_from([0, 1000, 10**6, 3 * 10**7]))
    contents = pictures | pictures | pictures | zeros
    words = ["../d.png", "/e.png", "f.zip", "C:\\g.png", ".h", "", "i/", "é😀"]
    good = st.sampled_from([f"{letter}.png" for letter in "abcdefgh"])
    names = good | good | good | good | good | good | st.sampled_from(words) | st.text(max_size=12)
    files = st.dictionaries(names, contents, max_size=8)
    kinds = [0] * 9 + [0o100644, 0o120777, 0o010644]
    modes = st.sampled_from(kinds).map(lambda kind: kind << 16)
    methods = st.sampled_from([0, 8] * 5 + [12, 14])
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
