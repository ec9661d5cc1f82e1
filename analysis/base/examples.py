"""The example pictures: photographs that are free to ship, and patterns drawn by code.

    python -m analysis.base.examples

writes assets/examples anew. The photographs come out of the wheels of scikit-image and scikit-learn
(the latter is only in tests/requirements.txt), so nothing is downloaded.
"""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tatok.images import open_image

FOLDER = Path(__file__).parents[2] / "assets" / "examples"
LONG_SIDE = 512  # of a photograph; a smaller one keeps its size
PATTERN_SIDE = 256

CC0 = "[CC0 1.0](https://creativecommons.org/publicdomain/zero/1.0/)"
CC_BY = "[CC BY 2.0](https://creativecommons.org/licenses/by/2.0/)"
PUBLIC_DOMAIN = "public domain"


@dataclass(frozen=True)
class Photo:
    """A photograph inside an installed package."""

    name: str
    package: str
    file: str
    shows: str
    author: str
    source: str
    licence: str


# Authors, sources and licences as stated in the docstrings of skimage.data (0.26) and in
# sklearn/datasets/images/README.txt (1.9).
PHOTOS = (
    Photo(
        "astronaut",
        "skimage.data",
        "astronaut.png",
        "Eileen Collins, astronaut",
        "NASA",
        "[NASA Great Images](https://flic.kr/p/r9qvLn)",
        PUBLIC_DOMAIN,
    ),
    Photo(
        "cat",
        "skimage.data",
        "chelsea.png",
        "Chelsea the cat",
        "Stefan van der Walt",
        "skimage.data.chelsea",
        CC0,
    ),
    Photo(
        "coffee",
        "skimage.data",
        "coffee.png",
        "a cup of coffee, courtesy of Pikolo Espresso Bar",
        "Rachel Michetti",
        "skimage.data.coffee",
        CC0,
    ),
    Photo(
        "dahlia",
        "sklearn.datasets.images",
        "flower.jpg",
        "a flower",
        "[vultilion](https://www.flickr.com/photos/vultilion/) on Flickr",
        "[Flickr](https://www.flickr.com/photos/vultilion/6056698931/)",
        CC_BY,
    ),
    Photo(
        "galaxies",
        "skimage.data",
        "hubble_deep_field.jpg",
        "the Hubble eXtreme Deep Field",
        "NASA",
        "[HubbleSite](http://hubblesite.org/newscenter/archive/releases/2012/37/image/a/)",
        PUBLIC_DOMAIN,
    ),
    Photo(
        "gravel",
        "skimage.data",
        "gravel.png",
        "gravel, in grey",
        "CC0Textures",
        "[Gravel04](https://cc0textures.com/view.php?tex=Gravel04)",
        CC0,
    ),
    Photo(
        "pagoda",
        "sklearn.datasets.images",
        "china.jpg",
        "a pagoda above a lake",
        "[danielbuechele](https://www.flickr.com/photos/danielbuechele/) on Flickr",
        "[Flickr](https://www.flickr.com/photos/danielbuechele/6061409035/)",
        CC_BY,
    ),
    Photo(
        "photographer",
        "skimage.data",
        "camera.png",
        "a man with a camera, in grey",
        "Lav Varshney",
        "skimage.data.camera",
        CC0,
    ),
    Photo(
        "rocket",
        "skimage.data",
        "rocket.jpg",
        "DSCOVR on a Falcon 9 before its launch",
        "SpaceX",
        "[SpaceX Photos](https://www.flickr.com/photos/spacexphotos/16511594820/)",
        PUBLIC_DOMAIN,
    ),
)


def white(size: int) -> Image.Image:
    return Image.new("RGB", (size, size), "white")


def black(size: int) -> Image.Image:
    return Image.new("RGB", (size, size), "black")


def noise(size: int, seed: int = 0) -> Image.Image:
    """Every channel of every pixel drawn uniformly from 0..255."""
    levels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
    return Image.fromarray(levels)


def gradient(size: int) -> Image.Image:
    """Red grows to the right, green downwards, blue falls to the right; all linear."""
    ramp = np.rint(np.linspace(0, 255, size)).astype(np.uint8)
    red, green = np.meshgrid(ramp, ramp)
    return Image.fromarray(np.stack([red, green, 255 - red], axis=-1))


def checkerboard(size: int) -> Image.Image:
    """8 × 8 squares, the top left one white."""
    index = np.arange(size) * 8 // size
    odd = (index[:, None] + index) % 2
    return Image.fromarray(np.uint8(255 * (1 - odd))).convert("RGB")


def text(size: int) -> Image.Image:
    """Ten lines in black on white."""
    picture = white(size)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size / 13)
    words = "Global tokens hold what the patches share; patch tokens hold the rest. " * 4
    for line, part in enumerate(textwrap.wrap(words, 24)[:10]):
        draw.text((size / 32, (line + 0.1) * size / 10), part, fill="black", font=font)
    return picture


# name -> a function of the side in pixels, all returning (size, size) RGB
PATTERNS: dict[str, Callable[[int], Image.Image]] = {
    "white": white,
    "black": black,
    "noise": noise,
    "gradient": gradient,
    "text": text,
    "checkerboard": checkerboard,
}


def write(folder: Path = FOLDER) -> None:
    """Write all pictures and LICENSES.md into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for photo in PHOTOS:
        picture = open_image(files(photo.package).joinpath(photo.file).read_bytes())
        picture.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
        picture.info.clear()  # no profile or metadata of the source
        picture.save(folder / f"{photo.name}.webp", quality=92, method=6)
    for name, draw in PATTERNS.items():
        draw(PATTERN_SIDE).save(folder / f"{name}.png", optimize=True)
    (folder / "LICENSES.md").write_text(licences(), encoding="utf-8")


def licences() -> str:
    """LICENSES.md: each picture's author, source and licence."""
    rows = "\n".join(
        f"| {p.name}.webp | {p.shows} | {p.author} | {p.source} | {p.licence} |" for p in PHOTOS
    )
    patterns = ", ".join(f"{name}.png" for name in PATTERNS)
    return f"""# Where the example pictures come from

Written by `python -m analysis.base.examples`, which takes the photographs from the packages
scikit-image and scikit-learn. Changes made to each: reduced to at most
{LONG_SIDE} pixels, saved as WebP.
Authors, sources and licences are those stated by the two packages.

| file | shows | author | source | licence |
|---|---|---|---|---|
{rows}

scikit-learn's README names danielbuechele as the author of the flower too, but links to the
photograph and the photographer given here.

{patterns}: drawn by this project's own code, under its licence.
"""


if __name__ == "__main__":
    write()
