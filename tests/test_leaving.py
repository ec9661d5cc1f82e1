"""Whoever closes the page leaves no work behind."""

import json
import time

import httpx
import pytest
from conftest import random_generator, random_model

import app
from analysis.view import models
from analysis.view.generate.painter import Painter
from analysis.view.generate.settings import MAX_PICTURES

A_PICTURE = 0.3  # seconds


@pytest.fixture
def drawn(monkeypatch):
    """The rows that are drawn, each of which takes a moment."""
    rows, draw = [], Painter.draw

    def slow(self, drawing, row, sources):
        rows.append(row)
        time.sleep(A_PICTURE)
        yield from draw(self, drawing, row, sources)

    monkeypatch.setattr(Painter, "draw", slow)
    return rows


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """The page of a tiny model, being served."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    model = random_model()
    model.save_pretrained(tmp_path)
    random_generator(model).save_pretrained(tmp_path)
    named = models.shelf(tmp_path)
    demo, _ = app.build(tmp_path.name, named, models.loaded(named), tmp_path)
    demo.launch(prevent_thread_lock=True, quiet=True)
    yield demo
    demo.close()


@pytest.mark.parametrize("leaves", [True, False])
def test_a_stream_that_is_closed_ends_the_drawing(demo, drawn, leaves):
    (index,) = (i for i, fn in demo.fns.items() if fn.api_name == "generate")
    values = ["a", MAX_PICTURES, 1, 1, 1, 0.5, None, 0, None, None]
    asked = {"fn_index": index, "data": values, "session_hash": "leaving"}
    address = f"{demo.local_url}gradio_api/queue/"
    assert httpx.post(f"{address}join", json=asked, trust_env=False).is_success
    pages = httpx.Client(trust_env=False, timeout=60)
    with pages.stream("GET", f"{address}data", params={"session_hash": "leaving"}) as stream:
        for line in filter(None, stream.iter_lines()):
            told = json.loads(line.removeprefix("data:"))["msg"]
            if told == ("process_generating" if leaves else "process_completed"):
                break
    pages.close()
    time.sleep(2 * A_PICTURE)
    known = len(drawn)
    time.sleep(2 * A_PICTURE)
    assert len(drawn) == known
    assert (known < MAX_PICTURES) is leaves
