"""The generator's training from a folder of pictures: cache, loop, resume, and what is refused."""

import csv
import dataclasses
from itertools import combinations

import pytest
import torch
from conftest import pictures, random_model

from tatok import MaskGIT, TaTok, config, filtering
from tatok.images import to_pil
from tatok.sampling import sample
from tatok.training import cache, data
from tatok.training.cache import cache_tokens
from tatok.training.generator import run, run_cache
from tatok.training.loop import RunOptions, World
from tatok.training.losses import GeneratorLoss

pytestmark = pytest.mark.gradients


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Weights of a tiny tokenizer, two classes of pictures, and a generator of no size."""
    tiny = {"dim": 32, "depth": 2, "heads": 4, "place_dim": 16}
    monkeypatch.setitem(config.GENERATOR_SIZES, "tiny", tiny)
    random_model().save_pretrained(tmp_path / "weights")
    for n, x in enumerate(pictures(14)):
        folder = tmp_path / "images" / "ab"[n % 2]
        folder.mkdir(parents=True, exist_ok=True)
        to_pil(x).save(folder / f"{n}.png")
    (tmp_path / "images" / "a" / "broken.png").write_bytes(b"nothing")
    return tmp_path


def train(world, out, images, resume=False, **how):
    options = RunOptions(
        out=world / out, images=images, batch=4, workers=0, cooldown=0.0, warmup=8, resume=resume
    )
    run("tiny", str(world / "weights"), options, GeneratorLoss(), [str(world / "images")], **how)
    return MaskGIT.from_pretrained(world / out)


def test_train_resume_and_log(world):
    straight = train(world, "one", 48)
    train(world, "two", 24)
    resumed = train(world, "two", 48, resume=True)
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    rows = list(csv.DictReader((world / "two" / "log.csv").open()))
    assert [int(row["images"]) for row in rows] == [24, 48]
    assert all(float(rows[1][f"val_{f}"]) > 0 for f in ("0.25", "0.5", "0.75", "1", "globals"))
    assert straight.config.classes == ("a", "b")
    last = list(sample(straight, ["a", "b"], steps=3))[-1]
    assert torch.equal(last.tokens.patch_codes >= 0, last.keep)


def test_the_cache_alone_is_what_training_finds(world):
    at = {"data": [str(world / "images")], "side": 32, "views": 2}
    run_cache(str(world / "weights"), world / "one", **at)
    made = {path: path.stat().st_mtime_ns for path in (world / "one").glob("tokens-*")}
    assert len(made) == 2  # of training, of what is held out
    run_cache(str(world / "weights"), world / "other", seed=1, **at)
    names = {path.name for path in (world / "other").glob("tokens-*")}
    assert len(names & {path.name for path in made}) == 1  # what is held out is never augmented
    train(world, "one", 8, side=32, views=2)
    assert made == {path: path.stat().st_mtime_ns for path in (world / "one").glob("tokens-*")}


def test_names_and_foreign_weights(world):
    train(world, "one", 8, names={"a": "apples"})
    assert MaskGIT.from_pretrained(world / "one").config.classes == ("apples", "b")
    assert MaskGIT.training_record(world / "one")["folders"] == ["a", "b"]
    with pytest.raises(ValueError, match="other"):
        train(world, "two", 8, init=str(world / "one"))  # without the names
    random_model(seed=1).save_pretrained(world / "weights")
    with pytest.raises(ValueError, match="other"):
        train(world, "two", 8, init=str(world / "one"), names={"a": "apples"})


def test_the_cache_holds_what_the_tokenizer_says(world):
    model = random_model()
    files = data.list_images([world / "images"])
    cached = cache_tokens(model, files, ["a", "b"], world / "cache", views=3)
    assert len(cached) == 42  # 14 readable pictures, and two augmented views of each
    readable = [file for file in files if file.path.name != "broken.png"]
    x = data.load_batch(readable, 32)
    with torch.no_grad():
        encoding = model.encode(x)
        selection = model.select(encoding, 0.3)
        tokens = model.quantize(encoding, selection)
    assert cached.labels.tolist() == 3 * [["a", "b"].index(file.label) for file in readable]
    assert torch.equal(cached.global_codes[:14], tokens.global_codes)
    views = cached.patch_codes.split(14)
    assert not any(torch.equal(one, other) for one, other in combinations(views, 2))
    keep = filtering.dtf(cached.entropy[:14], 0.3).keep
    assert torch.equal(keep, selection.keep)
    assert torch.equal(cached.patch_codes[:14].masked_fill(~keep, -1).long(), tokens.patch_codes)
    stamp = next((world / "cache").iterdir()).stat().st_mtime_ns
    again = cache_tokens(model, files, ["a", "b"], world / "cache", views=3)
    assert next((world / "cache").iterdir()).stat().st_mtime_ns == stamp
    assert same(cached, again)
    fresh = cache_tokens(model, files, ["a", "b"], world / "cache", views=3, seed=1)
    for new, old in zip(fresh.patch_codes.split(14), views, strict=True):
        assert not torch.equal(new, old)  # another seed has no view as it is
    other = cache_tokens(model, files, ["b", "a"], world / "cache")
    assert torch.equal(other.labels, 1 - cached.labels[:14])
    model.config = dataclasses.replace(model.config, k=model.config.k - 1)
    assert cache_tokens(model, files, ["a", "b"], world / "cache").global_codes.shape[1] == 3


def test_processes_share_the_encoding_by_shards(world, monkeypatch):
    monkeypatch.setattr(cache, "SHARD", 4)
    monkeypatch.setattr(World, "wait", lambda self: None)
    model, files = random_model(), data.list_images([world / "images"])
    alone = cache_tokens(model, files, ["a", "b"], world / "alone")
    monkeypatch.setattr(cache, "load_file", lambda path: {})  # the other's are not there yet
    for rank, shards in ((0, 2), (1, 4)):
        with pytest.raises(KeyError):
            cache_tokens(model, files, ["a", "b"], world / "two", 1, World(rank, 2))
        assert len(list((world / "two").iterdir())) == shards
    monkeypatch.undo()
    monkeypatch.setattr(cache, "SHARD", 4)
    monkeypatch.setattr(cache.Encoder, "__call__", None)  # nothing is left to do
    assert same(alone, cache_tokens(model, files, ["a", "b"], world / "two"))


def test_another_side_and_a_generator_that_looks(world):
    random_model(min_side=16, max_side=32).save_pretrained(world / "weights")
    made = train(world, "one", 16, side=24, views=2, sees=True)
    assert (made.config.num_patches, made.config.picture_dim) == (9, 192)
    again = train(world, "one", 24, resume=True, views=2)  # what the weights are, they stay
    assert (again.config.num_patches, again.config.picture_dim) == (9, 192)
    tokenizer = TaTok.from_pretrained(world / "weights")
    assert made.side(tokenizer) == 24
    *_, last = sample(again, ["a", "b"], 4, tokenizer, steps=3)
    assert tokenizer.decode(last.tokens).shape == (2, 3, 24, 24)
    record = MaskGIT.training_record(world / "one")
    assert record["sequences"] == 20  # two views of what is not held out
    for how in ({"side": 32}, {"sees": True, "init": str(world / "blind")}):
        with pytest.raises(ValueError, match="the flags ask for"):
            if "init" in how:
                train(world, "blind", 8)
            train(world, "three", 32, **{"init": str(world / "one")} | how)
    with pytest.raises(ValueError, match="16 to 32"):
        train(world, "two", 16, side=40)
    torch.testing.assert_close(made.see.weight, again.see.weight, atol=0.05, rtol=0)
    assert not torch.equal(made.see.weight, again.see.weight)


def same(one, other):
    pairs = zip(dataclasses.astuple(one), dataclasses.astuple(other), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_without_global_tokens_a_generator_draws_patches_alone(world):
    random_model(k=0).save_pretrained(world / "weights")
    generator = train(world, "one", 16)
    *_, last = sample(generator, ["a", "b"], steps=3, count=5)
    assert last.tokens.count.tolist() == [5, 5] and last.tokens.global_codes.shape == (2, 0)


def test_a_schedule_that_is_over_is_said(world):
    train(world, "one", 16)
    for images in (8, 16, 19):
        with pytest.raises(ValueError, match="Nothing is left to train"):
            train(world, "two", images, init=str(world / "one"))
    with pytest.raises(data.EmptyFolder, match="others to hold out"):
        options = RunOptions(out=world / "three", images=8, batch=4, workers=0)
        folders = [[str(world / "images" / name)] for name in "ab"]
        run("tiny", str(world / "weights"), options, GeneratorLoss(), folders[0], folders[1])


def test_a_cache_of_nothing_is_refused(world):
    broken = [file for file in data.list_images([world / "images"]) if "broken" in file.path.name]
    for files in (broken, []):
        with pytest.raises(data.EmptyFolder):
            cache_tokens(random_model(), files, ["a", "b"], world / "cache")
