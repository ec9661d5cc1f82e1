"""The sheet of the card: every class, every seed, each as it is drawn alone."""

import pytest
from conftest import random_generator, random_model
from PIL import Image, ImageChops

import analysis.__main__ as command_line
from analysis.generator.sheet import GAP, LINE, picture_of
from tatok import TaTok, sample
from tatok.images import to_pil
from tatok.sampling import SamplingOptions


def test_a_row_for_each_class_and_a_column_for_each_seed():
    tokenizer = random_model()
    generator = random_generator(tokenizer, classes=("a", "b"))
    S = generator.side(tokenizer)
    sheet = picture_of(tokenizer, generator, SamplingOptions(steps=2, seed=4), 3)
    assert sheet.size == (3 * (S + GAP) - GAP, 2 * (LINE + S + GAP) - GAP)
    for down, name in enumerate(("a", "b")):
        for across in range(3):
            *_, last = sample(generator, [name], tokenizer=tokenizer, steps=2, seed=4 + across)
            left, top = across * (S + GAP), down * (LINE + S + GAP) + LINE
            cut = sheet.crop((left, top, left + S, top + S))
            assert not ImageChops.difference(cut, to_pil(tokenizer.decode(last.tokens))).getbbox()


def test_the_command_puts_it_into_the_card(tmp_path):
    random_model().save_pretrained(tmp_path / "weights")
    generator = random_generator(TaTok.from_pretrained(tmp_path / "weights"), classes=("a", "b"))
    generator.save_pretrained(tmp_path / "weights", extra={"images": 12345})
    card = tmp_path / "weights" / "README.md"
    card.write_text("before\n<!-- sheet -->\n<!-- /sheet -->\nafter")
    common = ["sheet", "--weights", str(tmp_path / "weights"), "--out", str(tmp_path / "out")]
    command_line.main([*common, "--n", "2", "--seed", "3", "--card", str(card)])
    assert Image.open(tmp_path / "out" / "sheet.webp").width > generator.side(random_model())
    text = card.read_text()
    assert "](../out/sheet.webp)" in text and "seeds 3 to 4" in text
    assert generator.fingerprint in text and "12,345 sequences" in text
    random_model(seed=5).save_pretrained(tmp_path / "weights", extra={})
    with pytest.raises(SystemExit, match="tokenizer"):
        command_line.main(common)
