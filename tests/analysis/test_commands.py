"""run, codecs, speed and claims from the command line, on tiny weights and pictures."""

import json
import re

import conftest
import pytest
import torch
import torch.nn.functional as F

import analysis.__main__ as command_line
from analysis.base import extractors, results
from analysis.base.extractors import ExtractorUnavailable
from analysis.base.provenance import Data
from analysis.base.results import Experiment
from analysis.claims import found
from analysis.claims.protocol import END, START, Claims
from analysis.generator import speed
from analysis.paper.plans import PLANS
from analysis.paper.twins import Twins
from analysis.rate import commands as rate
from analysis.rate.codecs import Codecs
from tatok import TaTok
from tatok.bench.generator import Cost
from tatok.images import to_pil
from tatok.lite import LiteOutput


class Means(torch.nn.Module):
    """In the place of Lite0."""

    name = "EfficientNet-Lite0"

    def features(self, x):
        return x.mean((2, 3))

    def forward(self, x):
        return LiteOutput((F.avg_pool2d(x, 4),), x[:, :, 0, 0], x[:, :, 0, 0])


class Nowhere:
    """In the place of Inception."""

    def __init__(self):
        raise ExtractorUnavailable("It cannot be had.")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("private") / "pictures"
    folder.mkdir()
    for n, x in enumerate(conftest.pictures(6, 40)):
        to_pil(x).save(folder / f"{n}.png")
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    target = tmp_path_factory.mktemp("weights")
    conftest.random_model().save_pretrained(target, extra={"images": 77, "hours": 0.5})
    return target


@pytest.fixture
def command(tmp_path, data, weights, monkeypatch):
    """Runs a command with this test's folders."""
    monkeypatch.setitem(extractors.EXTRACTORS, "lite0", Means)
    monkeypatch.setitem(extractors.EXTRACTORS, "inception", Nowhere)
    monkeypatch.setattr(extractors, "Lite0", Means)
    monkeypatch.setattr(rate, "Lite0", Means)

    def call(*arguments):
        common = ["--data", str(data), "--n", "4", "--weights", str(weights)]
        goes_on = arguments[0] in ("run", "twins")
        work = ["--work", str(tmp_path / "work")] if goes_on else []
        out = ["--out", str(tmp_path / "results")]
        command_line.main([arguments[0], *common, *work, *out, *arguments[1:]])

    return call


def test_run_writes_a_file_for_each_experiment(command, tmp_path, data, weights, capsys):
    command("run", "fig3", "epsilon", "fig3", "--seed", "5")
    printed = capsys.readouterr().out
    assert printed.count("## Fig. 3") == 1 and "Time: load" in printed
    assert {p.name for p in (tmp_path / "results").iterdir()} == {"fig3.json", "epsilon.json"}
    made = results.load(Experiment, tmp_path / "results" / "epsilon.json")
    origin = made.provenance
    assert (origin.data.list, origin.data.n, origin.seed) == ("pictures", 4, 5)
    assert (origin.training_images, origin.extractor) == (77, "EfficientNet-Lite0")
    assert origin.weights == TaTok.from_pretrained(weights).fingerprint
    assert made.fd_label == "rFD (EfficientNet-Lite0, N=4)"
    assert str(data.parent) not in (tmp_path / "results" / "epsilon.json").read_text()
    assert made.series[0].points[0].setting.epsilon == 0.0
    before = json.loads((tmp_path / "results" / "fig3.json").read_text())
    command("run", "fig3", "--seed", "5")  # all from the work folder
    again = json.loads((tmp_path / "results" / "fig3.json").read_text())
    assert again["series"] == before["series"]
    timed = ("load", "encode", "select", "decode", "features")
    assert [again["seconds"][name] for name in timed] == [before["seconds"][name] for name in timed]


def test_weights_for_several_sides_are_measured_at_one(command, tmp_path):
    """Half of the largest, or --side; the weights are named as they are on disk."""
    large = conftest.random_model(image_size=64, min_side=16, max_side=64)
    large.save_pretrained(tmp_path / "large")
    for flags, side in (([], 32), (["--side", "48"], 48)):
        command("run", "fig3", "--weights", str(tmp_path / "large"), *flags)
        made = results.load(Experiment, tmp_path / "results" / "fig3.json")
        assert made.series[0].points[0].count == (side // 8) ** 2
        assert (made.provenance.side, made.provenance.weights) == (side, large.fingerprint)


def test_sides_are_measured_by_the_weights_as_they_are(tmp_path, data, monkeypatch):
    """Tables of places that were drawn smaller first would lose what they say of large grids."""
    large = conftest.random_model(image_size=64, min_side=16, max_side=64)
    large.save_pretrained(tmp_path / "large")
    seen = []
    monkeypatch.setattr(rate.sides, "large_pictures", lambda *_: ([], Data("x", "0" * 64, 0)))
    monkeypatch.setattr(rate.sides, "measure", lambda model, *_: seen.append(model))
    monkeypatch.setattr(rate.sides, "markdown", lambda _: "")
    monkeypatch.setattr(rate.cli, "save", lambda *_: None)
    where = ["--data", str(data), "--weights", str(tmp_path / "large"), "--out", str(tmp_path)]
    command_line.main(["sides", *where])
    assert seen[0].fingerprint == large.fingerprint


def test_twins_are_one_experiment_with_a_point_of_each(command, tmp_path, capsys):
    models = {k: conftest.random_model(seed=k, k=k, k_max=k) for k in (4, 0)}
    for k, model in models.items():
        model.save_pretrained(tmp_path / f"{k}", extra={"images": 70 + k, "hours": 1.5})
    command("twins", "--weights", *(str(tmp_path / f"{k}") for k in models))
    made = results.load(Twins, tmp_path / "results" / "twins.json")
    (series,) = made.series
    M = conftest.TINY.num_patches
    assert [(p.x, p.setting.k, p.count) for p in series.points] == [(0, 0, M), (4, 4, M)]
    assert made.provenance.weights == "; ".join(
        f"k = {k}: {models[k].fingerprint} ({70 + k} images, 1.5 h)" for k in (0, 4)
    )
    assert "Fig. 3 with weights for each k" in capsys.readouterr().out
    for given in (["4"], ["4", "4"]):
        with pytest.raises(SystemExit, match="of a different k each"):
            command("twins", "--weights", *(str(tmp_path / name) for name in given))


def test_other_pictures_of_the_same_names_are_measured_anew(command, tmp_path, data):
    def psnr():
        command("run", "fig3")
        made = results.load(Experiment, tmp_path / "results" / "fig3.json")
        return made.series[0].points[0].psnr.value

    before, path = psnr(), data / "2.png"
    assert psnr() == before
    original = path.read_bytes()
    to_pil(conftest.pictures(1, 40, seed=77)).save(path)
    try:
        assert psnr() != before
    finally:
        path.write_bytes(original)


def test_where_inception_cannot_be_had_lite0_is_used_and_said(command, tmp_path, capsys):
    command("run", "fig3", "--extractor", "inception")
    said = capsys.readouterr().err
    assert said.count("It cannot be had; EfficientNet-Lite0 is used instead.") == 1
    made = results.load(Experiment, tmp_path / "results" / "fig3.json")
    assert made.fd_label == "rFD (EfficientNet-Lite0, N=4)"
    assert made.provenance.extractor == "EfficientNet-Lite0"


def test_fewer_pictures_than_asked_for_are_all_used(command, tmp_path, capsys):
    command("run", "fig3", "--n", "50")
    assert "holds 6 pictures; all are used." in capsys.readouterr().err
    made = results.load(Experiment, tmp_path / "results" / "fig3.json")
    assert made.provenance.data.n == 6 and "N=6" in made.fd_label


def test_codecs_writes_its_file(command, tmp_path, capsys):
    command("codecs")
    made = results.load(Codecs, tmp_path / "results" / "codecs.json")
    assert {point.coder for point in made.points} == {"TaTok", "JPEG", "WebP", "AVIF"}
    assert made.provenance.data.n == 4
    assert made.comparisons[0].sentence(made.image_size) in capsys.readouterr().out


def test_the_claims_read_what_the_runs_write(tmp_path, weights, monkeypatch):
    monkeypatch.setitem(extractors.EXTRACTORS, "lite0", Means)
    folder, out, readme = (tmp_path / name for name in ("pictures", "results", "README.md"))
    folder.mkdir()
    readme.write_text(f"{START}\n{END}\n{found.START}\n{found.END}\n")
    for n, x in enumerate(conftest.pictures(40)):
        to_pil(x).save(folder / f"{n}.png")
    common = ["--data", str(folder), "--out", str(out), "--weights", str(weights)]
    command_line.main(["run", *PLANS, *common, "--work", str(tmp_path / "work")])
    asked = ["claims", "--out", str(out), "--readme", str(readme)]
    command_line.main([*asked, "--weights", str(weights)])
    rows = {row.id: row for row in results.load(Claims, out / "claims.json").rows}
    judged = ("holds", "holds in part", "undecided here", "does not hold here")
    for id in ("redundant-half", "collapse", "dtf-best", "baselines", "few-tokens", "epsilon"):
        assert rows[id].verdict in judged, rows[id]
    for id in ("dtf-residual", "few-residual", "no-loss-residual", "epsilon-residual"):
        assert rows[id].verdict in judged and rows[id].n == "40", rows[id]
    assert rows["globals-rfd"].because == "these weights have no point at 16"  # k_max is 6
    assert "python -m analysis bias" in rows["edges"].because
    assert rows["edges"].verdict == "not measured yet"
    assert "pictures" in readme.read_text()


def test_speed_and_claims(tmp_path, monkeypatch, capsys):
    asked = []

    def compare(*arguments):
        asked.append(arguments)
        return [Cost("paper", "57 tokens", 57, 1e9, 9.0, 10.0, 8.5)]

    monkeypatch.setattr(speed, "compare", compare)
    out, readme = tmp_path / "results", tmp_path / "README.md"
    readme.write_text(f"{START}\n{END}\n{found.START}\n{found.END}\n")
    command_line.main(["speed", "--size", "paper", "--batch", "2", "--out", str(out)])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    assert asked == [(["paper"], None, 2, 8, device)]
    command_line.main(["claims", "--out", str(out), "--readme", str(readme)])
    made = results.load(Claims, out / "claims.json")
    (row,) = (row for row in made.rows if row.id == "speed")
    assert row.verdict == "holds" and row.ours == "timed × 8.5, counted × 10.0"
    assert row.text in readme.read_text() and row.text in capsys.readouterr().out
    readme.write_text("nothing")
    with pytest.raises(SystemExit, match="no place for the table"):
        command_line.main(["claims", "--out", str(out), "--readme", str(readme)])


def test_a_picture_that_cannot_be_read_is_found_before_the_work(tmp_path, weights):
    folder = tmp_path / "pictures"
    folder.mkdir()
    to_pil(conftest.pictures(1)).save(folder / "a.png")
    (folder / "b.png").write_bytes(b"no picture")
    arguments = ["run", "fig3", "--data", str(folder), "--weights", str(weights)]
    with pytest.raises(SystemExit, match=r"^b\.png is not recognised"):
        command_line.main(
            [*arguments, "--work", str(tmp_path / "work"), "--out", str(tmp_path / "results")]
        )
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "fig3"], "Name a folder of pictures with --data"),
        (["speed", "--batch", "0"], "A batch holds 1 picture or more, not 0"),
        (["codecs"], "Name a folder of pictures with --data"),
        (["run", "fig3", "--data", "nowhere"], "nowhere is not a folder"),
        (["run", "fig3", "--data", "DATA", "--n", "1"], "2 or more images can be used, not 1"),
        (["codecs", "--data", "DATA", "--weights", "assets"], "no tokenizer.json"),
        (["run", "fig3", "--data", "DATA", "--out", "DATA/0.png"], "not a folder that results"),
        (["run", "fig3", "--data", "DATA", "--work", "DATA/0.png"], "Nothing can be written"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(arguments, sentence, data, weights, tmp_path):
    arguments = [a.replace("DATA", str(data)) for a in arguments]
    if "--out" not in arguments:
        arguments += ["--out", str(tmp_path)]
    if arguments[0] != "speed" and "--weights" not in arguments:
        arguments += ["--weights", str(weights)]
    with pytest.raises(SystemExit, match=sentence) as end:
        command_line.main(arguments)
    assert not re.search(r"\n|Traceback", str(end.value))
