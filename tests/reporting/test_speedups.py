"""The panel of a sweep with a baseline: on the page, in speedups.json, and in the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from grokcore.cli import main
from grokcore.evaluation.speedups import SPEEDUPS, SpeedupReport
from grokcore.reporting import Comparison, build_comparison
from grokcore.reporting.outcomes import are_comparable
from grokcore.reporting.speedups import limits_text, panels, speedup_text
from grokcore.sweeps.index import INDEX
from tests.reporting.made_up_groups import OOD
from tests.reporting.made_up_sweeps import index_of, methods, write_sweep
from tests.reporting.pages import Page
from tests.reporting.visits import Visit


@dataclass(frozen=True)
class Sweep:
    """A made-up sweep, and its comparison."""

    store: Path
    directory: Path
    comparison: Comparison

    @property
    def html(self) -> str:
        return Path(self.comparison.page).read_text("utf-8")

    @property
    def report(self) -> SpeedupReport:
        return SpeedupReport.model_validate_json((self.directory / SPEEDUPS).read_text())


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Five seeds of each method; read only."""
    store = tmp_path_factory.mktemp("sweep")
    directory = write_sweep(store, {name: runs[:5] for name, runs in methods().items()})
    return Sweep(store, directory, build_comparison([store / "runs"], directory))


def plain(html: str) -> str:
    return re.sub("[\u202f\u00a0]", " ", Page(html).text)


def test_the_panel_tells_each_speedup_with_its_limits_as_they_were_computed(sweep: Sweep) -> None:
    text = plain(sweep.html)
    assert "Against a tuned adamw" in text
    for arm in sweep.report.arms:
        if arm.place not in ("method", "control"):
            continue
        for unit, speedup in arm.splits[OOD].speedups.items():
            if unit == "examples":
                continue
            assert re.sub("\u202f", " ", speedup_text(speedup)) in text
            assert limits_text(speedup) in text
    assert "16 trials of up to 1,500 steps, by time of test_inferred_ood on seeds 100, 101" in text
    assert "speedups.json" in text


def test_controls_stand_beneath_their_method_and_held_out_data_apart(sweep: Sweep) -> None:
    (ood, _) = panels(sweep.report)
    assert [(row.title, row.is_control) for row in ood.rows] == [
        ("muon", False),
        ("momentum", True),
        ("grokfast", False),
        ("fast-rate", True),
    ]
    baseline, compared, apart = ood.table.sections
    assert [row.head for row in baseline.rows] == ["adamw"]
    assert [(row.head, row.note) for row in compared.rows][:2] == [("muon", ""), ("momentum", "control")]
    assert [row.head for row in apart.rows] == ["freeze"]
    assert "not compared" in apart.title
    seeds = [row.cells[ood.table.columns.index("Seeds")] for row in compared.rows]
    assert [(cell.text, cell.note) for cell in seeds][:3] == [
        ("5 of 5", "none collapsed"),
        ("5 of 5", "none collapsed"),
        ("1 of 5", "1 collapsed"),
    ]


def test_groups_that_held_out_data_decided_on_are_held_against_no_other(sweep: Sweep) -> None:
    against = sweep.html[sweep.html.index("Held against") :]
    table = plain(against[: against.index("</table>")])
    reference, *others = sweep.comparison.groups
    assert table.startswith(f"Held against {reference.label}")
    told = {group.label: group.label in table for group in others}
    assert told == {group.label: are_comparable(reference, group) for group in others}
    assert list(told.values()).count(False) == 1
    summary = plain(sweep.html).partition("Against a tuned")[0]
    assert "Soonest" in summary
    assert "method freeze." in summary.partition("which are not ranked with the others: ")[2][:20]
    assert "method freeze" not in summary.partition("Soonest")[2][:60]


def test_groups_are_named_after_the_points_of_the_sweep(sweep: Sweep) -> None:
    labels = [group.label for group in sweep.comparison.groups]
    assert labels == [name.replace("=", " ") for name in methods()]
    text = plain(sweep.html)
    assert "method: adamw, grokfast, fast-rate, muon, momentum, freeze" in text
    assert "training.optimizer" in text, "and what else differs is listed"


def test_marks_lie_in_their_limits_and_one_line_is_even(sweep: Sweep) -> None:
    for panel in panels(sweep.report):
        assert [tick.label for tick in panel.ticks].count("1\u202f×") == 1  # noqa: RUF001
        for row in panel.rows:
            for mark in row.marks:
                assert 0 <= mark.low <= (mark.low if mark.left is None else mark.left) <= mark.high <= 100


def test_the_terminal_prints_the_same_by_rank(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(sweep.store / "runs"), "--out", str(sweep.directory)]) == 0
    lines = capsys.readouterr().out.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(f"{OOD}: times as fast as"))
    rows = lines[begin + 2 : begin + 8]
    assert [row.split("  ")[1].strip() or row.split()[1] for row in rows] == [
        "method=adamw",
        "method=muon",
        "method=momentum",
        "method=grokfast",
        "method=fast-rate",
        "method=freeze (held-out data decided: not compared)",
    ]
    muon = next(arm for arm in sweep.report.arms if arm.name == "method=muon").splits[OOD].speedups["steps"]
    assert f"{muon.ratio:.2g} ({muon.lower:.2g} to {muon.upper:.2g})" in rows[1]
    assert rows[3].split()[-3:] == ["1/5", "1", "16"]


def test_the_schema_of_the_file_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spec", "--schema", "speedups"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"].keys() == SpeedupReport.model_fields.keys()


def test_a_sweep_without_a_baseline_has_no_panel_and_no_file_of_an_earlier_one(tmp_path: Path) -> None:
    points = {name: runs[:2] for name, runs in methods().items() if name in ("method=adamw", "method=muon")}
    directory = write_sweep(tmp_path, points)
    assert build_comparison([tmp_path / "runs"], directory).speedups is not None
    assert json.loads((directory / SPEEDUPS).read_text())["baseline"] == "method=adamw"
    (directory / INDEX).write_text(index_of(points, baseline=None, controls={}).model_dump_json())
    comparison = build_comparison([tmp_path / "runs"], directory)
    assert comparison.speedups is None
    assert not (directory / SPEEDUPS).exists()
    assert 'id="speedups"' not in Path(comparison.page).read_text("utf-8")


@pytest.mark.chromium
@pytest.mark.parametrize("width", [1280, 700])
def test_the_panel_fits_its_page(sweep: Sweep, visit: Callable[..., Visit], width: int) -> None:
    page = visit(sweep.html, width=width)
    assert page.frame.evaluate("document.documentElement.scrollWidth") <= width
    section = page.frame.locator("section[aria-labelledby=speedups]")
    marks = section.locator(".track .mark")
    tracks = section.locator(".row .track")
    assert marks.count() >= 8
    for number in range(tracks.count()):
        box = tracks.nth(number).bounding_box()
        assert box["width"] > 200
