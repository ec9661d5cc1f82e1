"""Settings like others, and images measured in parts."""

import conftest
import numpy as np
import pytest
import torch

from analysis.base.runner import Like, Runner, Setting

M = conftest.TINY.num_patches


@pytest.fixture(scope="module")
def images():
    return conftest.pictures(9)


class Means:
    name = "channel means"

    def features(self, x):
        return x.mean((2, 3))


def tokens_of(model, images, setting_k, **options):
    encoding = model.encode(images, setting_k)
    return model.quantize(encoding, model.select(encoding, **options))


def test_parts_of_the_images_give_what_all_together_give(model, images):
    runner = Runner(model, Means(), seed=3, batch=4)
    settings = [
        Setting(4, 5, policy="random", features=True),
        Setting(2, epsilon=0.3, policy="random", features=True),
        Setting(4, like=Like(0.2, "code"), estimator="gaussian", features=True),
    ]
    whole = runner.measure(images, settings)
    parts = [runner.measure(images[a:b], settings, first=a) for a, b in ((0, 2), (2, 7), (7, 9))]
    for setting in settings:
        for name in ("psnr", "bits", "count"):
            joined = torch.cat([getattr(part[setting], name) for part in parts])
            torch.testing.assert_close(joined, getattr(whole[setting], name))
        joined = np.concatenate([part[setting].features for part in parts])
        np.testing.assert_allclose(joined, whole[setting].features, atol=1e-6)
    shifted = runner.measure(images[2:7], settings[:1], first=0)[settings[0]]
    assert not torch.allclose(shifted.psnr, whole[settings[0]].psnr[2:7])


def test_like_takes_the_n_of_each_image_from_another_estimator(model, images):
    other = tokens_of(model, images, 4, epsilon=0.4, estimator="code")
    assert len(set(other.count.tolist())) > 1  # or a constant N would pass
    for policy, estimator in (("dtf", "gaussian"), ("uniform", None), ("chain", None)):
        setting = Setting(4, like=Like(0.4, "code"), policy=policy, estimator=estimator)
        found = Runner(model).measure(images, [setting])[setting]
        assert torch.equal(found.count, other.count)
        expected = tokens_of(
            model, images, 4, count=other.count, policy=policy, estimator=estimator
        )
        assert torch.equal(found.bits, expected.bits())


def test_like_in_bits_keeps_the_most_patches_that_fit(model, images):
    budget = tokens_of(model, images, 4, epsilon=0.2, estimator="code").bits()
    for policy, estimator in (("first", None), ("dtf", "prior"), ("random", None)):
        setting = Setting(4, like=Like(0.2, "code", bits=True), policy=policy, estimator=estimator)
        found = Runner(model).measure(images, [setting])[setting]
        assert (found.bits <= budget).all()
        more = tokens_of(
            model,
            images,
            4,
            count=(found.count + 1).clamp(max=M),
            policy=policy,
            estimator=estimator,
        )
        assert ((more.bits() > budget) | (found.count == M)).all()
    if model.config.layout == "grid":
        sent = tokens_of(model, images, 4, epsilon=0.2, estimator="code").count
        free = Setting(4, like=Like(0.2, "code", bits=True), policy="first")
        assert (Runner(model).measure(images, [free])[free].count > sent).any()


def test_progress_is_told_and_may_stop_the_work(model, images):
    told = []
    settings = [Setting(4, 3), Setting(0, 2)]
    Runner(model, batch=4).measure(images, settings, progress=told.append)
    assert told == [4, 4, 4, 4, 1, 1]

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Runner(model).measure(images, settings, progress=stop)


def test_time_is_taken_by_part(model, images):
    setting = Setting(4, 3, features=True)
    seconds = Runner(model, Means()).measure(images, [setting])[setting].seconds
    assert min(seconds.encode, seconds.select, seconds.decode, seconds.features) > 0
    assert seconds.load == seconds.statistics == 0
    assert (seconds + seconds).decode == 2 * seconds.decode
    assert "decode" in seconds.line()


def test_a_setting_has_one_source_of_its_n():
    for options in ({}, {"count": 1, "epsilon": 0.1}, {"count": 1, "like": Like(0.1)}):
        with pytest.raises(ValueError, match="count or an epsilon or is like another"):
            Setting(4, **options)
    assert Setting(4, 1, estimator="code").label == "DTF, code"
    assert Setting(4, 1, estimator="code", policy="last").label == "last"
