"""axe-core on every tab, light and dark: no violation of our own components."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.tokenize_tab import SLOW, settled
from playwright.sync_api import expect

TABS = ("Tokenize", "Generate", "Bias", "Curves", "Theory")
GRADIO = ("footer",)  # what Gradio alone causes lies there: an image that repeats its button's text
READY = {"Curves": "#claims table", "Bias": "#lab canvas", "Theory": "#theory svg"}


@pytest.mark.parametrize("query", ["/", "/?__theme=dark"])
def test_no_tab_has_a_violation(open_page, query):
    page = settled(open_page(query, viewport={"width": 1440, "height": 900}))
    found = []
    for name in TABS:
        page.get_by_role("tab", name=name).click()
        if name in READY:
            expect(page.locator(READY[name]).first).to_be_visible(timeout=SLOW)
        page.wait_for_timeout(500)  # colours fade in
        answer = Axe().run(page, {"exclude": [list(GRADIO)]}).response
        assert len(answer["passes"]) > 10
        for violation in answer["violations"]:
            found += [f"{name}: {violation['id']} {node['target']}" for node in violation["nodes"]]
    assert not found, "\n".join(found)
