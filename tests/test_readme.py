"""README says what is there: its links, presets, commands and code."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from grokcore.cli.main import build_parser
from grokcore.spec import load_spec, preset_names

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found, f"README has no {language} block: nothing was checked"
    return found


def commands() -> list[list[str]]:
    lines = "\n".join(blocks("bash")).splitlines()
    parts = [part for line in lines for part in line.split("#")[0].split("&&")]
    words = [shlex.split(part.partition(">")[0]) for part in parts]
    return [line[1:] for line in words if line[:1] == ["grokcore"]]


def test_the_two_commands_stand_at_the_top_and_can_be_run() -> None:
    first = blocks("bash")[0]
    for name in ("ci/demo", "ci/test"):
        assert name in first
        assert (ROOT / name).stat().st_mode & 0o111


def test_every_relative_link_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert len(links) > 10
    anchors = {
        f"#{re.sub('[^a-z0-9 -]', '', title.lower()).replace(' ', '-')}"
        for title in re.findall(r"^#+ (.*)$", README, re.M)
    }
    assert [link for link in links if link not in anchors and not (ROOT / link).exists()] == []


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_described(name: str) -> None:
    assert f"`{name}`" in README


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_every_command_is_one(arguments: list[str]) -> None:
    options = build_parser().parse_args(arguments)
    if getattr(options, "spec", None) in preset_names():
        load_spec(options.spec, options.overrides)


def test_the_code_is_python() -> None:
    for block in blocks("python"):
        ast.parse(block)
