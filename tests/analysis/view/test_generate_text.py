"""What the Generate tab says of its weights, and of what was measured on them."""

import dataclasses

import gradio as gr
import pytest
from conftest import random_generator, random_model

from analysis.base.metrics import FrechetDistance
from analysis.base.provenance import Data, Provenance
from analysis.base.recipes import COMMANDS
from analysis.base.results import save
from analysis.generator.quality import Generation, Row
from analysis.view.generate import tab as generate
from analysis.view.generate import text as generate_text
from analysis.view.shared.engine import Engine
from tatok import TaTok
from tatok.sampling import SamplingOptions


def tab_text(folder, model) -> str:
    """All text of the tab with the weights and the results in a folder."""
    with gr.Blocks() as demo:
        generate.build(demo, Engine(model), folder, [], folder)
    return " ".join(str(block.value) for block in demo.blocks.values() if hasattr(block, "value"))


def test_without_weights_the_tab_says_how_to_train(tmp_path, model):
    model.save_pretrained(tmp_path)
    text = tab_text(tmp_path, model)
    assert "There are no generator weights" in text
    assert generate_text.TRAIN in text and str(tmp_path) not in text


def test_weights_of_another_tokenizer_are_named_so(tmp_path, model):
    random_generator(random_model(seed=1)).save_pretrained(tmp_path)
    random_model(seed=2).save_pretrained(tmp_path)
    assert "belong to another tokenizer" in tab_text(tmp_path, model)


def test_a_generator_comes_with_its_own_tokenizer(tmp_path, model):
    own = random_model(seed=1)
    own.save_pretrained(tmp_path)
    random_generator(TaTok.from_pretrained(tmp_path)).save_pretrained(tmp_path)
    text = tab_text(tmp_path, model)
    assert TaTok.from_pretrained(tmp_path).fingerprint in text and model.fingerprint not in text
    assert "squares of 32 pixels" in text


def test_measured_numbers_are_told_with_their_ceiling(tmp_path, model):
    generator = random_generator(model)
    record = {"images": 1234, "hours": 2.0, "sequences": 567}
    generator.save_pretrained(tmp_path, extra=record)
    options = SamplingOptions(steps=9)
    row = Row("guidance 2", options, FrechetDistance(123.4, 7, "gFD-X"), 0.125, 0.25, 5.0, 1.0)
    distance = FrechetDistance(78.9, 7, "FD-X")
    real = dataclasses.replace(row, options=None, distance=distance, memorised=0.5, top1=0.75)
    origin = Provenance(
        "c", generator.fingerprint, 1, 1.0, Data("l", "0" * 64, 7), 0, "X", "today", "2", "cmd"
    )
    halves = FrechetDistance(45.6, 3, "halves-X")
    first = dataclasses.replace(row, distance=FrechetDistance(99.9, 7, "gFD-X"))  # not to be told
    result = Generation((first,), row, real, real, halves, 0.05, 10, model.fingerprint, origin)
    save(result, tmp_path / "generation.json")
    text = tab_text(tmp_path, model)
    for told in ("9 steps", "gFD-X = 123.4", "78.9 (FD-X)", "45.6 apart (halves-X)", origin.line()):
        assert told in text
    for told in ("12.5%", "50.0%", "25.0% rightly among 10", "the ceiling, 75.0%"):
        assert told in text
    assert "99.9" not in text and COMMANDS["generation"] not in text
    # and why the pictures may look poor
    assert "1,234 sequences (567 different ones) in 2.0 hours" in text
    millions = sum(p.numel() for p in generator.parameters()) / 1e6
    assert f"{millions:.1f} million parameters, 2 classes" in text and "177 million" in text
    other = dataclasses.replace(result, provenance=dataclasses.replace(origin, weights="0" * 16))
    save(other, tmp_path / "generation.json")
    text = tab_text(tmp_path, model)
    assert "generation.json is of other generator weights, 0000000000000000." in text
    assert COMMANDS["generation"] in text and "gFD-X" not in text


@pytest.mark.parametrize(
    "content, reason", [(None, "There is no generation.json"), ("{}", "generation.json is damaged")]
)
def test_without_measured_numbers_the_tab_names_the_command(tmp_path, content, reason):
    model = random_model()
    random_generator(model).save_pretrained(tmp_path)
    if content is not None:
        (tmp_path / "generation.json").write_text(content)
    text = tab_text(tmp_path, model)
    assert reason in text and COMMANDS["generation"] in text
    assert "an unknown number of sequences" in text
