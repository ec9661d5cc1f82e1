"""Screenshots of every tab at three widths, and ε dragged: python tests/browser/screenshots.py

Starts app.py and a headless Chromium and writes small WebP files to assets/screenshots.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT), str(ROOT / "tests")]  # as pytest has it
from conftest import BROWSERS, FLAGS, serving, shutil  # noqa: E402

FOLDER = ROOT / "assets" / "screenshots"
SIZES = {"1440": (1440, 900), "768": (768, 1024), "390": (390, 844)}
WIDTHS = {"1440": 1000, "768": 500, "390": 300}  # of the files, px
# What a tab shows when it is ready.
READY = {
    "Tokenize": "#front .front:not(.empty):not(.waiting)",
    "Generate": "#generate-go:enabled",
    "Bias": "#lab canvas",
    "Curves": "#curves-plot .main-svg",
    "Theory": "#theory svg",
}
EPSILONS = [0.02 + 0.03 * i for i in range(19)]
MILLISECONDS = 500  # a frame: about ten seconds in all


def save(data: bytes, name: str, width: int) -> None:
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    picture.thumbnail((width, 10_000), Image.Resampling.LANCZOS)
    picture.save(FOLDER / f"{name}.webp", quality=75, method=6)
    print(f"{name}.webp {(FOLDER / f'{name}.webp').stat().st_size // 1000} kB", flush=True)


def tabs(page: Page, size: str) -> None:
    for name, ready in READY.items():
        page.get_by_role("tab", name=name).click()
        page.wait_for_timeout(1500)
        page.locator(ready).first.wait_for(timeout=60_000)
        page.wait_for_timeout(500)
        save(page.screenshot(), f"{name.lower()}-{size}", WIDTHS[size])


def drag(page: Page) -> None:
    """The pictures and the knobs while ε rises."""
    frames = []
    stage = page.locator("#front .front")
    for epsilon in EPSILONS:
        page.evaluate("(epsilon) => Studio.set({ epsilon })", epsilon)
        page.wait_for_function("() => Studio.shown?.pixels")
        page.wait_for_timeout(400)
        frame = Image.open(io.BytesIO(stage.screenshot())).convert("RGB")
        frame.thumbnail((640, 640), Image.Resampling.LANCZOS)
        frames.append(frame)
    path = FOLDER / "epsilon.webp"
    frames[0].save(
        path, save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0, quality=60
    )
    print(f"{path.name} {path.stat().st_size // 1000} kB")


def main() -> None:
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        sys.exit(f"None of {', '.join(BROWSERS)} is on the PATH.")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as url, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=FLAGS.split())
        for size, (width, height) in SIZES.items():
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(url)
            tabs(page, size)
            if size == "1440":
                page.get_by_role("tab", name="Tokenize").click()
                drag(page)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
