"""What was found, in sentences: their number, their claims, and what becomes of a stale one."""

import dataclasses

import pytest
from claims_made import BY_ID, HOLDS, NOT, fig3, save

from analysis.base.results import BadResult
from analysis.claims import found
from analysis.claims.found import END, SENTENCES, START, Sentence, differences, said, write
from analysis.claims.list import CLAIMS
from analysis.claims.protocol import judge


def test_as_many_as_somebody_listens_to_and_one_a_claim():
    assert len(SENTENCES) <= found.MOST
    claims = [one.claim for one in SENTENCES]
    assert len(set(claims)) == len(claims) and set(claims) <= set(BY_ID)
    for one in SENTENCES:  # a sentence, one, with no number but the table's and the paper's
        assert one.text[0].isupper() and one.text.endswith(".") and ". " not in one.text


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Claims of which Fig. 3's holds, and two sentences about it."""
    monkeypatch.setattr(
        found,
        "SENTENCES",
        (
            Sentence("globals-rfd", HOLDS, "They lower it by {ours} ({interval}; paper: {paper})."),
            Sentence("globals-total", NOT, "They do not."),
        ),
    )
    save(fig3((217, 151, 148)), tmp_path)
    return judge(CLAIMS, tmp_path)


def test_a_sentence_is_said_while_its_verdict_stands(judged, tmp_path):
    (sentence,) = said(judged)
    assert sentence.startswith("They lower it by −30.4 % (−3") and "paper: −30.4 %" in sentence
    assert sentence.endswith(". (Fig. 3)")
    other = [dataclasses.replace(row, verdict=NOT) for row in judged.rows]
    assert said(dataclasses.replace(judged, rows=tuple(other))) == ["They do not. (Fig. 3)"]


def test_the_readme_gets_them_and_is_compared(judged, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("no marks")
    with pytest.raises(BadResult, match="no place"):
        write(judged, readme)
    readme.write_text(f"before\n{START}\nold\n{END}\nafter")
    stale = "What we found: the sentence for “does not hold here” of globals-total stands beside"
    first, second = differences(judged, readme)
    assert first.startswith(stale) and second.startswith("README.md does not say")
    write(judged, readme)
    assert readme.read_text().startswith(f"before\n{START}\n1. They lower it")
    (only,) = differences(judged, readme)
    assert only == first
