"""The app's own server, a Chromium, and pages that fail on any console error or foreign request.

Without Chromium these tests are skipped; with TATOK_REQUIRE_BROWSER=1 a skip counts as a failure.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

import pytest
from browser.tokenize_tab import SLOW, settled, weights_engine
from gradio_client import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
START_SECONDS = 180  # importing torch and loading the weights on a slow machine
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if (
        report.skipped
        and not hasattr(report, "wasxfail")
        and os.environ.get("TATOK_REQUIRE_BROWSER") == "1"
    ):
        report.outcome = "failed"
        report.longrepr = f"skipped although TATOK_REQUIRE_BROWSER=1: {report.longrepr[2]}"
    return report


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium from the PATH."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is on the PATH")
    expect.set_options(timeout=SLOW)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS.split())
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of `python app.py`, started for this session on a free port."""
    with serving(tmp_path_factory.mktemp("server")) as url:
        yield url


@contextmanager
def serving(folder: Path, *flags: str, root: Path = ROOT):
    """Runs `python app.py` on a free port, its log and uploads in `folder`; yields the address.

    root: the folder that app.py is in.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(folder / "uploads"),
        "TATOK_ARITHMETIC": "float32",  # the same pixels on every machine
    }
    url = f"http://127.0.0.1:{port}"
    log = folder / "app.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py", *flags],
            cwd=root,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_serving(url, process, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_serving(url: str, process: subprocess.Popen, log: Path) -> None:
    direct = build_opener(ProxyHandler({}))  # this machine is not behind a proxy
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with direct.open(url, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"app.py does not serve:\n{log.read_text()[-4000:]}")


@pytest.fixture(scope="session")
def windows(browser: Browser):
    """A function that gives a window of these options, and what its pages should not have done.

    There is one for each set of options: its cache holds Gradio's scripts, a second of every load.
    """
    made: dict[str, tuple[BrowserContext, list[str]]] = {}

    def window(**options) -> tuple[BrowserContext, list[str]]:
        key = repr(sorted(options.items()))
        if key not in made:
            context, problems = browser.new_context(**options), []
            watch(context, problems)
            made[key] = context, problems
        return made[key]

    yield window
    for context, _ in made.values():
        context.close()


@pytest.fixture
def open_page(windows, server: str):
    """A function that opens the app and returns the page.

    Its keywords are those of playwright's `new_context`, such as `viewport`, `color_scheme` and
    `is_mobile`; `path` is the part of the address after the host, or the whole of it. When the
    test ends, no page may have logged an error, thrown one, or sent a request to another host.
    """
    pages: list[Page] = []
    told: list[list[str]] = []

    def open_(path: str = "/", **options) -> Page:
        context, problems = windows(**{"viewport": {"width": 1280, "height": 900}} | options)
        told.append(problems)
        pages.append(context.new_page())
        pages[-1].goto(path if "://" in path else server + path)
        pages[-1].locator(".gradio-container").first.wait_for()
        return pages[-1]

    yield open_
    for page in pages:
        page.close()
    found = [problem for problems in told for problem in problems]
    for problems in told:
        problems.clear()
    assert not found, "\n".join(found)


LEAVING = "the page is left"
SAYS_THAT_IT_LEAVES = f"""if (self === top)
    addEventListener("beforeunload", () => console.debug("{LEAVING}"), {{capture: true}})"""


def watch(context: BrowserContext, problems: list[str]) -> None:
    """Append to `problems` whatever a page of this context should not do.

    What Gradio's client says of its streams when a page is left while something still runs is
    seen by nobody, and is not counted.
    """
    leaving: set[Page] = set()
    context.add_init_script(SAYS_THAT_IT_LEAVES)
    context.on("page", lambda page: page.on("domcontentloaded", lambda it: leaving.discard(it)))

    def on_console(message) -> None:
        if message.text == LEAVING:
            leaving.add(message.page)
        elif message.type == "error" and message.page not in leaving:
            problems.append(f"console: {message.text} ({message.location.get('url')})")

    def on_request(request) -> None:
        # data: and blob: addresses have no host
        if urlsplit(request.url).hostname not in (None, "127.0.0.1", "localhost"):
            problems.append(f"request to another host: {request.url}")

    context.on("console", on_console)
    context.on("weberror", lambda error: problems.append(f"uncaught: {error.error}"))
    context.on("request", on_request)


@pytest.fixture
def page(open_page) -> Page:
    """The app in a desktop window."""
    return open_page()


@pytest.fixture
def tab(page) -> Page:
    """The tab Tokenize with its first figure drawn."""
    return settled(page)


@pytest.fixture(scope="session")
def engine():
    """What Python says of the weights that the page shows."""
    return weights_engine()


@pytest.fixture(scope="module")
def client(server) -> Client:
    """A program that calls the endpoints."""
    return Client(server, verbose=False)
