"""How fast the real page answers: python tests/browser/bench_page.py

Starts app.py and a headless Chromium and times, as a visitor would feel it:
- the page opened with nothing kept, until all of the first figure is drawn (by a warm server);
- one step of the slider ε, from the input event until the next frame is painted;
- after a drag, from the last input event until the reconstruction for that value is drawn;
- an upload of 12 megapixels, from the choice of the file until all of the figure is drawn.
Prints the median and the slowest of each, its target, and what else the machine was doing.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT), str(ROOT / "tests")]  # as pytest has it
from conftest import BROWSERS, FLAGS, serving, shutil  # noqa: E402

STEPS, DRAGS, UPLOADS, OPENINGS = 60, 20, 5, 5
FIGURE = "#patch-view .figure:not(.waiting):not(.empty)"

# Moves the slider as a hand does: sets the value and fires `input`, then waits for the paint.
STEP = """
async (epsilon) => {
  const range = document.querySelector("#epsilon input[type=range]");
  const start = performance.now();
  range.value = epsilon;
  range.dispatchEvent(new Event("input", { bubbles: true }));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  return performance.now() - start;
}
"""
DRAG = """
async ([from, to, moves]) => {
  const range = document.querySelector("#epsilon input[type=range]");
  let start = 0;
  for (let i = 1; i <= moves; i += 1) {
    range.value = from + ((to - from) * i) / moves;
    start = performance.now();
    range.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((done) => setTimeout(done, 16));
  }
  const last = Number(range.value);
  while (!(Studio.shown?.pixels && Studio.settings.epsilon === last)) {
    await new Promise((done) => document.addEventListener("studio-shown", done, { once: true }));
  }
  return [performance.now() - start, Studio.shown.settings.epsilon === last];
}
"""
# Begins to wait before the file is chosen; `shownAt` is when the new picture's pixels were drawn.
WAIT_FOR_UPLOAD = """
() => {
  const old = Studio.settings.picture;
  window.chosenAt = window.shownAt = null;
  const chosen = () => { window.chosenAt = performance.now(); };
  document.querySelector("#upload input[type=file]")
    .addEventListener("change", chosen, { capture: true, once: true });
  const listen = () => {
    if (Studio.settings.picture === old || !Studio.shown?.pixels) return;
    document.removeEventListener("studio-shown", listen);
    requestAnimationFrame(() => setTimeout(() => { window.shownAt = performance.now(); }, 0));
  };
  document.addEventListener("studio-shown", listen);
}
"""


def steps(page: Page) -> list[float]:
    return [page.evaluate(STEP, 0.05 + 0.01 * i) for i in range(STEPS)]


def drags(page: Page) -> Iterable[float]:
    for i in range(DRAGS):
        ends = (0.05, 0.6 + 0.01 * i) if i % 2 else (0.9, 0.1 + 0.01 * i)
        milliseconds, last_won = page.evaluate(DRAG, [*ends, 25])
        if not last_won:
            sys.exit("The pixels on screen are not those of the last value.")
        page.wait_for_timeout(100)
        yield milliseconds


def openings(browser: Browser, url: str) -> Iterable[float]:
    for _ in range(OPENINGS):
        context = browser.new_context(viewport={"width": 1280, "height": 900})  # an empty cache
        page = context.new_page()
        page.goto(url)
        page.locator(FIGURE).wait_for(timeout=60_000)
        yield page.evaluate("performance.now()")  # since the navigation began
        context.close()


def uploads(page: Page, folder: Path) -> Iterable[float]:
    for seed in range(UPLOADS):
        path = folder / f"photo{seed}.jpg"
        photograph(seed).save(path, quality=90)
        page.evaluate(WAIT_FOR_UPLOAD)
        page.locator("#upload input[type=file]").set_input_files(path)
        page.wait_for_function("window.shownAt !== null", timeout=60_000)
        yield page.evaluate("window.shownAt - window.chosenAt")
        page.wait_for_timeout(500)


def photograph(seed: int) -> Image.Image:
    """4000 x 3000 pixels with the smooth areas, edges and grain of a photograph."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(0, 1, (3, 12, 16)).cumsum(1).cumsum(2)
    coarse = (255 * (coarse - coarse.min()) / np.ptp(coarse)).astype("uint8").transpose(1, 2, 0)
    large = Image.fromarray(coarse).resize((4000, 3000), Image.Resampling.BICUBIC)
    grain = rng.normal(0, 5, (3000, 4000, 1)).astype("float32")
    return Image.fromarray((np.asarray(large) + grain).clip(0, 255).astype("uint8"))


def line(name: str, milliseconds: Iterable[float], target: int) -> None:
    values = sorted(milliseconds)
    print(
        f"{name:46} median {statistics.median(values):5.0f} ms, slowest {values[-1]:5.0f} ms"
        f" of {len(values)} (target: {target} ms)",
        flush=True,
    )


def main() -> None:
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        sys.exit(f"None of {', '.join(BROWSERS)} is on the PATH.")
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as url, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=FLAGS.split())
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(url)
        page.locator(FIGURE).wait_for(timeout=60_000)
        page.wait_for_timeout(2000)
        load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
        print(f"{os.cpu_count()} cores, load average before the test {load}")
        line("opened, until all of the first figure is drawn", openings(browser, url), 3000)
        line("ε moved, until the next frame is painted", steps(page), 50)
        page.wait_for_timeout(1000)
        line("slider at rest, until the new reconstruction", drags(page), 300)
        line("12 megapixels chosen, until all is drawn", uploads(page, Path(name)), 1500)
        browser.close()


if __name__ == "__main__":
    main()
