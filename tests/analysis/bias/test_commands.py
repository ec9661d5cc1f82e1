"""The lab's commands, from pictures in a folder to a result file that can be read back."""

import conftest
import numpy as np
import pytest
from PIL import Image
from pretend_gpu import PretendGPU

import analysis.__main__ as command_line
from analysis.base import cli
from analysis.base.results import load
from analysis.bias import commands, counterfactuals, cure, decomposition, placement, probe
from analysis.rate import redundancy, theory
from tatok import TaTok

KINDS = {
    "bias": placement.Bias,
    "counterfactuals": counterfactuals.Counterfactuals,
    "decompose": decomposition.PlaceShares,
    "probe": probe.Probes,
    "cure": cure.Cure,
    "theory": theory.Theory,
    "redundancy": redundancy.Redundancies,
}
OPTIONS = {
    "bias": ["--pictures", "3"],
    "cure": ["--images", "4", "--estimators", "residual"],
    "probe": ["--images", "6"],
    "redundancy": ["--images", "6", "--sequences", "16"],
}


class Means:
    """Stands in for the extractor, whose weights take seconds to load."""

    name = "means"

    def to(self, **_):
        return self

    def features(self, x):
        return x.mean(dim=(2, 3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """4 validation pictures with their list, 6 for training, and the weights of two layouts."""
    root = tmp_path_factory.mktemp("lab")
    for part, count in (("val", 4), ("train", 6)):
        (root / part).mkdir()
        for n in range(count):
            levels = np.random.default_rng(n).integers(0, 256, (6, 5, 3), dtype=np.uint8)
            Image.fromarray(levels).resize((40, 36)).save(root / part / f"{n}.png")
    (root / "list.txt").write_text("".join(f"val/{n}.png\n" for n in range(4)))
    for layout in ("grid", "sequence"):
        conftest.random_model(layout=layout).save_pretrained(root / layout)
    return root


def run(folder, verb, out, weights=("grid",)):
    common = ["--data", str(folder), "--n", "4"]
    if verb != "cure":
        common += ["--list", str(folder / "list.txt")]
    options = [*OPTIONS.get(verb, []), *common, "--seed", "2", "--out", str(out)]
    if verb in ("probe", "cure", "redundancy"):
        options += ["--train", str(folder / "train")]
    if verb == "redundancy":
        options += ["--cache", str(folder / "cache")]
    names = [str(folder / name) for name in weights]
    command_line.main([verb, "--weights", *names, *options])


@pytest.mark.parametrize("verb", KINDS)
def test_every_command_writes_what_can_be_read_back(folder, verb, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(commands, "Lite0", Means)
    monkeypatch.setattr(probe, "STEPS", 3)
    several = verb in ("decompose", "probe")
    out = tmp_path / "results" / f"{verb}.json"
    run(folder, verb, out.parent, ("grid", "sequence") if several or verb == "bias" else ("grid",))
    result = load(KINDS[verb], out)
    parts = result.models if several else (result,)
    assert [getattr(part, "layout", "grid") for part in parts] == ["grid", "sequence"][: len(parts)]
    text = capsys.readouterr().out
    for part, name in zip(parts, ("grid", "sequence"), strict=False):
        origin = part.provenance
        assert origin.weights == TaTok.from_pretrained(folder / name).fingerprint
        assert (origin.data.n, origin.seed) == (4, 2)
        used = {"cure": 4, "probe": 6, "redundancy": 6}.get(verb)
        assert (origin.fitted and (origin.fitted.list, origin.fitted.n)) == (
            used and ("train", used)
        )
        assert origin.command.startswith(f"python -m analysis {verb} --weights grid")
        assert str(folder) not in out.read_text()
        assert origin.line() in text
    assert text.count("| ---") >= len(parts)
    if verb == "probe":
        assert all(part.patches_help.low < part.patches_help.high for part in parts)
        names = {one.name for one in result.differences}
        raw = {f"{name} − raw patches" for name in ("grid", "sequence")}
        assert names == raw | {"sequence − grid"} and (result.n_train, result.n_test) == (6, 4)
    # At ε, and at the paper's share of the patches.
    assert text.count("p: not corrected for how many are looked at") == 3 * (verb == "bias")
    if verb == "bias":
        (twin,) = result.twins
        assert (twin.weights, twin.layout) == ("sequence", "sequence")
        assert twin.provenance.weights == TaTok.from_pretrained(folder / "sequence").fingerprint
        assert twin.at_share != result.at_share
        assert {one.epsilon for one in result.placements} == {0.15}
        assert {one.count for one in result.at_share if one.n} == {1.0}  # of 16
        assert [one.pictures for one in result.at_share] == [
            one.pictures for one in result.placements
        ]


@pytest.mark.parametrize("verb", ["probe", "cure", "theory", "redundancy"])
def test_every_command_works_on_a_gpu_too(folder, verb, monkeypatch, tmp_path):
    monkeypatch.setattr(commands, "Lite0", Means)
    monkeypatch.setattr(probe, "STEPS", 3)
    monkeypatch.setattr(cli, "best_device", lambda: "cuda")
    with PretendGPU() as gpu:
        run(folder, verb, tmp_path)
    assert {"linear", "scaled_dot_product_attention"} <= gpu.used
    assert load(KINDS[verb], tmp_path / f"{verb}.json")


def test_what_cannot_be_done_is_said_in_one_sentence(folder, tmp_path):
    conftest.random_model(overlap=0.5).save_pretrained(folder / "overlap")
    with pytest.raises(SystemExit, match="overlap"):
        run(folder, "decompose", tmp_path, ("overlap",))
    with pytest.raises(SystemExit, match="no tokenizer.json"):
        run(folder, "bias", tmp_path, ("train",))
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="written"):
        run(folder, "theory", tmp_path / "file")


@pytest.mark.parametrize(
    "extra", [["--epsilon", "1"], ["--pictures", "0"], ["--epsilon", "nan"], ["--pictures", "x"]]
)
def test_values_out_of_range_are_refused(folder, extra, capsys):
    with pytest.raises(SystemExit):
        command_line.main(["bias", "--weights", str(folder), "--data", str(folder), *extra])
    assert extra[0] in capsys.readouterr().err
