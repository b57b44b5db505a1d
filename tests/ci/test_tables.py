"""The tables of README and docs/ are those of the registries."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci import accelerators, architectures, tables, tasks
from ci.markdown import table
from ci.tables import ROOT, SECTIONS, main, markers, with_sections
from grokcore.acceleration.catalog import METHODS
from grokcore.models import ARCHITECTURES
from grokcore.spec.tasks import CLASSES
from grokcore.tasks import TASKS

README, BEGIN, END = "README.md", *markers("architectures")
each_page = pytest.mark.parametrize("name", SECTIONS)


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with pages whose generated sections are empty."""
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    for name, sections in SECTIONS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(
            "before\n" + "".join("".join(markers(section)) for section in sections) + "after\n"
        )
    return tmp_path


@each_page
def test_a_page_has_the_tables_of_the_registry(name: str) -> None:
    page = (ROOT / name).read_text("utf-8")
    assert with_sections(page, name) == page


def column(rows: str) -> list[str]:
    """Return the first name in backquotes of each row."""
    return [row.split("`")[1] for row in rows.splitlines()[2:]]


@pytest.mark.parametrize("write", [architectures.summary, architectures.sizes])
def test_every_architecture_has_a_row(write) -> None:
    assert column(write()) == list(ARCHITECTURES)


@pytest.mark.parametrize("write", [accelerators.methods, accelerators.known])
def test_every_method_has_a_row(write) -> None:
    assert [row.split(" | ")[0].removeprefix("| ") for row in write().splitlines()[2:]] == [m.title for m in METHODS]


def test_deviations_are_listed() -> None:
    listed = [line.split("`")[1] for line in architectures.deviations().splitlines()]
    assert listed == [name for name, architecture in ARCHITECTURES.items() if architecture.deviations]


@pytest.mark.parametrize("write", [tasks.summary, tasks.summary_in_docs])
def test_every_task_has_a_row(write) -> None:
    assert column(write()) == list(TASKS)


def test_every_field_that_only_some_tasks_have_is_listed_with_its_default() -> None:
    rows = [[cell.strip(" `") for cell in row.split("|")[1:4]] for row in tasks.fields().splitlines()[2:]]
    assert [kind for kind, *_ in rows if kind] == list(TASKS)
    own = [
        (name, "null" if field.default is None else str(field.default))
        for kind in TASKS
        for name, field in CLASSES[kind].model_fields.items()
        if name not in tasks.SHARED
    ]
    assert [(name, default.replace("true", "True").replace("false", "False")) for _, name, default in rows] == own


def test_drift_is_reported_and_written_anew(pages: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["ci/compile", "--check"])
    assert main() == 1
    said = capsys.readouterr().err
    assert all(f"{name}: drifted" in said for name in SECTIONS)
    monkeypatch.setattr("sys.argv", ["ci/compile"])
    assert main() == 0
    for name, sections in SECTIONS.items():
        body = "".join(f"{markers(section)[0]}{write()}{markers(section)[1]}" for section, write in sections.items())
        assert (pages / name).read_text("utf-8") == f"before\n{body}after\n"
    monkeypatch.setattr("sys.argv", ["ci/compile", "--check"])
    assert main() == 0


@pytest.mark.parametrize("text", ["", BEGIN, END, END + BEGIN, BEGIN + END + BEGIN + END])
def test_a_page_without_its_marks_fails(text: str, pages: Path, monkeypatch, capsys) -> None:
    (pages / "docs/architectures.md").write_text(text, "utf-8")
    monkeypatch.setattr("sys.argv", ["ci/compile", "--check"])

    assert main() == 1
    assert "once, in this order" in capsys.readouterr().err


def test_an_empty_registry_fails(monkeypatch) -> None:
    monkeypatch.setattr(architectures, "catalog", lambda: iter(()))
    with pytest.raises(LookupError, match="nothing to write"):
        architectures.summary()


def test_a_pipe_in_a_cell_does_not_end_it() -> None:
    assert table(("a",), [("x | y",)]).splitlines()[2] == "| x &#124; y |"
