"""gFD, memorising and top-1 against direct computations; the command line from files to files."""

import dataclasses
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import pictures, random_generator, random_model

import analysis.__main__ as command_line
from analysis.base.extractors import IMAGENETTE
from analysis.base.metrics import FrechetDistance, frechet_distance
from analysis.base.provenance import Data, provenance
from analysis.base.results import load
from analysis.generator import commands
from analysis.generator import quality as generation
from tatok import MaskGIT, TaTok, load_image
from tatok.images import to_pil
from tatok.lite import LiteOutput
from tatok.sampling import SamplingOptions, sample
from tatok.training.data import ImageFile

FOLDERS = ("n01440764", "n03888257", "forest")  # two of ImageNet, one that is not
TENCH, PARACHUTE = 0, 701


class Stub:
    """Means over the quarters of an image; "tench" is redness, "parachute" is blueness."""

    name = "quarter means"
    images = 0

    def __call__(self, x):
        Stub.images += len(x)
        logits = torch.zeros(len(x), 1000)
        logits[:, TENCH], logits[:, PARACHUTE] = x[:, 0].mean((1, 2)), x[:, 2].mean((1, 2))
        logits[:, 500] = 9.0  # a class that is none of ours must not count
        return LiteOutput((), F.adaptive_avg_pool2d(x, 2).flatten(1), logits)

    def to(self, **_):
        return self


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two sets: pictures of 40 px, 7 training and 5 held-out ones of each class."""
    root = tmp_path_factory.mktemp("data")
    for place, folder in enumerate(FOLDERS):
        for part, count in (("train", 7), ("val", 5)):
            target = root / ("scenes" if folder == "forest" else "objects") / part / folder
            target.mkdir(parents=True)
            for n, x in enumerate(pictures(count, 40, seed=10 * place + len(part))):
                to_pil(x).save(target / f"{n}.png")
    other = root / "objects" / "train" / "unused"
    other.mkdir()
    to_pil(pictures(1)[0]).save(other / "0.png")
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A tokenizer and a generator of three classes in one folder."""
    target = tmp_path_factory.mktemp("weights")
    random_model().save_pretrained(target)
    generator = random_generator(
        TaTok.from_pretrained(target), classes=("tench", "parachute", "forest")
    )
    record = {"images": 77, "hours": 0.5, "folders": FOLDERS}
    generator.save_pretrained(target, extra=record)
    return target


@pytest.fixture
def models(weights):
    return TaTok.from_pretrained(weights), MaskGIT.from_pretrained(weights)


# --- numbers ---------------------------------------------------------------------------------


def test_memorised_is_nearer_than_the_neighbours_neighbour():
    g = torch.Generator().manual_seed(0)
    X = torch.randn(300, 5, generator=g).double()
    Y = 0.5 * torch.randn(290, 5, generator=g).double()
    expected = 0
    for y in Y:
        distance = (X - y).norm(dim=1)
        x = int(distance.argmin())
        rest = torch.cat([X[:x], X[x + 1 :]])
        expected += bool(distance[x] < (rest - X[x]).norm(dim=1).min())
    assert 0 < expected < 290
    assert generation.memorised(X, Y).sum() == expected and len(Y) == 290
    assert generation.memorised(X, X[:7]).all()  # copies
    assert not generation.memorised(X, X[:7] + 100).any()


def test_top1_is_among_the_classes_of_imagenet():
    logits = torch.zeros(6, 1000)
    logits[:, 500] = 9
    for row, index in enumerate((TENCH, PARACHUTE, TENCH, TENCH, TENCH, TENCH)):
        logits[row, index] = 1
    labels = torch.tensor([0, 0, 1, 0, 2, 2])  # right, wrong, of no class, right, wrong, wrong
    assert generation.top1(logits, labels, (TENCH, None, PARACHUTE)) == 2 / 5
    assert generation.top1(logits, labels, (TENCH, None, None)) is None


def test_halves_are_disjoint_and_of_one_size():
    X = np.random.default_rng(0).normal(size=(21, 3))
    judge = generation.Judge(Stub(), X, (None,))
    assert judge.halves(1000).n == 10 and judge.halves(4).n == 4
    even = [(2 * j + 1) * 21 // 40 for j in range(20)]
    expected = frechet_distance(X[even[0::2]], X[even[1::2]])
    assert judge.halves(1000).value == pytest.approx(expected)
    assert judge.halves(1000).label == "FD (quarter means, N=10 against 10)"


# --- pictures --------------------------------------------------------------------------------


def test_pictures_are_balanced_and_of_the_classes_alone(data):
    found = generation.find_pictures(data, FOLDERS, 8, None)
    assert len(found.training) == 21
    assert [file.label for file in found.held_out] == [FOLDERS[i % 3] for i in range(8)]
    assert len(set(found.held_out)) == 8
    assert all(file.path.parts[-3] == "val" for file in found.held_out)
    assert all(file.path.parts[-3] == "train" for file in found.training)
    few = generation.find_pictures(data, FOLDERS, 8, 6)
    assert len(few.training) == 6 and {file.label for file in few.training} == set(FOLDERS)
    assert few.sha256 != found.sha256


@pytest.mark.parametrize(
    ("folders", "n", "limit", "says"),
    [
        (("sea",), 4, None, "no pictures of the class sea"),
        (FOLDERS, 16, None, "takes 6 held-out pictures of n01440764, of 5"),
        (FOLDERS, 1, None, "At least two"),
        (FOLDERS, 6, 3, "four training"),
    ],
)
def test_missing_pictures_are_named(data, folders, n, limit, says):
    with pytest.raises(generation.BadData, match=says):
        generation.find_pictures(data, folders, n, limit)


def test_training_features_are_kept(data, tmp_path):
    files = generation.find_pictures(data, FOLDERS, 2, None).training
    cache = tmp_path / "cache"
    first = generation.training_features(files, 32, Stub(), cache)
    expected = Stub()(torch.cat([load_image(file.path, 32) for file in files])).features
    np.testing.assert_allclose(first, expected, atol=1e-6)
    seen = Stub.images
    again = generation.training_features(files, 32, Stub(), cache)
    assert Stub.images == seen and np.array_equal(first, again)
    for other, size in ((files[1:], 32), (files, 16)):
        generation.training_features(other, size, Stub(), cache)
        assert Stub.images > seen
        seen = Stub.images
    assert len(list(cache.iterdir())) == 3


def test_features_of_a_changed_file_are_made_anew(tmp_path):
    """The same name, another picture."""
    paths = [tmp_path / f"{i}.png" for i in range(2)]
    for path, x in zip(paths, pictures(2), strict=True):
        to_pil(x).save(path)
    files = [ImageFile(path, "") for path in paths]
    first = generation.training_features(files, 32, Stub(), tmp_path / "cache")
    to_pil(pictures(3)[2]).save(paths[0])
    changed = generation.training_features(files, 32, Stub(), tmp_path / "cache")
    assert not np.allclose(changed[0], first[0]) and np.array_equal(changed[1], first[1])


def test_unreadable_training_pictures_are_left_out(data, tmp_path):
    files = generation.find_pictures(data, FOLDERS, 2, None).training
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    files = (files[0], dataclasses.replace(files[0], path=broken), files[1])
    assert len(generation.training_features(files, 32, Stub(), None)) == 2


# --- all of it -------------------------------------------------------------------------------


def directly(tokenizer, generator, n, options):
    """Features, logits and N of n pictures drawn in one batch."""
    labels = [i % 3 for i in range(n)]
    tokens = list(sample(generator, labels, **dataclasses.asdict(options)))[-1].tokens
    return Stub()(tokenizer.decode(tokens)), tokens.count.double()


def test_every_row_is_what_the_public_api_gives(models, data):
    tokenizer, generator = models
    n, found = 11, generation.find_pictures(data, FOLDERS, 11, None)
    training = generation.training_features(found.training, 32, Stub(), None)
    judge = generation.Judge(Stub(), training, (TENCH, PARACHUTE, None))
    settings = [SamplingOptions(steps=3, guidance=g, epsilon=0.2) for g in (1.0, 3.0, 8.0)]
    origin = provenance(generator.fingerprint, {}, Data("*/train", "", 21), 0, Stub.name, [])
    result = generation.measure(tokenizer, generator, judge, found.held_out, settings, origin)
    labels = torch.arange(n) % 3

    x = torch.cat([load_image(file.path, 32) for file in found.held_out])
    encoding = tokenizer.encode(x)
    selection = tokenizer.select(encoding, 0.2)
    y = tokenizer.decode(tokenizer.quantize(encoding, selection))
    sets = [
        (result.held_out, Stub()(x), None),
        (result.reconstructed, Stub()(y), selection.count.double()),
        *(
            (row, *directly(tokenizer, generator, n, row.options))
            for row in (*result.generated, result.chosen)
        ),
    ]
    for row, seen, N in sets:
        distance = frechet_distance(training, seen.features.numpy())
        assert row.distance.value == pytest.approx(distance, rel=1e-4)
        label = "N=11 generated, 21 real" if row.options else "N=11 against 21"
        assert row.distance.n == n and label in row.distance.label
        mirrored = seen.features.view(-1, 3, 2, 2).flip(3).flatten(1)
        copied, copied_mirrored = (
            generation.memorised(torch.from_numpy(training), features.double())
            for features in (seen.features, mirrored)
        )
        assert row.memorised == (copied | copied_mirrored).double().mean().item()
        assert row.top1 == generation.top1(seen.logits, labels, judge.imagenet)
        assert (row.count is None) == (N is None)
        if N is not None:
            assert row.count == pytest.approx(N.mean().item())
            assert row.count_deviation == pytest.approx(N.std().item())
    values = [row.distance.value for row in result.generated]
    assert values == sorted(values) and len(set(values)) == 3
    assert {row.options for row in result.generated} == set(settings)
    best, again = generation.choose(result.generated, result.reconstructed), result.chosen
    assert again.options == dataclasses.replace(best.options, seed=1) and best.options.seed == 0
    assert again.name == f"{best.name}, drawn anew" and again.distance.value not in values
    assert result.imagenet_classes == 2 and result.tokenizer == tokenizer.fingerprint
    lines = [line for line in generation.markdown(result).splitlines() if line.startswith("| ")]
    assert lines[2].startswith("| **chosen**: guidance")
    assert f"| {again.distance.value:.1f} |" in lines[2]
    assert lines[3].startswith("| guidance") and f"| {values[0]:.1f} |" in lines[3]
    assert len(lines) == 8
    assert "chosen by these very numbers, of 3:" in generation.markdown(result)


def test_the_choice_is_the_smallest_gfd_with_half_the_ceiling():
    def row(gfd, top1):
        return generation.Row("", None, FrechetDistance(gfd, 1, ""), 0.0, top1, None, None)

    a, b, c = drawn = row(1.0, 0.29), row(2.0, 0.31), row(3.0, 0.6)
    for ceiling, best in ((0.5, a), (0.6, b), (1.0, c), (1.3, a), (None, a)):
        assert generation.choose(drawn, row(0.0, ceiling)) is best
    assert generation.choose([b, a], row(0.0, None)) is a


def test_folders_of_the_classes(models):
    _, generator = models
    assert generation.class_folders(generator, {"folders": list(FOLDERS)}) == FOLDERS
    assert generation.class_folders(generator, {}) == ("tench", "parachute", "forest")
    assert len(IMAGENETTE) == 10


def run(*arguments):
    command_line.main(["generation", *map(str, arguments)])


def test_the_command_writes_what_it_prints(weights, data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(commands, "Lite0", Stub)
    out = tmp_path / "generation.json"
    run("--weights", weights, "--data", data, "--n", 6, "--guidance", 1, 4, "--temperature", 0.5,
        "--choice-temperature", 1, 3, "--guidance-schedule", "constant",
        "--steps", 2, "--seed", 3, "--cache", tmp_path / "cache", "--out", tmp_path)  # fmt: skip
    result = load(generation.Generation, out)
    printed = capsys.readouterr().out
    assert generation.markdown(result) in printed and result.provenance.line() in printed
    options = [row.options for row in result.generated]
    pairs = {(one.guidance, one.choice_temperature) for one in options}
    assert pairs == {(1.0, 1.0), (1.0, 3.0), (4.0, 1.0), (4.0, 3.0)} and len(options) == 4
    assert {(one.guidance_schedule, one.temperature) for one in options} == {("constant", 0.5)}
    assert all(row.options.seed == 3 and row.options.steps == 2 for row in result.generated)
    origin, generator = result.provenance, MaskGIT.from_pretrained(weights)
    assert (origin.weights, origin.training_images) == (generator.fingerprint, 77)
    assert (origin.data.n, origin.seed, origin.extractor) == (21, 3, Stub.name)
    assert str(data) not in out.read_text() and json.loads(out.read_text())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--guidance", "nan"], "guidance must be a number."),
        (["--steps", "0"], "steps must be a whole number from 1"),
        (["--n", "90"], "takes 30 held-out pictures"),
        (["--data", "nowhere"], "no pictures|not a folder|no folder"),
        (["--weights", "bare"], "There is no generator.json in bare."),
        (["--weights", "mixed"], "belong to another tokenizer"),
        (["--out", "file"], "is not a folder"),
    ],
)
def test_mistakes_are_one_sentence(weights, data, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(commands, "Lite0", Stub)
    random_model(seed=1).save_pretrained("bare")
    (tmp_path / "file").write_text("")
    random_model(seed=1).save_pretrained("mixed")
    MaskGIT.from_pretrained(weights).save_pretrained("mixed")
    given = {"--weights": str(weights), "--data": str(data), "--n": "6"}
    given |= dict(zip(arguments[::2], arguments[1::2], strict=True))
    with pytest.raises(SystemExit, match=says) as error:
        run(*(part for pair in given.items() for part in pair))
    assert "\n" not in str(error.value)
