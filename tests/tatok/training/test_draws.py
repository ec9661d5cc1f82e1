"""What a step sends, where that is an option; the mixed draws are tried in test_loop."""

import pytest
from conftest import pictures, random_model

from tatok.images import to_pil
from tatok.training import data
from tatok.training.draws import Draws
from tatok.training.loop import World
from tatok.training.tokenizer import TokenizerTask


@pytest.fixture
def files(tmp_path):
    for n, x in enumerate(pictures(4)):
        to_pil(x).save(tmp_path / f"{n}.png")
    return data.list_images([tmp_path])


@pytest.mark.gradients
@pytest.mark.parametrize("kept, N", [("all", 16), ("none", 0)])
@pytest.mark.parametrize("k_max", [0, 6])
def test_all_or_none_of_the_patches_and_as_many_globals(files, kept, N, k_max):
    model = random_model(k=min(4, k_max), k_max=k_max).train()
    task = TokenizerTask(model, files, files, draws=Draws(kept, vary_k=False), unquantized=0)
    task.set_live(True)
    for n in range(0, 24, 4):
        loss, _ = task.loss(pictures(4), n, World())
        _, patches, _, ours = task._step[-1]
        assert (len(patches), len(ours)) == (4 * N, 4 * model.config.k)
        task.after_step(n, World())
    loss.backward()
    sent = model.patch_codebook.up.weight.grad.abs().sum() > 0
    assert sent == (kept == "all")  # nothing of a patch reaches the pixels else
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_other_draws_are_refused():
    with pytest.raises(ValueError, match="mixed, all, none, not 'some'"):
        Draws("some")
