"""Waiting for the server: the place in its queue."""

import time

import pytest
from browser.conftest import serving
from browser.tokenize_tab import ASSETS, SLOW
from gradio_client import Client
from gradio_client.utils import Status
from playwright.sync_api import expect

LONG = {"pictures": 8, "steps": 32}
ADDRESS = "/?tab=generate&g.pictures={pictures}&g.steps={steps}"
AT_ONCE = 2  # drawings, see DRAW of the tab Generate
RUNNING = (Status.PROCESSING, Status.ITERATING)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The app with the weights that have a generator."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TATOK_WEIGHTS", str(ASSETS / "demo"))
        with serving(tmp_path_factory.mktemp("server")) as url:
            yield url


@pytest.fixture
def busy(server):
    """As many long drawings as are made at once, which are under way."""
    clients = [Client(server, verbose=False) for _ in range(AT_ONCE)]
    jobs = [client.submit(**LONG, api_name="/generate") for client in clients]
    while not all(job.status().code in RUNNING for job in jobs):
        assert not any(job.done() for job in jobs)
        time.sleep(0.05)
    yield jobs
    for job in jobs:
        job.cancel()


def test_who_waits_is_told_the_place(busy, open_page):
    page = open_page(ADDRESS.format(pictures=1, steps=2))
    place = page.locator(".queue-place .progress-text:visible")
    expect(place).to_contain_text("queue: 1/1", timeout=SLOW)
    box, window = place.bounding_box(), page.viewport_size
    assert box["y"] + box["height"] <= window["height"]
    for job in busy:
        job.cancel()
    expect(page.locator("#generate-view .status")).to_contain_text("drawn in", timeout=SLOW)
    expect(place).to_have_count(0)
