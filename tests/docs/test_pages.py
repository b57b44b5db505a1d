"""The pages describe what is there: their links, presets, commands, code and definitions."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from grokcore.cli.parser import build_parser
from grokcore.spec import EvaluationSpec, load_spec, preset_names
from grokcore.tasks import TASKS

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
ROOMS = ("ci", "components", "docs", "examples", "grokcore", "images", "manifests", "pipelines", "records", "tests")
PAGES = [
    README,
    ROOT / "FINDINGS.md",
    ROOT / "SECURITY.md",
    *sorted(page for room in ROOMS for page in (ROOT / room).rglob("*.md")),
]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def commands() -> Iterator[tuple[Path, list[str]]]:
    for page in PAGES:
        lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
        for part in (part for line in lines for part in line.split("#")[0].split("&&")):
            words = shlex.split(part.partition(">")[0])
            if words[:1] == ["grokcore"]:
                yield page, words[1:]


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-") for title in titles}


def leads_somewhere(page: Path, link: str) -> bool:
    file, _, anchor = link.partition("#")
    target = page.parent / file if file else page
    return target.exists() and (not anchor or target.suffix != ".md" or anchor in anchors(target))


def test_there_are_pages_links_and_commands() -> None:
    assert len(PAGES) > 20
    assert len(list(commands())) > 30
    assert blocks(ROOT / "docs" / "library.md", "python")


def test_the_two_commands_stand_at_the_top_and_can_be_run() -> None:
    first = blocks(README, "bash")[0]
    for name in ("ci/demo", "ci/test"):
        assert name in first
        assert (ROOT / name).stat().st_mode & 0o111


def test_readme_stays_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 170


@each_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    assert [link for link in links if "://" not in link and not leads_somewhere(page, link)] == []


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_described(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "experiments.md").read_text("utf-8")


@pytest.mark.parametrize("kind", TASKS)
def test_every_task_is_described(kind: str) -> None:
    for page in (README, ROOT / "docs" / "tasks.md"):
        assert f"[`{kind}`]" in page.read_text("utf-8"), page


@pytest.mark.parametrize(
    "extra", tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
)
def test_every_extra_is_described(extra: str) -> None:
    assert f"| `{extra}` |" in (ROOT / "docs" / "library.md").read_text("utf-8")


@pytest.mark.parametrize(
    "name", [path.name for path in (ROOT / "pipelines" / "training").iterdir() if (path / "pipeline.yaml").exists()]
)
def test_every_pipeline_is_described(name: str) -> None:
    assert f"[{name}]" in (ROOT / "docs" / "kubeflow.md").read_text("utf-8")


@pytest.mark.parametrize("name", [path.parent.name for path in (ROOT / "components").glob("*/*/component.yaml")])
def test_every_component_is_described(name: str) -> None:
    assert f"[{name}]" in (ROOT / "docs" / "kubeflow.md").read_text("utf-8")


@pytest.mark.parametrize(("page", "arguments"), [pytest.param(*one, id=" ".join(one[1])) for one in commands()])
def test_every_command_is_one(page: Path, arguments: list[str]) -> None:
    options = build_parser().parse_args(arguments)
    if getattr(options, "spec", None) in preset_names():
        load_spec(options.spec, getattr(options, "overrides", ()))


@each_page
def test_the_code_is_python(page: Path) -> None:
    for block in blocks(page, "python"):
        ast.parse(block)


def test_every_folder_of_the_library_is_described() -> None:
    page = (ROOT / "docs" / "extending.md").read_text("utf-8").partition("## Where things are")[2]
    folders = {path.name for path in (ROOT / "grokcore").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert {name for name in re.findall(r"`(\w+)/`", page) if name not in ("grokcore", "fast")} == folders


def test_every_environment_variable_is_described() -> None:
    sources = [
        path for room in ("grokcore", "components") for path in (ROOT / room).rglob("*.py") if "tests" not in path.parts
    ]
    names = {
        name for path in sources for name in re.findall(r'"(GROKCORE_[A-Z0-9_]*[A-Z0-9])"', path.read_text("utf-8"))
    }
    page = (ROOT / "docs" / "environment.md").read_text("utf-8")
    assert len(names) > 20
    assert sorted(name for name in names if f"`{name}`" not in page) == []


def test_the_concepts_are_those_of_the_spec() -> None:
    rules = EvaluationSpec()
    page = " ".join((ROOT / "docs" / "concepts.md").read_text("utf-8").split())
    for said in (
        f"The threshold is {rules.threshold:g}".replace("0.", "."),
        f"accuracy is {rules.onset_rise:g} above what it was at memorization".replace("0.", "."),
        f"every evaluation in [t, {rules.window:g} t], at least three",
        f"never falls below {rules.stable_floor:g} again".replace("0.", "."),
        f"(T_split / T_train >= {rules.delay:g})",
    ):
        assert said in page
    assert rules.sustain == 3
