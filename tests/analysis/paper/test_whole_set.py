"""The paper's protocol on a whole set, in one process; see test_processes.py for several."""

import pytest
import torch
from conftest import random_model
from small_runs import picture_folder
from two_processes import MeanColour

from analysis.__main__ import main
from analysis.base import results
from analysis.paper import commands, whole_set
from tatok.quality import psnr
from tatok.training.data import list_images, load_batch


class OnDevice(MeanColour, torch.nn.Module):
    """An extractor that can be moved."""


@pytest.fixture
def set_up(tmp_path, monkeypatch):
    random_model(k=3).save_pretrained(tmp_path / "weights")
    monkeypatch.setattr(commands, "extractor_or_lite0", lambda name, say: OnDevice())
    (tmp_path / "images").mkdir()
    return tmp_path


def run(folder, images):
    main(["rfid", "--weights", str(folder / "weights"), "--data", str(images), "--batch", "3",
          "--out", str(folder)])  # fmt: skip
    return results.load(whole_set.WholeSet, folder / "rfid.json")


def test_the_whole_set_is_measured(set_up, capsys):
    folder = picture_folder(set_up / "images")
    whole = run(set_up, folder)
    bare, all_, dtf = whole.rows
    assert [row.setting.k for row in whole.rows] == [0, 3, 3] and dtf.setting.epsilon == 0.05
    model = whole_set_model(set_up)
    x = load_batch(list_images([folder]), 32)  # 20 that can be read, of 21
    y = torch.cat([model.decode(model.quantize(model.encode(part))) for part in x.split(1)])
    assert all_.psnr == pytest.approx(psnr(x, y).mean().item(), abs=1e-3)
    assert all_.rfd.n == 20 and all_.count == 16 and 0 < dtf.count < 16
    assert bare.bits < all_.bits and "mean colour, N=20" in capsys.readouterr().out
    assert whole.image_size == 32 and whole.provenance.data.n == 20


def whole_set_model(folder):
    """The model as the command has it, from half precision."""
    return type(random_model()).from_pretrained(folder / "weights")


def test_too_few_are_one_sentence(set_up):
    (set_up / "images" / "a.png").write_bytes(b"nothing")
    with pytest.raises(SystemExit, match="2 or more pictures"):
        run(set_up, set_up / "images")
