"""Other arithmetic, beside float32."""

import sys

import pytest
import torch
from conftest import TINY, random_model

from tatok import __main__ as cli
from tatok.bench import arithmetic
from tatok.training.data import list_images


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """No compiler is needed: what is compiled is told, and runs as it is."""
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compiled.append(self))
    return compiled


def test_every_arithmetic_is_judged_by_float32s_tokens(eager):
    model = random_model()
    x = torch.rand(2, 3, TINY.image_size, TINY.image_size) * 2 - 1
    found = {row.name: row for row in arithmetic.compare(model, x, 1e-3)}
    plain = found["float32"]
    assert plain.same_codes == found["torch.compile"].same_codes == 1
    assert found["torch.compile"].psnr == plain.psnr
    assert len(eager) == 2 * (len(model.encoder.blocks) + len(model.decoder.blocks))
    for name in ("bfloat16", "int8"):
        assert found[name].psnr != plain.psnr  # it was another arithmetic
        assert found[name].psnr == pytest.approx(plain.psnr, abs=0.3)
        assert found[name].same_codes > 0.5 and min(found[name].encode, found[name].decode) > 0
    assert not any(isinstance(m, torch.ao.nn.quantized.Linear) for m in model.modules())


def test_the_command_prints_a_row_each(tmp_path, monkeypatch, capsys):
    random_model().save_pretrained(tmp_path)
    monkeypatch.setattr(sys, "argv", [
        "tatok", "bench", "--device", "cpu", "arithmetic", "--pictures", "assets/examples",
        "--tokenizer", str(tmp_path),
    ])  # fmt: skip
    rows = [arithmetic.Speed("int8", 0.0415, 0.0725, 23.725, 0.9323)]
    monkeypatch.setattr(arithmetic, "compare", lambda *_: rows)
    cli.main()
    told, _, *table = capsys.readouterr().out.splitlines()
    number = len(list_images(["assets/examples"]))
    assert told.startswith(f"{number} pictures of {TINY.image_size} px")
    assert table == [*arithmetic.HEAD.splitlines(), "| int8 | 41.5 | 72.5 | 23.73 | 93.2% |"]
