"""The commands that the page names: each is understood, and stands in the README."""

import re
import shlex

import pytest

from analysis.__main__ import parser
from analysis.base.provenance import ROOT
from analysis.base.recipes import COMMANDS


def parse(command):
    """The options, and the names of the figures apart."""
    program, *arguments = shlex.split(command.removeprefix("python -m "), comments=True)
    assert program == "analysis"
    options = vars(parser().parse_args(arguments))
    return options.pop("experiments", []), options


def readme():
    """Every command of the section that makes the numbers, with its variables filled in."""
    text = (ROOT / "README.md").read_text().partition("## Make the numbers")[2]
    variables = dict(re.findall(r'\b([A-Z])=("[^"]*"|[^\s"]+)', text))
    lines = re.findall(r"^python -m analysis .*$", text, re.MULTILINE)
    return [re.sub(r"\$([A-Z])", lambda m: variables[m[1]].strip('"'), line) for line in lines]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_has_the_command(name):
    figures, options = parse(COMMANDS[name])
    assert figures in ([name], []) and options["run"]
    found = [parse(line) for line in readme()]
    assert any(set(figures) <= set(more) and options == others for more, others in found)
