"""Handling the tab Tokenize as a visitor would, and what Python says it must show."""

from pathlib import Path

from analysis.view.shared.engine import Engine
from analysis.view.shared.settings import Settings
from analysis.view.tokenize.picker import example_files
from tatok import TaTok

ASSETS = Path(__file__).parents[2] / "assets"
PICTURES = example_files(ASSETS / "examples")
SETTLED = "#patch-view .figure:not(.waiting):not(.empty)"
COMPARED = "#compare details[open]:not(.waiting) .cards figure"
SLOW = 60_000  # ms, for a busy machine


def picture(name: str) -> Path:
    """The file of an example."""
    return next(path for path in PICTURES if path.stem == name)


def weights_engine() -> Engine:
    """The engine with the weights that the page shows."""
    return Engine(TaTok.from_pretrained(ASSETS / "anygrid"))


def settled(page):
    """The page once the pixels on screen belong to the settings."""
    page.set_default_timeout(SLOW)
    page.locator(SETTLED).wait_for()
    return page


def stat(tab, name):
    return tab.locator(f'[data-stat="{name}"] dd').first


def canvas(tab, name) -> str:
    return tab.locator(f'#patch-view [data-panel="{name}"]').evaluate("(c) => c.toDataURL()")


def set_slider(tab, name, value) -> None:
    field = tab.locator(f"#{name} input[type=number]")
    field.fill(str(value))
    field.press("Enter")


def choose(tab, name, option) -> None:
    tab.locator(f"#{name} select").select_option(option)  # by its value or its words


def put(tab, **changes) -> None:
    """Set the page's state from outside."""
    tab.evaluate("(changes) => Studio.set(changes)", changes)


def state(tab) -> dict:
    return tab.evaluate("Studio.settings")


def hold(page):
    """The page's questions do not reach the server until what is returned is called."""
    held, let_go = [], []

    def handle(route):
        route.continue_() if let_go else held.append(route)

    def release() -> None:
        let_go.append(True)
        for route in held:
            route.continue_()

    page.route("**/queue/join*", handle)
    return release


def address(tab, rest: int = 700) -> str:
    """What follows the question mark of the page's address, once it has come to rest.

    By the page's own clock, since on a busy machine its timers are late.
    """
    script = "(rest) => new Promise((go) => setTimeout(() => go(location.search.slice(1)), rest))"
    return tab.evaluate(script, rest)


def figures(tab) -> dict:
    settled(tab)
    names = ("kept", "tokens", "bits", "psnr", "ssim")
    return {name: stat(tab, name).inner_text() for name in names}


def default_settings(engine: Engine, **changes) -> Settings:
    config = engine.model.config
    values = {"epsilon": config.epsilon, "k": config.k, "estimator": config.estimator}
    values["policy"] = "dtf"
    return Settings(**values | {"side": config.image_size} | changes)


def expected(engine: Engine, settings: Settings, path: Path = PICTURES[0]) -> dict:
    s = engine.tokenize(engine.square(str(path), None, settings.side), settings).statistics
    return {
        "kept": str(s.kept),
        "tokens": str(s.tokens),
        "bits": f"{s.bits:,} bits",
        "psnr": f"{s.psnr:.2f} dB",
        "ssim": f"{s.ssim:.4f}",
    }
