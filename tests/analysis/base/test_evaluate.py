"""The model card's table against direct computations with the public API and NumPy."""

import dataclasses
import json

import conftest
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import analysis.__main__ as command_line
from analysis.base import commands
from analysis.base import evaluate as card
from analysis.base.metrics import frechet_distance
from analysis.base.runner import Setting, run
from tatok import TaTok, load_image
from tatok.entropy import ESTIMATORS
from tatok.filtering import POLICIES
from tatok.training.data import list_images
from tatok.transformer import patchify

CONFIG = conftest.TINY
M, K, SIZE = CONFIG.num_patches, CONFIG.codebook_size, CONFIG.image_size


class Means:
    """Means over the quarters of an image, (B, 12)."""

    name = "quarter means"

    def features(self, x):
        return F.adaptive_avg_pool2d(x, 2).flatten(1)

    def to(self, **_):
        return self


def random_model(**changes):
    """With correlations, which a fresh model has none of."""
    model = conftest.random_model(**changes)
    noise = torch.randn(M, 2 * M, generator=torch.Generator().manual_seed(0))
    model.correlation.copy_(torch.corrcoef(noise))
    return model


def picture(seed):
    """Smooth noise: 8-bit RGB, a little larger than S and not square."""
    noise = np.random.default_rng(seed).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((44, 40), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def model():
    return random_model()


@pytest.fixture(scope="module")
def images():
    return torch.cat([load_image(picture(seed), size=SIZE) for seed in range(10)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two sets with two classes each: 8 validation and 6 training pictures in a class."""
    root = tmp_path_factory.mktemp("data")
    seed = 100
    for part, count in (("val", 8), ("train", 6)):
        for place in ("pets/{}/cat", "pets/{}/dog", "places/{}/sea", "places/{}/wood"):
            target = root / place.format(part)
            target.mkdir(parents=True)
            for n in range(count):
                picture(seed).save(target / f"{n}.png")
                seed += 1
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    target = tmp_path_factory.mktemp("weights")
    random_model().save_pretrained(target, extra={"images": 77, "hours": 0.5})
    return target


def directly(model, images, setting, seed=5):
    """What the setting gives by the four calls of the public API on all images at once."""
    with torch.no_grad():
        encoding = model.encode(images, setting.k)
        epsilon = {} if setting.epsilon is None else {"epsilon": setting.epsilon}
        selection = model.select(
            encoding,
            estimator=setting.estimator,
            policy=setting.policy,
            count=setting.count,
            generator=torch.Generator().manual_seed(seed),
            **epsilon,
        )
        tokens = model.quantize(encoding, selection)
        return tokens, model.decode(tokens)


def mean_psnr(x, y):
    mse = np.square(x.double().numpy() - y.double().numpy()).mean((1, 2, 3))
    return (10 * np.log10(4 / mse)).mean()


@pytest.mark.parametrize("layout", ["grid", "sequence"])
def test_every_row_is_what_the_public_api_gives(images, layout):
    model = random_model(layout=layout)
    sets = ["a", "b", "b", "a", "a", "b", "b", "b", "b", "b"]
    in_a = torch.tensor([s == "a" for s in sets])
    report = card.evaluate(model, images, sets, Means(), train=[], seed=5)
    rows = [row for row in report.rows if row.setting]
    assert rows
    for row in rows:
        tokens, y = directly(model, images, row.setting)
        assert row.count == pytest.approx(tokens.count.double().mean().item()), row
        assert row.count_deviation == pytest.approx(tokens.count.numpy().std(ddof=1)), row
        assert row.bits == pytest.approx(tokens.bits().double().mean().item()), row
        expected = [
            ("a", 3, mean_psnr(images[in_a], y[in_a])),
            ("b", 7, mean_psnr(images[~in_a], y[~in_a])),
            ("all", 10, mean_psnr(images, y)),
        ]
        for part, (name, n, value) in zip(row.psnr, expected, strict=True):
            assert (part.set, part.n) == (name, n)
            assert part.psnr == pytest.approx(value, abs=1e-4), row
        if row.rfd:
            X, Y = (Means().features(z).numpy() for z in (images, y))
            assert row.rfd.value == pytest.approx(frechet_distance(X, Y), rel=1e-4)
            assert row.rfd.label == "rFD (quarter means, N=10)"
    distinct = {round(row.psnr[-1].psnr, 6) for row in rows if row.setting.count == M // 4}
    assert len(distinct) >= 8  # policies and estimators differ, or the test above shows little


def test_the_plan_has_every_policy_estimator_and_number(model):
    settings = [line.setting for line in card.plan(model)]
    for k in (0, 4, 6):
        assert {s.count for s in settings if s.k == k} >= {0, M}
    assert any(s.k == 0 and s.count == M // 4 for s in settings)
    for N in (M // 4, M // 2):
        here = [s for s in settings if s.k == 4 and s.count == N]
        assert {s.estimator for s in here if s.policy == "dtf"} == set(ESTIMATORS)
        with_features = {s.policy for s in here if s.features}
        assert with_features == set(POLICIES)
        assert {s.estimator for s in here if s.policy == "dtf" and s.features} == {"rate"}
    chosen = {(s.epsilon, s.estimator) for s in settings if s.epsilon is not None}
    assert chosen == {(epsilon, name) for epsilon in (0.05, 0.15) for name in ESTIMATORS}
    assert {s.k for s in settings if s.features and s.count in (0, M)} == {4}


@pytest.mark.parametrize(("k", "k_max"), [(6, 6), (0, 6)])
def test_the_plan_of_a_model_with_fewer_ks_repeats_no_row(k, k_max):
    model = random_model(k=k, k_max=k_max)
    lines = [line for line in card.plan(model) if line.section == card.TOKENS]
    assert len({line.name for line in lines}) == len(lines)
    assert {line.setting.k for line in lines} == {0, k_max}
    assert {line.setting.count for line in lines if line.setting.k == k} == {0, M // 4, M}


@pytest.mark.parametrize("own", ["rate", "prior"])
def test_equal_bits_are_the_most_patches_that_fit(own, images):
    model = random_model(estimator=own)
    lines = [line for line in card.plan(model) if " bits" in line.section]
    assert lines
    for line in lines:
        reference = next(N for N in (4, 8) if line.section.endswith(f"N = {N}"))
        tokens, _ = directly(model, images[:1], Setting(4, reference, estimator=own))
        budget = tokens.bits().item()
        assert f" {budget:,} bits" in line.section
        bits = []
        for more in (0, 1):
            setting = dataclasses.replace(line.setting, count=line.setting.count + more)
            bits.append(directly(model, images[:1], setting)[0].bits().item())
        assert bits[0] <= budget < bits[1]
        assert line.setting.count != reference
    without_positions = card.plan(random_model(layout="sequence"))  # equal N is equal bits there
    assert not [line for line in without_positions if " bits" in line.section]


def test_a_result_does_not_depend_on_the_batch(model, images):
    settings = [Setting(4, 5, policy="random"), Setting(0, epsilon=0.3, features=True)]
    one, other = (run(model, images, settings, Means(), batch=b) for b in (3, 10))
    for setting in settings:
        a, b = one.results[setting], other.results[setting]
        torch.testing.assert_close(a.psnr, b.psnr)
        assert torch.equal(a.count, b.count)
        assert torch.equal(a.patch_use, b.patch_use)
    np.testing.assert_allclose(
        one.results[settings[1]].features, other.results[settings[1]].features
    )
    assert one.results[settings[0]].features is None
    np.testing.assert_allclose(one.features, Means().features(images))


def test_a_policy_without_h_takes_its_n_from_the_estimator(model, images):
    setting = Setting(4, epsilon=0.2, estimator="code", policy="last")
    tokens, y = directly(model, images, setting)
    result = run(model, images, [setting]).results[setting]
    assert torch.equal(result.count, tokens.count)
    sent = tokens.patch_codes[tokens.patch_codes >= 0]
    assert 0 < len(sent) < tokens.patch_codes.numel()
    assert result.patch_use.tolist() == [(sent == code).sum() for code in range(K)]
    assert result.psnr.mean().item() == pytest.approx(mean_psnr(images, y))


def test_settings_that_make_no_sense_are_refused(model, images):
    for both_or_none in ({}, {"count": 3, "epsilon": 0.1}):
        with pytest.raises(ValueError, match="count or an epsilon"):
            Setting(4, **both_or_none)
    with pytest.raises(ValueError, match="extractor"):
        run(model, images, [Setting(4, 3, features=True)])
    for count in (-1, M + 1):
        with pytest.raises(ValueError, match="0..16"):
            run(model, images, [Setting(4, count)])


def test_codebook_use(model, images):
    report = card.evaluate(model, images, ["a"] * len(images), Means(), train=[])
    assert [(book.codebook, book.k) for book in report.codebooks] == [
        ("patch", 4), ("global", 4), ("patch", 0), ("patch", 6), ("global", 6)
    ]  # fmt: skip
    for book in report.codebooks:
        tokens, _ = directly(model, images, Setting(book.k, M))
        codes = (tokens.patch_codes if book.codebook == "patch" else tokens.global_codes).numpy()
        counts = np.unique(codes, return_counts=True)[1]
        p = counts / counts.sum()
        assert book.tokens == codes.size
        assert book.share == pytest.approx(len(counts) / K)
        assert book.perplexity == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-5)


def test_the_floor_is_the_nearest_centre_in_numpy(images, folder):
    train = list_images([folder / "pets" / "train", folder / "places" / "train"])
    centres = card.floor_centres(train, CONFIG, torch.Generator().manual_seed(3))
    assert centres.shape == (K, 192)
    rows = card.references(images, ["a"] * len(images), CONFIG, train, seed=3)
    assert rows[0].bits == 6 * M  # log2 of 64 codes
    y = np.empty(images.shape)
    C = centres.double().numpy().reshape(K, 3, 8, 8)
    for b in range(len(images)):
        for i in range(0, SIZE, 8):
            for j in range(0, SIZE, 8):
                patch = images[b, :, i : i + 8, j : j + 8].numpy()
                y[b, :, i : i + 8, j : j + 8] = C[np.square(patch - C).sum((1, 2, 3)).argmin()]
    expected = mean_psnr(images, torch.from_numpy(y))
    assert rows[0].psnr[0].psnr == pytest.approx(expected, abs=1e-4)


def test_the_floor_is_fitted_to_the_training_pictures_and_the_seed(folder):
    train = list_images([folder / "pets" / "train"])
    generator = lambda seed: torch.Generator().manual_seed(seed)  # noqa: E731
    fit = lambda files, seed: card.floor_centres(files, CONFIG, generator(seed))  # noqa: E731
    centres = fit(train, 0)
    assert torch.equal(centres, fit(train, 0))
    assert not torch.equal(centres, fit(train, 1))
    assert not torch.equal(centres, fit(list_images([folder / "places" / "train"]), 0))
    x = torch.cat([load_image(file.path, size=SIZE) for file in train])
    patches = x.unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5).reshape(-1, 192)
    drawn = patches[torch.randperm(len(patches), generator=generator(0))[:K]]
    error = lambda c: torch.cdist(patches, c).amin(1).square().mean()  # noqa: E731
    assert error(centres) < 0.9 * error(drawn)
    with pytest.raises(card.BadData, match="at least 64 training patches, not 16"):
        fit(train[:1], 0)


def test_the_floor_takes_patches_of_every_place(folder, monkeypatch):
    """Of a picture with more patches than are taken, not the first ones alone."""
    monkeypatch.setattr(card, "FLOOR_PATCHES", M // 2)
    given = []
    keep = lambda points, size, generator: given.append(points) or points[:size]  # noqa: E731
    monkeypatch.setattr(card, "kmeans", keep)
    train = list_images([folder / "pets" / "train", folder / "places" / "train"])
    card.floor_centres(train, CONFIG, torch.Generator().manual_seed(0))
    taken = given[0].view(len(train), M // 2, -1)
    places = set()
    for file, patches in zip(train, taken, strict=True):
        every = patchify(load_image(file.path, size=SIZE), CONFIG)[0]
        places |= set(torch.cdist(patches, every).argmin(dim=1).tolist())
    assert len(places) > 0.8 * M


def test_thumbnails_are_means_over_areas_scaled_up(images):
    flat = torch.tensor([-0.5, 0.1, 0.3, 0.8]).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    x = flat.repeat_interleave(16, 2).repeat_interleave(16, 3)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    noise -= F.avg_pool2d(noise, 16).repeat_interleave(16, 2).repeat_interleave(16, 3)
    torch.testing.assert_close(card.thumbnails(x + 0.1 * noise, 2), card.thumbnails(x, 2))
    torch.testing.assert_close(card.thumbnails(images, SIZE), images)
    rows = card.references(images, ["a"] * len(images), CONFIG, train=[], seed=0)
    for row, side in zip(rows, (2, 4), strict=True):
        assert f"{side}×{side}" in row.name
        y = card.thumbnails(images, side)
        assert row.psnr[0].psnr == pytest.approx(mean_psnr(images, y))


def test_the_list_is_evenly_spaced_over_every_class(folder):
    names = card.validation_list(folder, 8)
    assert names == [
        f"{place}/{n}.png"
        for place in ("pets/val/cat", "pets/val/dog", "places/val/sea", "places/val/wood")
        for n in (2, 6)
    ]
    with pytest.raises(card.BadData, match="From .* 1 to 16 images can be listed, not 17"):
        card.validation_list(folder, 34)
    with pytest.raises(card.BadData, match="no folder"):
        card.validation_list(folder / "pets" / "val", 4)


def test_the_list_that_ships_names_500_images_of_two_sets():
    names = card.read_list(card.VALIDATION)
    assert len(set(names)) == 500
    parts = [name.split("/") for name in names]
    assert {(p[0], p[1]) for p in parts} == {("imagenette", "val"), ("scenes", "val")}
    for name, classes in (("imagenette", 10), ("scenes", 6)):
        counts = np.unique([p[2] for p in parts if p[0] == name], return_counts=True)[1]
        assert len(counts) == classes
        assert counts.sum() == 250
        assert np.ptp(counts) <= 1


@pytest.fixture
def evaluate_command(folder, weights, tmp_path, monkeypatch):
    """Runs the command on a list of names, and returns the JSON that it wrote."""
    monkeypatch.setattr(commands, "Lite0", Means)
    listed = tmp_path / "some.txt"
    out = tmp_path / "results"

    def evaluate(names, *options):
        listed.write_text("\n".join(names) + "\n")
        arguments = ["evaluate", "--weights", str(weights), "--data", str(folder)]
        command_line.main([*arguments, "--list", str(listed), "--out", str(out), *options])
        return json.loads((out / "evaluate.json").read_text())

    return evaluate


def test_the_command_measures_the_listed_images(evaluate_command, folder, weights, capsys):
    names = card.validation_list(folder, 8)[1:7]
    train = ["--train", str(folder / "pets" / "train"), str(folder / "places" / "train")]
    written = evaluate_command(names, *train)
    model = TaTok.from_pretrained(weights)
    x = torch.cat([load_image(folder / name, size=SIZE) for name in names])
    _, y = directly(model, x, Setting(4, M))
    row = next(row for row in written["rows"] if row["name"] == "all patches, k = 4")
    of_sets = [(part["set"], part["n"]) for part in row["psnr"]]
    assert of_sets == [("pets", 3), ("places", 3), ("all", 6)]
    assert row["psnr"][2]["psnr"] == pytest.approx(mean_psnr(x, y), abs=1e-3)
    assert written["rows"][0]["name"].startswith("floor")
    fitted = written["provenance"]["fitted"]
    files = list_images([folder / "pets" / "train", folder / "places" / "train"])
    assert (fitted["list"], fitted["n"]) == ("pets/train, places/train", len(files))

    printed = capsys.readouterr().out
    assert f"| all patches, k = 4 | 16 | {row['bits']:,.0f} |" in printed
    assert f"| {row['psnr'][2]['psnr']:.2f} | {row['rfd']['value']:.1f} |" in printed
    for row in written["rows"]:
        assert f"| {row['name']} |" in printed
        assert f"**{row['section']}**" in printed
    widths = {line.count("|") for line in printed.split("**Codebooks")[0].splitlines() if line}
    assert widths == {0, 8}  # headings, and tables of seven columns


def test_n_takes_evenly_from_the_list(evaluate_command, folder):
    names = card.validation_list(folder, 8)
    written = evaluate_command(names, "--n", "4")
    halved = evaluate_command(names[1::2])
    assert written["rows"] == halved["rows"]
    assert written["provenance"]["data"]["n"] == 4
    assert written["provenance"]["fitted"] is None
    assert not written["rows"][0]["name"].startswith("floor")  # no training pictures, no floor


def test_the_json_says_how_it_was_made(evaluate_command, folder, weights):
    names = card.validation_list(folder, 4)
    written = evaluate_command(names, "--seed", "9")
    origin = written["provenance"]
    assert origin["weights"] == TaTok.from_pretrained(weights).fingerprint
    assert (origin["training_images"], origin["training_hours"]) == (77, 0.5)
    assert (origin["data"]["list"], origin["data"]["n"]) == ("some.txt", 4)
    assert len(origin["data"]["sha256"]) == 64
    assert (origin["seed"], origin["extractor"]) == (9, Means.name)
    assert origin["torch"] == torch.__version__
    assert origin["command"].startswith("python -m analysis evaluate --weights")
    assert {"commit", "date"} < set(origin)
    assert str(folder.parent) not in json.dumps(written)
    x = torch.cat([load_image(folder / name, size=SIZE) for name in names])
    setting = Setting(4, M // 2, policy="random")
    row = next(row for row in written["rows"] if row["name"] == "random" and row["count"] == 8)
    for seed, same in ((9, True), (5, False)):  # the seed is not only written down
        y = directly(TaTok.from_pretrained(weights), x, setting, seed)[1]
        assert (row["psnr"][2]["psnr"] == pytest.approx(mean_psnr(x, y), abs=1e-4)) == same


@pytest.mark.parametrize(
    ("names", "options", "sentence"),
    [
        (["pets/val/cat/0.png", "pets/val/cat/99.png"], [], "1 of the 2 .* pets/val/cat/99.png"),
        (["pets/val/cat/0.png"], [], "some.txt names 1 images"),
        ([], [], "some.txt names 0 images"),
        (["pets/val/cat/0.png"] * 2, ["--n", "3"], "not 3"),
        (["pets/val/cat/0.png"] * 2, ["--weights", "assets"], "no tokenizer.json"),
        (["pets/val/cat/0.png"] * 2, ["--train", "nowhere"], "nowhere is not a folder"),
        (["pets/val/cat/0.png"] * 2, ["--list", "nowhere.txt"], "nowhere.txt is not a list"),
        (["pets/val/cat/0.png"] * 2, ["--out", "README.md"], "not a folder"),
        (["broken.png"] * 2, [], "broken.png"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(evaluate_command, folder, names, options, sentence):
    (folder / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(SystemExit, match=sentence) as end:
        evaluate_command(names, *options)
    assert "\n" not in str(end.value)


def test_another_side_leaves_out_what_is_too_small(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(commands, "Lite0", Means)
    conftest.random_model(min_side=16, max_side=64).save_pretrained(tmp_path / "sides")
    names = card.validation_list(folder, 6)
    large = tmp_path / "large.png"
    Image.new("RGB", (60, 64), "red").save(large)
    Image.new("RGB", (56, 64), "blue").save(tmp_path / "enough.png")
    (tmp_path / "list.txt").write_text("\n".join([*names, "large.png", "enough.png"]) + "\n")
    arguments = ["--list", str(tmp_path / "list.txt"), "--weights", str(tmp_path / "sides")]
    where = ["--data", str(folder), str(tmp_path), "--out", str(tmp_path)]
    command_line.main(["evaluate", *arguments, *where, "--side", "64"])
    assert "6 of 8 pictures are too small." in capsys.readouterr().err
    written = json.loads((tmp_path / "evaluate.json").read_text())
    assert written["provenance"]["data"]["n"] == 2
    row = next(row for row in written["rows"] if row["name"] == "all patches, k = 4")
    assert row["count"] == 64
    with pytest.raises(SystemExit, match="These weights take no pictures of 20 px."):
        command_line.main(["evaluate", *arguments, *where, "--side", "20"])


def test_the_list_can_be_made_again(folder, tmp_path):
    target = tmp_path / "list.txt"
    command_line.main(["validation-list", "--data", str(folder), "--n", "8", "--list", str(target)])
    assert card.read_list(target) == card.validation_list(folder, 8)
    with pytest.raises(SystemExit, match="no folder"):
        command_line.main(["validation-list", "--data", str(tmp_path), "--list", str(target)])
    assert card.read_list(target) == card.validation_list(folder, 8)  # and nothing is lost
