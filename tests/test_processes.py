"""Several processes are one: training, resuming, evaluation; and a process that is killed."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from small_runs import picture_folder, trainer
from two_processes import IMAGES, codes_drawn, evaluated

from tatok import TaTok
from tatok.training.world import World

pytestmark = pytest.mark.gradients
HERE = Path(__file__).parent

# What is left between float sums of another order, after 20 steps of Adam: largest difference of a
# tensor over how far it moved (measured: 2e-5; 2e-1 where two processes decayed a weight that one
# leaves alone). Adam steps by rounding where a gradient is nearly 0, hence the room. A key's bias
# moves by rounding alone, since softmax does not see it: it is not compared.
TOLERANCE = 1e-2


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As the two processes have it: sums of several threads have another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return picture_folder(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def two(folder, tmp_path_factory):
    """What two gloo processes wrote."""
    out = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    common |= {"PYTHONPATH": f"{HERE.parent}:{HERE}", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, str(HERE / "two_processes.py"), str(folder), str(out)],
            env=os.environ | common | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=280)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(said)
    return out


@pytest.fixture(scope="module")
def one(folder, tmp_path_factory):
    """The state before and after the same steps in one process with the joint batch."""
    alone = trainer(folder, tmp_path_factory.mktemp("one"), IMAGES, batch=8)
    start = {name: t.clone() for name, t in alone.task.model.state_dict().items()}
    alone.fit()
    return start, alone.task.model.state_dict()


def assert_same_training(one, state):
    """`state` is one's end, up to TOLERANCE; and one did move."""
    start, end = one
    moved = 0
    for name, value in end.items():
        ours = state[name]
        if name.endswith(("qkv.bias", "key_value.bias")):
            parts = 3 if name.endswith("qkv.bias") else 2
            keep = [0, 2] if parts == 3 else [1]
            value, ours, begin = (
                torch.cat([t.chunk(parts)[i] for i in keep]) for t in (value, ours, start[name])
            )
        else:
            begin = start[name]
        distance = (value - begin).abs().max().item()
        assert (value - ours).abs().max().item() <= TOLERANCE * distance, (name, distance)
        moved += distance > 1e-3
    assert moved > 50


def of_state(path):
    """The model's tensors in a state file."""
    return {
        name.removeprefix("model."): tensor
        for name, tensor in load_file(path).items()
        if name.startswith("model.")
    }


def test_two_processes_train_as_one_with_the_joint_batch(one, two):
    assert_same_training(one, of_state(two / "straight" / "state.safetensors"))


def test_two_processes_resume_bit_for_bit(two):
    straight, resumed = (
        load_file(two / run / "state.safetensors") for run in ("straight", "stopped")
    )
    assert straight.keys() == resumed.keys() and len(straight) > 100
    for name, value in straight.items():
        assert torch.equal(value, resumed[name]), name


def test_dead_codes_move_to_latents_of_all_processes(two):
    assert np.array_equal(np.load(two / "drawn.npy"), codes_drawn(slice(None)))


def test_a_batch_in_parts_is_the_batch(one, folder, tmp_path):
    parts = trainer(folder, tmp_path, IMAGES, batch=2, accumulate=4)
    parts.fit()
    assert_same_training(one, parts.task.model.state_dict())


def test_blocks_made_again_are_the_blocks(folder, tmp_path):
    usual, again = (
        trainer(folder, tmp_path, IMAGES, batch=8, checkpoint=on) for on in (False, True)
    )
    calls = {usual: 0, again: 0}  # of a block

    def count(one):
        calls[one] += 1

    for one in calls:
        block = one.task.model.encoder.blocks[0]
        block.register_forward_pre_hook(lambda *_, one=one: count(one))
    for first in range(0, 32, 8):
        batch = torch.stack([usual.task.data[first + n] for n in range(8)])
        usual.step([batch])
        again.step([batch])
    assert calls[again] == calls[usual] + 4  # once more in each backward pass
    for name, value in usual.task.model.state_dict().items():
        assert torch.equal(value, again.task.model.state_dict()[name]), name


def test_evaluation_by_two_processes_is_that_of_one(folder, two):
    with torch.no_grad():
        alone = evaluated(folder, World())
    shared = np.load(two / "evaluated.npz")
    assert set(shared.files) == set(alone) and len(alone["originals"]) == 20
    for name, value in alone.items():
        assert np.array_equal(value, shared[name]), name


def train_until_killed(folder, out, moment):
    """A child that saves after every step and is killed `moment` seconds after its first save.

    Pictures seen by the state file before and after, and by the child in fact.
    """
    seen = torch.zeros((), dtype=torch.long).share_memory_()
    child = os.fork()
    if child == 0:
        try:
            torch.set_num_threads(1)  # a fork has no other threads
            resume = (out / "state.safetensors").exists()
            one = trainer(folder, out, 10**6, save_every=0.0, resume=resume)
            step = one.step

            def told(batches):
                terms = step(batches)
                seen.fill_(one.seen)
                return terms

            one.step = told
            one.fit()
        finally:
            os._exit(1)
    before = saved(out)
    deadline = time.monotonic() + 120
    while saved(out) == before and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(moment)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL  # it had not ended by itself
    return before, saved(out), int(seen)


def saved(out):
    """Pictures seen by the state file; 0 if there is none."""
    path = out / "state.safetensors"
    if not path.exists():
        return 0
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["run"])["seen"]


def test_a_killed_process_leaves_whole_files_and_goes_on(folder, tmp_path):
    draw = random.Random(0)
    for _ in range(int(os.environ.get("KILLS", 2))):
        before, after, seen = train_until_killed(folder, tmp_path, draw.uniform(0, 0.5))
        assert after > before and seen - 4 <= after <= seen  # one interval at most is lost
        for path in tmp_path.glob("[!.]*.safetensors"):
            load_file(path)
        if (tmp_path / "tokenizer.json").exists():
            TaTok.from_pretrained(tmp_path)
        if (tmp_path / "log.csv").exists():  # what it tells was saved
            last = (tmp_path / "log.csv").read_text().splitlines()[-1]
            assert 0 < int(last.split(",")[0]) <= after
        if (tmp_path / "pictures.png").exists():
            Image.open(tmp_path / "pictures.png").load()
    assert before > 0  # the later ones went on from the earlier
