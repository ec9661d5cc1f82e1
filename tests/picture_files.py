"""Picture files made by code, byte by byte where Pillow cannot write the kind."""

import io
import struct
import zlib

import numpy as np
import tifffile
from PIL import ExifTags, Image

W, H = 24, 16
RED, GREEN, BLUE, WHITE, BLACK = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
)
QUARTERS = (RED, GREEN, BLUE, WHITE)  # top left, top right, bottom left, bottom right


def quarters(colours=QUARTERS, width=W, height=H, mode="RGB") -> Image.Image:
    """Four flat quarters, so that every turn and every crop shows."""
    picture = Image.new(mode, (width, height), colours[3])
    picture.paste(colours[0], (0, 0, width // 2, height // 2))
    picture.paste(colours[1], (width // 2, 0, width, height // 2))
    picture.paste(colours[2], (0, height // 2, width // 2, height))
    return picture


def encode(picture: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    picture.copy().save(stream, kind, **options)  # saving leaves settings behind in the picture
    return stream.getvalue()


def four(values, dtype) -> np.ndarray:
    """(H, W) array of four flat quarters."""
    return np.kron(np.array(values).reshape(2, 2), np.ones((H // 2, W // 2))).astype(dtype)


def tiff(array, **options) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **options)
    return stream.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour_type, rows: bytes, *extra: bytes) -> bytes:
    """A PNG from its parts; `rows` are the scan lines, each with its filter byte."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(rows))
    end = png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + pixels + end


def png16(array: np.ndarray, *extra: bytes) -> bytes:
    """(H, W), (H, W, 3) or (H, W, 4) uint16 -> PNG of 16 bits a channel."""
    height, width = array.shape[:2]
    colour_type = {2: 0, 3: 2}[array.ndim] + (4 if array.shape[2:] == (4,) else 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    return png(width, height, 16, colour_type, rows, *extra)


def exif(orientation) -> Image.Exif:
    data = Image.Exif()
    data[ExifTags.Base.Orientation] = orientation
    return data


def sample_files() -> dict[str, bytes]:
    """A small picture in every format and variant that is read, by its name."""
    noise = np.random.default_rng(1).integers(0, 256, (32, 40, 3), np.uint8)
    picture = Image.fromarray(noise)
    kinds = ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "MPO"]
    files = {kind: encode(picture, kind) for kind in kinds}
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
        files[f"{kind} with EXIF"] = encode(picture, kind, exif=exif(6))
    for kind in ("GIF", "PNG", "WEBP", "MPO", "TIFF"):
        more = [picture.rotate(180)]  # a new one each time, for the same reason as in encode()
        files[f"{kind} of two"] = encode(picture, kind, save_all=True, append_images=more)
    for compression in ("tiff_lzw", "jpeg", "packbits", "tiff_adobe_deflate"):
        files[compression] = encode(picture, "TIFF", compression=compression)
    files["palette"] = encode(picture.quantize(16), "PNG", transparency=3)
    files["float"] = tiff(noise[..., 0].astype(np.float32))
    files["deep"] = png16(noise.astype(np.uint16) * 257)
    files["CMYK"] = encode(picture.convert("CMYK"), "JPEG")
    files["alpha"] = encode(picture.convert("RGBA"), "WEBP", lossless=True)
    return files
