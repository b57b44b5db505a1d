"""README's table of architectures is what the registry says."""

from __future__ import annotations

import pytest

from ci import architectures
from ci.architectures import BEGIN, END, README, deviations, main, table, with_table
from grokcore.models import ARCHITECTURES


def test_readme_has_the_table_of_the_registry() -> None:
    readme = README.read_text("utf-8")
    assert with_table(readme) == readme


def test_every_architecture_has_a_row() -> None:
    rows = table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(ARCHITECTURES)


def test_deviations_are_listed_beside_the_table() -> None:
    listed = [line.split("`")[1] for line in deviations().splitlines() if line.startswith("- ")]
    assert listed == [name for name, architecture in ARCHITECTURES.items() if architecture.deviations]


def test_what_has_drifted_is_said_and_written_anew(tmp_path, monkeypatch, capsys) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}| an old table |\n{END}after\n", "utf-8")
    monkeypatch.setattr(architectures, "README", readme)

    monkeypatch.setattr("sys.argv", ["ci/compile", "--check"])
    assert main() == 1
    assert "has drifted" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["ci/compile"])
    assert main() == 0
    assert readme.read_text("utf-8") == f"before\n{BEGIN}{table()}{deviations()}{END}after\n"
    monkeypatch.setattr("sys.argv", ["ci/compile", "--check"])
    assert main() == 0


@pytest.mark.parametrize("readme", ["", BEGIN, END, END + BEGIN, BEGIN + END + BEGIN + END])
def test_a_readme_without_its_marks_fails(readme: str, tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "README.md").write_text(readme, "utf-8")
    monkeypatch.setattr(architectures, "README", tmp_path / "README.md")
    monkeypatch.setattr("sys.argv", ["ci/compile", "--check"])

    assert main() == 1
    assert "once, in this order" in capsys.readouterr().err


def test_an_empty_registry_fails(monkeypatch) -> None:
    monkeypatch.setattr(architectures, "catalogue", lambda: iter(()))
    with pytest.raises(LookupError, match="nothing to write"):
        table()
