"""Several weights on one server, each with a page of its own; behind a prefix, and in a frame."""

import re

import pytest
from browser.conftest import serving
from browser.proxy import PREFIX, proxying
from browser.tokenize_tab import (
    ASSETS,
    PICTURES,
    SETTLED,
    SLOW,
    default_settings,
    expected,
    picture,
    set_slider,
    settled,
    stat,
)
from gradio_client import Client, handle_file
from playwright.sync_api import expect

from analysis.base import space
from analysis.view.shared.engine import Engine
from tatok import TaTok


@pytest.fixture(scope="module")
def demo():
    """What Python says of the other weights."""
    return Engine(TaTok.from_pretrained(ASSETS / "demo"))


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    """The address of a proxy that takes a prefix off; behind it the folder made for a Space."""
    folder = tmp_path_factory.mktemp("proxied")
    space.make(folder / "space")
    app = serving(folder, "--root-path", PREFIX, root=folder / "space")
    with app as address, proxying(address) as url:
        yield url


def shows(page, engine, **changes):
    """The page's numbers are those of these weights, and of no others."""
    path = picture(changes.pop("path", PICTURES[0].stem))
    values = expected(engine, default_settings(engine, **changes), path)
    for name in ("kept", "bits", "psnr"):
        expect(stat(page, name)).to_have_text(values[name], timeout=SLOW)


def test_the_box_leads_to_the_other_weights_and_back(open_page, engine, demo):
    page = settled(open_page("/?tab=tokenize&x=coffee"))
    box = page.locator("#models")
    expect(box).to_have_text(re.compile(r"anygrid \(64 to 256 px\).*demo \(128 px\)"))
    expect(box.locator("[aria-current]")).to_have_text("anygrid (64 to 256 px)")
    set_slider(page, "epsilon", 0.3)
    shows(page, engine, epsilon=0.3, path="coffee")
    page.wait_for_url(re.compile("eps=0.3"))
    box.get_by_role("link", name="demo").click()
    page.wait_for_url(re.compile(r"/models/demo/\?.*eps=0.3"))  # the view goes along
    settled(page)
    shows(page, demo, epsilon=0.3, path="coffee")
    assert demo.model.fingerprint in page.locator(".weights").first.inner_text()
    page.get_by_role("tab", name="Bias").click()
    expect(page.locator("#lab")).to_be_visible()
    box.get_by_role("link", name="anygrid").click()
    page.wait_for_url(lambda url: "/models/" not in url and "tab=bias" in url)


def test_programs_find_each_of_them(server, demo, engine):
    for place, own in (("/", engine), ("/models/demo/", demo)):
        client = Client(server + place, verbose=False)
        call = handle_file(str(PICTURES[0]))
        answer = client.predict(call, epsilon=0.2, k=8, estimator="rate", api_name="/select")
        assert answer["grid"] == own.model.config.grid


def works(page, engine, demo):
    """Tokenize follows its knobs, and the other weights are found. `page`: or a frame."""
    page.locator(SETTLED).wait_for(timeout=SLOW)
    shows(page, engine)
    set_slider(page, "epsilon", 0.4)
    shows(page, engine, epsilon=0.4)
    page.locator("#upload input[type=file]").set_input_files(str(ASSETS / "examples" / "cat.webp"))
    shows(page, engine, epsilon=0.4, path="cat")
    page.locator("#models").get_by_role("link", name="demo").click()
    page.locator("#models [aria-current]", has_text="demo").wait_for(timeout=SLOW)
    page.locator(SETTLED).wait_for(timeout=SLOW)
    shows(page, demo, epsilon=0.4)


def test_behind_a_proxy_with_a_prefix(open_page, proxy, engine, demo):
    page = open_page(f"{proxy}{PREFIX}/")
    works(page, engine, demo)
    assert page.url.startswith(f"{proxy}{PREFIX}/models/demo/")
    assert page.request.get(f"{proxy}{PREFIX}/models/demo").url.endswith("/models/demo/")


def test_in_a_frame_of_somebody_elses_page(proxy, engine, demo, browser):
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(SLOW)
    try:
        page.goto(f"{proxy}/frame")
        works(page.frame_locator("iframe"), engine, demo)
        assert page.url == f"{proxy}/frame"
    finally:
        context.close()
