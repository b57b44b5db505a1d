"""The tables of architectures in README and docs/ are those of the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci import architectures
from ci.architectures import PAGE, README, ROOT, SECTIONS, deviations, main, markers, sizes, summary, with_sections
from grokcore.models import ARCHITECTURES

BEGIN, END = markers("architectures")
each_page = pytest.mark.parametrize("name", SECTIONS)


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with pages whose generated sections are empty."""
    monkeypatch.setattr(architectures, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    for name, sections in SECTIONS.items():
        (tmp_path / name).write_text(
            "before\n" + "".join("".join(markers(section)) for section in sections) + "after\n"
        )
    return tmp_path


@each_page
def test_a_page_has_the_tables_of_the_registry(name: str) -> None:
    page = (ROOT / name).read_text("utf-8")
    assert with_sections(page, name) == page


@pytest.mark.parametrize("table", [summary, sizes])
def test_every_architecture_has_a_row(table) -> None:
    rows = table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(ARCHITECTURES)


def test_deviations_are_listed() -> None:
    listed = [line.split("`")[1] for line in deviations().splitlines()]
    assert listed == [name for name, architecture in ARCHITECTURES.items() if architecture.deviations]


def test_drift_is_reported_and_written_anew(pages: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["ci/compile", "--check"])
    assert main() == 1
    said = capsys.readouterr().err
    assert all(f"{name}: drifted" in said for name in SECTIONS)
    monkeypatch.setattr("sys.argv", ["ci/compile"])
    assert main() == 0
    assert (pages / README).read_text("utf-8") == f"before\n{BEGIN}{summary()}{END}after\n"
    assert sizes() in (pages / PAGE).read_text("utf-8")
    assert deviations() in (pages / PAGE).read_text("utf-8")
    monkeypatch.setattr("sys.argv", ["ci/compile", "--check"])
    assert main() == 0


@pytest.mark.parametrize("text", ["", BEGIN, END, END + BEGIN, BEGIN + END + BEGIN + END])
def test_a_page_without_its_marks_fails(text: str, pages: Path, monkeypatch, capsys) -> None:
    (pages / README).write_text(text, "utf-8")
    monkeypatch.setattr("sys.argv", ["ci/compile", "--check"])

    assert main() == 1
    assert "once, in this order" in capsys.readouterr().err


def test_an_empty_registry_fails(monkeypatch) -> None:
    monkeypatch.setattr(architectures, "catalog", lambda: iter(()))
    with pytest.raises(LookupError, match="nothing to write"):
        summary()
