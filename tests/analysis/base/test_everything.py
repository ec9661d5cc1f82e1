"""One command for all that is measured: every recipe once, and on from where it was stopped."""

import shlex
from pathlib import Path

import pytest

from analysis.__main__ import parser
from analysis.base import everything
from analysis.base.provenance import ROOT
from analysis.base.recipes import COMMANDS, FIGURES
from analysis.base.results import BadResult


@pytest.fixture
def pair(tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        (folder / "tokenizer.json").write_text("{}")
    return folders


def test_every_recipe_is_a_step_once_and_the_claims_come_after_what_they_read(pair):
    steps = list(everything.steps(Path("/pictures"), pair, "lite1"))
    names = [step.name for step in steps]
    beside = {"figures", "figures, lite1", "twins, lite1", "screenshots"}
    assert set(names) - beside == set(COMMANDS) - set(FIGURES)
    assert len(set(names)) == len(names) and names[-2:] == ["claims", "screenshots"]
    for step in steps[:-1]:
        options = parser().parse_args(step.argv[2:])  # python's -m analysis before it
        assert options.run and "DATA" not in shlex.join(step.argv)
    by_name = {step.name: step for step in steps}
    assert {"run", *FIGURES} <= set(by_name["figures"].argv)
    assert by_name["figures, lite1"].argv[-2:] == ("--extractor", "lite1")
    assert set(map(str, pair)) <= set(by_name["probe"].argv)
    assert set(by_name["probe"].weights) > set(pair)
    assert (ROOT / by_name["screenshots"].argv[0]).is_file()
    assert "figures, lite1" not in [s.name for s in everything.steps(Path("d"), pair, None)]


def test_a_stopped_run_goes_on_where_it_was(pair, tmp_path):
    called, said, work = [], [], tmp_path / "work"
    failing = {"cure"}

    def call(argv, output):
        verb = argv[3] if argv[1] == "-m" else "screenshots"
        called.append(verb)
        output.write_text(f"{verb}'s tables")
        return int(verb in failing)

    plan = list(everything.steps(Path("/pictures"), pair, None))
    plan = [step for step in plan if step.name != "twins"]  # whose weights are not there
    with pytest.raises(BadResult, match="Stopped at cure; the same command goes on there"):
        everything.make(plan, work, call, said.append)
    before = list(called)
    failing.clear()
    called.clear()
    everything.make(plan, work, call, said.append)
    assert called[0] == "cure" and not set(called) & set(before[:-1])
    assert len(called) + len(before) == len(plan) + 1
    called.clear()
    everything.make(plan, work, call, said.append)
    assert called == ["claims"]  # always again: it takes a second
    (pair[0] / "tokenizer.json").write_text('{"other": 1}')
    called.clear()
    everything.make(plan, work, call, said.append)
    assert called == ["bias", "decompose", "probe", "claims"]


def test_a_step_whose_weights_are_not_there_is_said_to_be_left_out(tmp_path):
    said, called = [], []
    plan = list(everything.steps(Path("/pictures"), [tmp_path / "nowhere"], None))

    def call(argv, output):
        called.append(argv)
        output.write_text("")
        return 0

    everything.make(plan, tmp_path / "work", call, said.append)
    left = [one for one in said if "left out" in one]
    assert sum("nowhere" in one for one in left) == 3
    assert len(called) == len(plan) - len(left)


def test_what_a_step_prints_is_kept_and_its_status_told(tmp_path):
    output = tmp_path / "out.txt"
    assert everything.call(["python", "-c", "print('told')"], output) == 0
    assert output.read_text() == "told\n"
    assert everything.call(["python", "-c", "raise SystemExit(3)"], output) == 3
