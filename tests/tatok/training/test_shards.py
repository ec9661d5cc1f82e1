"""WebDataset shards: the same pictures as the folders they were made of, and what is refused."""

import io
import tarfile

import pytest
import torch
from conftest import pictures, random_model

from tatok.images import BadImage, to_pil
from tatok.training import cache, data


def png(x):
    stream = io.BytesIO()
    to_pil(x).save(stream, "PNG")
    return stream.getvalue()


def shard(path, members):
    """A tar file of (name, bytes)."""
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def both(tmp_path):
    """Six pictures of classes 0 and 1 in a folder for each, and in two shards."""
    every = [png(x) for x in pictures(6)]
    for n, content in enumerate(every):
        (tmp_path / "folders" / str(n % 2)).mkdir(parents=True, exist_ok=True)
        (tmp_path / "folders" / str(n % 2) / f"{n}.png").write_bytes(content)
    (tmp_path / "shards").mkdir()
    for part in (0, 1):
        members = []
        for n in range(part, 6, 2):  # sorted as the folders are
            members += [(f"{n}.png", every[n]), (f"{n}.cls", f"{n % 2}\n".encode())]
        shard(tmp_path / "shards" / f"train-{part}.tar", members)
    return tmp_path


def test_training_draws_the_same_from_shards(both):
    folders, shards = (data.list_images([both / name]) for name in ("folders", "shards"))
    assert [file.label for file in shards] == [file.label for file in folders]
    assert [file.size for file in shards] == [file.size for file in folders]
    one, two = (data.TrainingImages(files, [32], seed=3) for files in (folders, shards))
    assert all(torch.equal(one[n], two[n]) for n in range(14))
    assert torch.equal(data.load_batch(folders, 32), data.load_batch(shards, 32))
    assert data.large_enough(shards, 32) == shards
    named = data.list_images([both / "shards" / f"train-{n}.tar" for n in (0, 1)])
    assert named == shards
    tokens = [
        cache.cache_tokens(random_model(), files, ["0", "1"], both / "cache", views=2)
        for files in (folders, shards)
    ]
    assert all(torch.equal(a, b) for a, b in zip(*(vars(t).values() for t in tokens), strict=True))


def test_a_class_is_the_text_the_folder_or_the_shard(tmp_path):
    x = png(pictures(1)[0])
    shard(
        tmp_path / "some.tar",
        [("c.cls", b"tench"), ("c.input.png", x), ("dogs/a.jpg", x), ("e.PNG", x), ("e.json", b"")],
    )
    files = data.list_images([tmp_path])
    labels = {file.path.name: file.label for file in files}
    assert labels == {"c.input.png": "tench", "a.jpg": "dogs", "e.PNG": "some"}


def test_a_bad_member_is_named_and_skipped(tmp_path, caplog):
    x = png(pictures(1)[0])
    shard(tmp_path / "s.tar", [("good.png", x), ("bad.png", x[:60])])
    files = data.list_images([tmp_path])
    with pytest.raises(BadImage, match=r"bad\.png in s\.tar"):
        files[0].open()
    images = data.TrainingImages(files, [32], seed=0)
    assert all(images[n].shape == (3, 32, 32) for n in range(2)) and images.unreadable == 1


@pytest.mark.parametrize("content", [b"", b"no tar" * 200, b"\x1f\x8b" + bytes(600)])
def test_what_is_no_shard_is_one_sentence(tmp_path, content):
    (tmp_path / "s.tar").write_bytes(content)
    with pytest.raises(data.EmptyFolder, match=r"s\.tar is not a tar file|no images"):
        data.list_images([tmp_path])


def test_a_shard_cut_short_is_one_sentence(tmp_path):
    shard(tmp_path / "s.tar", [(f"{n}.png", png(x)) for n, x in enumerate(pictures(4))])
    whole = (tmp_path / "s.tar").read_bytes()
    (tmp_path / "s.tar").write_bytes(whole[: 512 + 200])
    with pytest.raises(data.EmptyFolder, match="not a tar file|no images"):
        data.list_images([tmp_path])
