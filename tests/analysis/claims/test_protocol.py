"""The table in a README, what stands in it, and what it is made from."""

import dataclasses

import pytest
from claims_made import (
    BY_ID,
    HOLDS,
    MISSING,
    ORIGIN,
    UNDECIDED,
    UNTESTABLE,
    epsilon,
    estimate,
    fig3,
    fig4,
    fig5,
    redundancy,
    save,
    speed,
)
from conftest import random_model

from analysis import __main__ as command_line
from analysis.base import results
from analysis.base.recipes import COMMANDS
from analysis.base.results import BadResult, Series
from analysis.claims import found, frozen
from analysis.claims import protocol as claims
from analysis.claims.list import CLAIMS
from analysis.claims.protocol import (
    END,
    START,
    differences,
    judge,
    markdown,
    write_table,
)
from tatok import TaTok


def test_psnr_stands_beside_the_rfd_where_the_two_may_disagree(tmp_path):
    made = fig4(105.0)
    worse = [
        dataclasses.replace(p, psnr=estimate(20.0 if p.x == 0 else 13.5))
        for p in made.series[0].points
    ]
    series = (Series("end", tuple(worse)), *made.series[1:])
    save(dataclasses.replace(made, series=series), tmp_path)
    (row,) = judge([BY_ID["redundant-half"]], tmp_path).rows
    assert row.verdict == HOLDS and row.because.startswith("end +5.0 %, PSNR −6.5 dB; start")
    assert "; rFD by e; no second extractor yet" in row.because


@pytest.mark.parametrize(
    ("id", "made"), [("redundant-half", fig4(105.0)), ("no-loss", epsilon(103.0))]
)
def test_without_the_limit_of_the_rfd_there_is_no_verdict(tmp_path, id, made):
    series = [
        Series(s.name, tuple(dataclasses.replace(p, limit=None) for p in s.points))
        for s in made.series
    ]
    name = save(dataclasses.replace(made, series=tuple(series)), tmp_path)
    (row,) = judge([BY_ID[id]], tmp_path).rows
    assert (
        row.verdict == MISSING and "two a feature" in row.because and COMMANDS[name] in row.because
    )


def test_another_extractor_must_agree(tmp_path):
    save(fig4(105.0), tmp_path)
    other = dataclasses.replace(ORIGIN, extractor="second")
    for fd, verdict in ((106.0, HOLDS), (120.0, UNDECIDED)):
        save(dataclasses.replace(fig4(fd), provenance=other), tmp_path / "lite1")
        (row,) = judge([BY_ID["redundant-half"]], tmp_path).rows
        assert row.verdict == verdict and f"by second +{fd - 100:.1f} %" in row.because
    assert "there it does not hold" in row.because
    assert [source.name for source in judge(CLAIMS, tmp_path).sources] == ["fig4", "lite1/fig4"]


def test_the_rival_of_a_psnr_is_the_best_by_psnr(tmp_path):
    save(fig5(10.0), tmp_path)
    (row,) = judge([BY_ID["dtf-best"]], tmp_path).rows
    assert row.ours == "−60.0 %"  # against last, the best by rFD
    assert "PSNR +2.00 dB" in row.because and "against uniform" in row.because
    assert "DTF, rate: our pixel-error oracle, whose D0 sets N" in row.because
    (row,) = judge([BY_ID["dtf-residual"]], tmp_path).rows
    assert "oracle" not in row.because and "read otherwise: residual-token +140.0 %" in row.because


def test_a_file_of_other_weights_counts_as_not_made(tmp_path):
    save(fig3((3, 2, 1)), tmp_path)
    save(speed(8.0, 10.0), tmp_path)  # random weights
    other = dataclasses.replace(ORIGIN, weights="other")
    save(dataclasses.replace(fig4(105.0), provenance=other), tmp_path)
    save(dataclasses.replace(fig3((3, 2, 1)), provenance=other), tmp_path / "lite1")
    for weights, lacking, sources in (
        (None, "redundant-half", ["fig3", "speed"]),
        (ORIGIN.weights, "redundant-half", ["fig3", "speed"]),
        ("other", "globals-rfd", ["fig4", "speed"]),
    ):
        made = judge(CLAIMS, tmp_path, weights)
        row = {row.id: row for row in made.rows}[lacking]
        assert row.verdict == MISSING and row.because.startswith("the file is of other weights; `")
        assert [source.name for source in made.sources] == sources


def test_red_is_called_no_bound(tmp_path):
    save(redundancy(0.005, 0.4, 0.123), tmp_path)
    rows = [judge([BY_ID[id]], tmp_path).rows[0].because for id in ("redundancy", "red-zero")]
    assert rows[0].startswith("lower bound 12.3 %")
    assert rows[1] == (
        "as many patches at random, given G: 30.0 %; all patches, without G: 40.0 %; a small Red "
        "is no upper bound"
    )


def test_numbers_of_the_table(tmp_path):
    save(fig3((217, estimate(151, 0.4), 148)), tmp_path)
    save(epsilon(103.0), tmp_path)
    rows = {row.id: row for row in judge(CLAIMS, tmp_path).rows}
    assert rows["globals-rfd"].ours == "−30.4 %" == rows["globals-rfd"].paper
    assert rows["plateau"].ours == "95.7 %" and rows["plateau"].paper.startswith("95.7 %")
    low, high = (
        float(part.split()[0].replace("−", "-"))
        for part in rows["globals-rfd"].interval.split(" to ")
    )
    assert -31.5 < low < -30.4 < high < -29.3
    assert rows["few-tokens"].ours == "7.8 %"  # 20 of 256: the globals are no patches
    assert rows["few-tokens"].because.endswith("; 20.0 of 256 patches, beside 16 global tokens")
    assert rows["few-tokens"].interval == "7.6 % to 8.0 %"  # ± 1.96 · 10 / √1280 of 256
    assert rows["few-tokens"].n == "1,280" and rows["edges"].n == ""


def test_without_files_every_claim_names_its_command(tmp_path):
    rows = judge(CLAIMS, tmp_path).rows
    assert {row.verdict for row in rows} == {"not measured yet", UNTESTABLE}
    for row in rows:
        if row.verdict == "not measured yet":
            assert row.because.split("`")[1] in COMMANDS.values()


def test_too_few_images_cannot_be_judged(tmp_path):
    bare = dataclasses.replace(estimate(100.0), low=None, high=None, replicates=())
    save(fig3((bare, bare, bare)), tmp_path)
    (row,) = judge([BY_ID["globals-rfd"]], tmp_path).rows
    assert row.verdict == UNTESTABLE and "too few images" in row.because


def test_a_damaged_file_is_said(tmp_path):
    (tmp_path / "fig3.json").write_text("{}")
    with pytest.raises(BadResult, match=r"fig3\.json is damaged"):
        judge(CLAIMS, tmp_path)


def test_the_table_replaces_what_stands_between_the_marks(tmp_path):
    save(fig3((217, 151, 148)), tmp_path)
    made = judge(CLAIMS, tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{START}\nan older table\n{END}\nafter\n")
    for _ in range(2):  # and again, to the same text
        write_table(made, readme)
        text = readme.read_text()
        assert text.startswith(f"before\n{START}\n") and text.endswith(f"\n{END}\nafter\n")
        assert "older" not in text and text.count(markdown(made)) == 1
    assert f"- fig3: {ORIGIN.line()}" in text
    table = markdown(made).splitlines()
    assert len(table) == 2 + len(CLAIMS)
    assert {line.count("|") for line in table} == {7}
    results.save(made, tmp_path / "claims.json")
    assert results.load(claims.Claims, tmp_path / "claims.json") == made


@pytest.mark.parametrize("text", ["no marks", START, f"{END} then {START}"])
def test_a_readme_without_the_marks_is_left_alone(tmp_path, text):
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(BadResult, match="no place for the table"):
        write_table(judge(CLAIMS, tmp_path), readme)
    assert readme.read_text() == text


def test_a_verdict_in_a_readme_that_the_rule_does_not_give_is_found(tmp_path, capsys):
    weights = tmp_path / "weights"
    random_model().save_pretrained(weights)
    of_them = dataclasses.replace(ORIGIN, weights=TaTok.from_pretrained(weights).fingerprint)
    save(dataclasses.replace(fig3((217, 151, 148)), provenance=of_them), tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text(f"{START}\n{END}\n{found.START}\n{found.END}\n")
    made = judge(CLAIMS, tmp_path)
    assert len(differences(made, readme)) == len(CLAIMS)
    write_table(made, readme)
    assert differences(made, readme) == []
    good = readme.read_text()
    readme.write_text(good.replace("−30.4 % (", "−40.4 % (", 1))
    assert [one.partition(":")[0] for one in differences(made, readme)] == ["globals-rfd"]
    readme.write_text(good.replace("| **holds**", "| **does not hold here**", 1))
    asked = ["claims", "--check", "--out", str(tmp_path), "--readme", str(readme)]
    with pytest.raises(SystemExit, match="does not say “holds”"):
        command_line.main([*asked, "--weights", str(weights)])
    readme.write_text(good.replace(END, f"| more |\n{END}"))
    assert differences(made, readme) == ["README.md has 1 more rows"]
    assert not (tmp_path / "claims.json").exists()


def test_the_readme_and_the_rules_are_what_they_are_said_to_be():
    """In words: `python -m analysis claims --check`."""
    command_line.main(["claims", "--check"])


def test_a_changed_rule_needs_a_line_in_the_changelog(tmp_path):
    for name in frozen.RULES:
        (tmp_path / name).write_bytes((frozen.FOLDER / name).read_bytes())
    changes = tmp_path / "CHANGES.md"
    changes.write_text(f"## later · `{frozen.fingerprint()}`\n## before · `0123456789abcdef`\n")
    assert frozen.changed(tmp_path, changes) == []
    with (tmp_path / frozen.RULES[0]).open("a") as file:
        file.write("RFD = 0.5\n")
    (sentence,) = frozen.changed(tmp_path, changes)
    assert "say there what changed" in sentence
