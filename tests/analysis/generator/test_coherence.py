"""Patches drawn for real global tokens: the four ways, and what is read off them."""

import dataclasses

import pytest
import small_results
import torch
import torch.nn.functional as F
from conftest import pictures, random_generator, random_model

import analysis.__main__ as command_line
from analysis.base.results import Estimate, load
from analysis.generator import coherence, commands
from analysis.generator.coherence import ALONE, DRAWN, RANDOM, TRUE, WAYS, Coherence, Way
from tatok import TaTok
from tatok.images import to_pil
from tatok.lite import LiteOutput
from tatok.sampling import SamplingOptions
from tatok.training.data import ImageFile

OPTIONS = SamplingOptions(steps=3, epsilon=0.3, guidance=1.0, seed=4)


class Maps:
    """In the place of Lite0: the image itself, coarser."""

    name = "coarse"

    def __call__(self, x):
        return LiteOutput((F.avg_pool2d(x, 4),), x[:, :, 0, 0], x[:, :, 0, 0])

    def to(self, **_):
        return self


@pytest.fixture(scope="module")
def models():
    tokenizer = random_model()
    return tokenizer, random_generator(tokenizer, classes=("a", "b"))


def test_all_have_the_pictures_own_globals_and_places(models):
    tokenizer, generator = models
    found = dict(coherence.ways(*models, pictures(3), [0, 1, 0], OPTIONS))
    assert set(found) == set(WAYS)
    encoding = tokenizer.encode(pictures(3), generator.config.k)
    own = tokenizer.select(encoding, 0.3, generator.config.estimator)
    true = tokenizer.quantize(encoding, own)
    assert torch.equal(found[TRUE].patch_codes, true.patch_codes)
    assert (found[ALONE].patch_codes == -1).all() and own.count.min() > 0
    for name in (RANDOM, DRAWN):
        assert torch.equal(found[name].global_codes, true.global_codes)
        assert torch.equal(found[name].keep, own.keep)
        assert not torch.equal(found[name].patch_codes, true.patch_codes)
    assert not torch.equal(found[RANDOM].patch_codes, found[DRAWN].patch_codes)


def test_numbers_are_those_of_the_decoded_pictures(models, tmp_path):
    tokenizer, generator = models
    for n, x in enumerate(pictures(5)):
        to_pil(x).save(tmp_path / f"{n}.png")
    files = [ImageFile(tmp_path / f"{n}.png", "any") for n in range(5)]
    origin = small_results.origin(generator)
    made = coherence.measure(*models, Maps(), files, OPTIONS, origin, batch=2)
    again = coherence.measure(*models, Maps(), files, OPTIONS, origin, batch=5)
    drawn = [way for way in again.ways if way.name in (ALONE, DRAWN, TRUE)]
    for one in drawn:  # each picture has its own stream, whatever the batch
        same = next(way for way in made.ways if way.name == one.name)
        assert same.psnr.value == pytest.approx(one.psnr.value, abs=1e-4)
    value = {way.name: (way.psnr.value, way.distance.value) for way in made.ways}
    assert made.cost.value == pytest.approx(value[ALONE][0] - value[DRAWN][0])
    gap = value[ALONE][1] - value[TRUE][1]
    assert made.closed == pytest.approx((value[ALONE][1] - value[DRAWN][1]) / gap)
    assert made.n == 5 and made.tokenizer == tokenizer.fingerprint
    words = coherence.markdown(made)
    assert all(name in words for name in WAYS) and coherence.sentence(made) in words


def test_the_sentence_says_cost_or_gain():
    ways = tuple(Way(name, Estimate(20.0), Estimate(1.0)) for name in WAYS)
    origin = small_results.origin(random_model())
    result = Coherence(9, 33.4, ways, Estimate(2.96), 0.2, OPTIONS, "fp", origin)
    said = coherence.sentence(result)
    assert "9 held-out pictures" in said and "N = 33" in said
    assert "cost 3.0 dB" in said and "close 20% of the way" in said
    gained = dataclasses.replace(result, cost=Estimate(-0.25), closed=0.61)
    assert "gain 0.2 dB" in coherence.sentence(gained)


def test_the_command_writes_what_it_prints(models, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(commands, "Lite0", Maps)
    models[0].save_pretrained(tmp_path / "weights")
    loaded = random_generator(TaTok.from_pretrained(tmp_path / "weights"), classes=("a", "b"))
    loaded.save_pretrained(tmp_path / "weights", extra={"folders": ("a", "b")})
    for folder in ("a", "b"):
        target = tmp_path / "data" / "set" / "val" / folder
        target.mkdir(parents=True)
        for n, x in enumerate(pictures(3, seed=len(folder))):
            to_pil(x).save(target / f"{n}.png")
    common = ["--weights", str(tmp_path / "weights"), "--data", str(tmp_path / "data")]
    rest = ["--out", str(tmp_path / "out"), "--steps", "2"]
    command_line.main(["coherence", *common, *rest, "--n", "4"])
    made = load(Coherence, tmp_path / "out" / "coherence.json")
    assert made.n == 4 and coherence.sentence(made) in capsys.readouterr().out
    with pytest.raises(SystemExit, match="takes 4 held-out pictures of a, of 3"):
        command_line.main(["coherence", *common, *rest, "--n", "8"])
