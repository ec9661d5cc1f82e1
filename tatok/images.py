"""Untrusted bytes -> RGB picture -> tensor in [-1, 1], and back.

Every file that is not a usable picture ends in one error, `BadImage`, whose message is one sentence
that can be shown to a user: it names the file without its folder and never quotes the decoder.

What a file means:
- EXIF orientation is applied; of an animation or a multi-page file the first frame is taken.
- Whatever is transparent is laid on white.
- 16-bit grey is divided by 65535 (or by the bit depth that a TIFF states). 32-bit integers have no
  agreed white: it is 255 or 65535 if all values fit, otherwise min..max is stretched to 0..1.
- Floats in [0, 1] are taken as they are; if any lies outside, min..max is stretched to 0..1. Pixels
  that are NaN or infinite come out black.
- ICC profiles are not applied: numbers are read as sRGB (LAB is converted to sRGB).
"""

import io
import logging
import os
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

MAX_PIXELS = 50_000_000
MAX_SLOW = 3_000_000  # values of a PPM that are read one by one
MIN_SIDE = 8
MAX_ASPECT = 20

# No format that starts another program (EPS) or is a document (PDF). MPO, the JPEG of many phones,
# is not in the list because Pillow reaches it through JPEG; naming it makes Image.open fail.
FORMATS: tuple[str, ...] = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
# The names that files of these formats have: what is looked for in a folder.
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".ppm"}
# The photographs of many phones, where the optional plugin is installed.
if find_spec("pillow_heif"):
    import pillow_heif

    pillow_heif.register_heif_opener()
    FORMATS += ("HEIF",)
    SUFFIXES |= {".heic", ".heif"}
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
# A picture of so many pixels is refused below; Pillow's warning says nothing more, and neither do
# its messages about damaged files, unless somebody has set up a log for them.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
logging.getLogger("PIL").addHandler(logging.NullHandler())

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TIFF_BITS, TIFF_PHOTOMETRIC, TIFF_SAMPLE_FORMAT = 258, 262, 339
TIFF_TILE_WIDTH, TIFF_TILE_LENGTH = 322, 323


class BadImage(ValueError):
    """A picture that cannot be used; the message is one sentence for the user."""


def load_image(source, size: int, box=None) -> torch.Tensor:
    """Picture -> (1, 3, size, size) float32 in [-1, 1].

    `source` is a path, the bytes of a file, or a PIL image of our own making. The centre square,
    or the square `box = (left, top, side)` in pixels of the upright original, is cut out and
    resized with Pillow's antialiased bicubic filter. Raises BadImage.
    """
    square = crop_square(open_image(source), box)
    return to_tensor(square.resize((size, size), Image.Resampling.BICUBIC))


def open_image(source) -> Image.Image:
    """Picture -> upright PIL image of mode RGB at its own size. Raises BadImage.

    The size is checked on the header, before any pixel is decoded.
    """
    name = _name(source)
    if isinstance(source, Image.Image):
        _check_size(*source.size, name)
        return _to_rgb(source)
    try:
        with _stream(source, name) as stream, Image.open(stream, formats=FORMATS) as image:
            _check_size(*image.size, name)
            _check_tiles(image, name)
            image.load()
            # Only after load(): for a TIFF that applies and removes the orientation itself.
            orientation = image.getexif().get(ExifTags.Base.Orientation)
            rgb = _to_rgb(image)
            return rgb.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else rgb
    except BadImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImage(_too_large(name)) from error
    except UnidentifiedImageError as error:
        if _is_heif(source):
            raise BadImage(
                f"{name} is a HEIC picture, which needs pillow-heif here: save it as JPEG or PNG."
            ) from error
        raise BadImage(
            f"{name} is not recognised: use a PNG, JPEG, WebP, GIF, BMP, TIFF, PPM or AVIF picture."
        ) from error
    except Exception as error:
        # Pillow and the libraries under it raise nearly every built-in exception on damaged files.
        raise BadImage(f"{name} is damaged or of a kind that cannot be read.") from error


def crop_square(image: Image.Image, box=None) -> Image.Image:
    """The centre square of side min(W, H), or the square `box = (left, top, side)` in pixels.

    Raises BadImage if the box is not made of three numbers or does not lie inside the picture.
    """
    width, height = image.size
    if box is None:
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
    else:
        try:
            left, top, side = (int(value) for value in box)
        except (TypeError, ValueError, OverflowError) as error:
            raise BadImage("The crop must be three numbers: left, top and side.") from error
        if not (side >= 1 and 0 <= left <= width - side and 0 <= top <= height - side):
            raise BadImage(
                f"The crop lies partly outside the picture of {width} × {height} pixels."
            )
    return image.crop((left, top, left + side, top + side))


def to_tensor(image: Image.Image) -> torch.Tensor:
    """PIL image -> (1, 3, H, W) float32 in [-1, 1]: 0 -> -1, 255 -> 1."""
    pixels = torch.from_numpy(np.array(image.convert("RGB")))  # (H, W, 3) uint8
    return pixels.permute(2, 0, 1)[None].float().div_(127.5).sub_(1)


def to_pil(x: torch.Tensor) -> Image.Image:
    """(3, H, W) or (1, 3, H, W) -> PIL image, rounded to the nearest level and clipped to 0..255.

    The inverse of `to_tensor`. Raises ValueError for any other shape.
    """
    if x.ndim == 4 and len(x) == 1:
        x = x[0]
    if x.ndim != 3 or len(x) != 3:
        raise ValueError(f"expected (3, H, W) or (1, 3, H, W), got {tuple(x.shape)}")
    levels = x.detach().float().add(1).mul(127.5).round().clamp(0, 255)
    return Image.fromarray(levels.to(torch.uint8).permute(1, 2, 0).cpu().contiguous().numpy())


def _name(source) -> str:
    """What to call the file in a message: its name without folder or control characters."""
    if isinstance(source, bytes | Image.Image):
        return "The picture"
    name = "".join(c for c in Path(source).name if c.isprintable() and c not in "<>&\"'`")
    return name[:80] or "The picture"


def _stream(source, name: str):
    """A binary file object for the path or bytes."""
    if isinstance(source, bytes):
        if not source:
            raise BadImage(f"{name} is empty.")
        return io.BytesIO(source)
    if not os.path.isfile(source):  # also keeps out pipes and devices, which could block
        raise BadImage(f"There is no file named {name}.")
    if not os.path.getsize(source):
        raise BadImage(f"{name} is empty.")
    return open(source, "rb")


def _is_heif(source) -> bool:
    """By the first box of the file: its length, "ftyp" and the brand."""
    with _stream(source, "") as stream:
        head = stream.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS


def _check_size(width: int, height: int, name: str) -> None:
    short, long = sorted((width, height))
    size = f"{name} has {width} × {height} pixels"
    if short < MIN_SIDE:
        raise BadImage(f"{size}; each side needs at least {MIN_SIDE}.")
    if width * height > MAX_PIXELS:
        raise BadImage(_too_large(name))
    if long > MAX_ASPECT * short:
        raise BadImage(f"{size}; the long side may be at most {MAX_ASPECT} times the short one.")


def _too_large(name: str) -> str:
    return f"{name} has more than {MAX_PIXELS // 1_000_000} million pixels, which is the limit."


def _check_tiles(image: ImageFile.ImageFile, name: str) -> None:
    """A TIFF of few pixels can still declare one enormous tile, which would be decoded whole; and
    Pillow reads the values of some PPM in a loop of Python, half a microsecond each."""
    values = image.width * image.height * len(image.getbands())
    slow = image.format == "PPM" and image.tile[0].codec_name.startswith("ppm")
    if slow and values > MAX_SLOW:
        raise BadImage(
            f"{name} is a PPM of text, or of another maximum than 255, and has more than "
            f"{MAX_SLOW // 1_000_000} million values: save it as PNG."
        )
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        if tags.get(TIFF_TILE_WIDTH, 0) * tags.get(TIFF_TILE_LENGTH, 0) > MAX_PIXELS:
            raise BadImage(_too_large(name))


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode that Pillow knows -> RGB, transparency laid on white."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _to_8_bits(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    page = Image.new("RGB", image.size, "white")
    page.paste(rgba, mask=rgba)
    return page


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits, integer or float -> mode L, or LA if one grey is transparent."""
    tags = getattr(image, "tag_v2", {})
    values = np.asarray(image)
    if image.mode == "I" and tags and tags.get(TIFF_SAMPLE_FORMAT, (1,)) == (1,):
        values = values.view(np.uint32)  # Pillow holds unsigned 32 bits as signed
    known = values[np.isfinite(values)] if image.mode == "F" else values
    if not known.size:
        raise BadImage("The picture holds no finite pixel value.")
    black, white = _range(image, float(known.min()), float(known.max()), tags)
    levels = np.empty(values.shape, np.uint8)
    for row in range(0, len(values), 64):  # in strips, which need no large float64 arrays
        strip = values[row : row + 64].astype(np.float64)
        grey = ((strip - black) / (white - black)).clip(0, 1)
        if tags.get(TIFF_PHOTOMETRIC) == 0:  # white is zero; Pillow turns only 8 bits round
            grey = 1 - grey
        levels[row : row + 64] = np.rint(np.where(np.isfinite(strip), grey, 0) * 255)
    picture = Image.fromarray(levels)
    if "transparency" in image.info:
        opaque = values != image.info["transparency"]
        picture = Image.merge("LA", (picture, Image.fromarray(opaque).convert("L")))
    return picture


def _range(image: Image.Image, low: float, high: float, tags) -> tuple[float, float]:
    """The values that are black and white, for finite values that run from low to high."""
    if image.mode.startswith("I;16"):
        return 0.0, float(2 ** tags.get(TIFF_BITS, (16,))[0] - 1)
    if image.mode == "I" and image.format == "PPM":
        return 0.0, 65535.0
    whites = (1.0,) if image.mode == "F" else (255.0, 65535.0)
    for white in whites:
        if low >= 0 and high <= white:
            return 0.0, white
    return (low, high) if high > low else (0.0, whites[-1])  # one value: nothing to stretch
