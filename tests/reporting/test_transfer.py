"""The panel of second trainings: starts named by their source, gains over step 0, and shot curves."""

from __future__ import annotations

import re

import pytest

from grokcore.claims import document
from grokcore.reporting.page import render
from grokcore.reporting.transfer import Transfer, height_of, transfer_of
from grokcore.runs.groups import groups_of
from grokcore.runs.record import RunRecord
from grokcore.spec import load_spec, resolve
from tests.evaluation.made_up import Rise, record
from tests.reporting.made_up_groups import architectures

TASK = ["task.relations=20", "task.phi=6", "task.test_ratio=0.2", "task.new_facts={facts: 200, chained: 130}"]
BRIEF = ["training.max_steps=400", "evaluation.interval=100", "evaluation.threshold=0.9"]


def second(seed: int, step: str, share: float, after: float) -> RunRecord:
    """A second training of a seed from a source of its own, which comes to `after` on new_old from .125."""
    digest = f"{seed + (10 if step == 'null' else 0):064x}"
    known = f"sha256: '{digest}', width: 64, group: first 0a"
    start = f"model.start_from={{model: gone, parts: all, step: {step}, {known}}}"
    spec = resolve(
        load_spec(
            "composition-small",
            [*TASK, *BRIEF, start, f"seed={seed}", f"task.new_facts.share_in_inferred={share}"],
        )
    )
    splits = {"old": Rise(1, low=1.0), "new_old": Rise(200, low=0.125, high=after)}
    return record(spec, Rise(100, low=0.5), splits, atomic=Rise(150 + 50 * seed, low=0.0))


@pytest.fixture(scope="module")
def runs() -> list[RunRecord]:
    """Five seeds from a memorized and from a grokked start, where training composes none and half of the new facts."""
    return [
        second(seed, step, share, after + seed / 64)
        for step, gain in (("memorized", 0.0), ("null", 0.25))
        for share, after in ((0.0, 0.25 + gain), (0.5, 0.5 + gain))
        for seed in range(5)
    ]


@pytest.fixture(scope="module")
def transfer(runs: list[RunRecord]) -> Transfer:
    found = transfer_of(groups_of(runs))
    assert found is not None
    return found


def test_a_bar_is_a_start_with_its_gain_over_step_0_and_over_the_first_start(transfer: Transfer) -> None:
    assert [panel.split for panel in transfer.panels] == ["old", "new_old", "old_new", "new_new"]
    ended, memorized = sorted(transfer.panels[1].bars, key=lambda bar: bar.title)
    assert (ended.title, memorized.title) == ("first, end", "first, memorized")
    assert (memorized.before, memorized.left, memorized.low, memorized.high) == (12.5, 28.12, 25.0, 31.25)
    assert ended.left == 53.12
    texts = [bar.text.replace("\u202f", " ") for bar in (ended, memorized)]
    with_limits = next(text for text in texts if "against" in text)
    assert re.search(r"[+-]25.0 % against first, .* \(95 %: [+-]2\d\.\d % to [+-]2\d\.\d %\)", with_limits)
    assert any(text.startswith("+15.6 % over step 0") for text in texts)


def test_a_shot_curve_has_a_point_for_each_share(transfer: Transfer) -> None:
    shot = transfer.shots[1]
    assert [label.replace("\u202f", " ") for _, label in shot.ticks] == ["0 %", "50.0 %"]
    heights = {line.title: [float(point.partition(",")[2]) for point in line.points.split(" ")] for line in shot.lines}
    assert heights["first, end"] == [height_of(0.53125), height_of(0.78125)]
    assert heights["first, memorized"] == [height_of(0.28125), height_of(0.53125)]
    assert all(len(line.spreads) == 2 for line in shot.lines)


def test_the_table_says_when_the_new_facts_were_learnt(transfer: Transfer) -> None:
    none, half = transfer.table.sections
    assert len(none.rows) == len(half.rows) == 2
    assert none.rows[0].cells[0].note.endswith("5 of 5")
    assert 150 <= int(none.rows[0].cells[0].text) <= 350


def test_the_page_shows_it_where_new_facts_are_learnt_alone(runs: list[RunRecord]) -> None:
    page = render(groups_of(runs), document(runs).claims, "/tmp/store")
    assert 'id="transfer"' in page
    assert page.count('class="timeline forest transfer"') == 4
    assert "None" not in page[page.index('id="transfer"') :].partition("</section>")[0]
    others = architectures()
    assert transfer_of(groups_of(others)) is None
    assert 'id="transfer"' not in render(groups_of(others), document(others).claims, "/tmp/store")
