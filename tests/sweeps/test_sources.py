"""Sources of a sweep: trained first, one per seed, and each run starts from that of its own seed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from grokcore.cli import main
from grokcore.errors import InputError
from grokcore.evaluation.records import read_record, read_records
from grokcore.models.loading import milestones
from grokcore.runs.fields import fields_of
from grokcore.runs.groups import group_key, groups_of
from grokcore.sweeps import load_sweep, read_index, run_sweep
from grokcore.sweeps.loop import loop_items

SWEEP = """
name: transfer
base: smoke
overrides: [model.width=16, training.max_steps=12, training.learning_rate=0.01, evaluation.interval=6,
  evaluation.threshold=0.3, evaluation.window=1]
sources:
  first: [training.max_steps=40, task.phi=4]
axes:
  - kind: points
    name: start
    points:
      end: ["model.start_from={model: source:first, parts: all}"]
      memorized: ["model.start_from={model: source:first, parts: all, step: memorized}"]
      drawn: []
  - {kind: grid, field: training.batch_size, values: [32, 64]}
seeds: 0..1
tuning:
  search:
    training.learning_rate: {kind: log_uniform, low: 1.0e-3, high: 1.0e-1}
  trials: 2
  steps: 6
  across: [training.batch_size]
  seeds: 7
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a sweep with a source; read only."""
    out = tmp_path_factory.mktemp("transfer") / "store"
    run_sweep(load_sweep(SWEEP), out, processes=1)
    return out


def test_every_run_starts_from_the_source_of_its_own_seed(swept: Path) -> None:
    index = read_index(swept / "sweeps" / "transfer")
    sources = {record.spec.seed: record for record in (read_record(swept / place) for place in index.sources["first"])}
    assert sorted(sources) == [0, 1, 7]
    assert {record.evaluation.step for record in sources.values()} == {40}
    for point in index.points:
        for run in point.runs:
            source = read_record(swept / run.place).manifest.source
            if "drawn" in point.name:
                assert source is None
                continue
            assert source is not None
            assert source.run_id == sources[run.seed].manifest.run_id
            ended = "end" in point.name
            assert source.steps == (40 if ended else milestones(sources[run.seed].uri)["memorized"])
        assert point.tuned is not None
        for trial in point.tuned.trials:
            start = read_record(swept / trial.places[0]).manifest.source
            assert "drawn" in point.name or (start is not None and start.run_id == sources[7].manifest.run_id)


def test_seeds_of_a_point_are_one_group_though_each_has_a_source_of_its_own(swept: Path) -> None:
    index = read_index(swept / "sweeps" / "transfer")
    groups = groups_of(read_records([swept / place for place in index.places()]))
    assert sorted([run.spec.seed for run in group.runs] for group in groups) == 6 * [[0, 1]]
    specs = [group.spec for group in groups]
    assert len({group_key(spec) for spec in specs}) == 6
    named = {str(fields_of(spec).get("model.start_from.sha256")) for spec in specs}
    assert len(named) == 3
    assert any(name.startswith("first ") and name.endswith(" at memorized") for name in named)


def test_points_that_differ_in_fields_across_a_search_share_it(swept: Path) -> None:
    points = {point.name: point for point in read_index(swept / "sweeps" / "transfer").points}
    for start in ("end", "memorized", "drawn"):
        small, large = (points[f"start={start},training.batch_size={size}"].tuned for size in (32, 64))
        assert small == large
    assert len({str(point.tuned.trials) for point in points.values() if point.tuned}) == 3


def test_a_source_that_is_there_is_not_trained_again(swept: Path, tmp_path: Path) -> None:
    shutil.copytree(swept, tmp_path / "store")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "store" / "runs").rglob("*")}
    run_sweep(load_sweep(SWEEP), tmp_path / "store", processes=1)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "store" / "runs").rglob("*")} == before


def test_a_dry_run_says_which_ids_wait_for_a_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    assert main(["sweep", str(tmp_path / "sweep.yaml"), "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "source first: 40 steps of seeds 0,1,7, trained first" in lines
    assert ["after its source" in line for line in lines if "start=" in line] == [
        True,
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sources": {}}, r"start=end.*: model.start_from.model=source:first: sources are none"),
        ({"sources": {"first": ["training.batch_size=-1"]}}, r"source first: training.batch_size"),
        ({"sources": {"first": ["model.start_from.model=/gone"]}}, r"source first: .*neither a finished run"),
    ],
)
def test_what_is_wrong_is_said_before_a_source_is_trained(
    change: dict[str, object], named: str, tmp_path: Path
) -> None:
    sweep = load_sweep(SWEEP).model_copy(update=change)
    with pytest.raises(InputError, match=named):
        run_sweep(sweep, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_search_is_shared_across_varied_fields_alone(tmp_path: Path) -> None:
    text = SWEEP.replace("across: [training.batch_size]", "across: [model.layers]")
    with pytest.raises(InputError, match=r"tuning.across: no axis varies model.layers; axes vary model.start_from, tr"):
        run_sweep(load_sweep(text), tmp_path / "store")


def test_a_loop_refuses_a_sweep_with_sources() -> None:
    document = load_sweep(SWEEP).model_dump(mode="json", exclude_unset=True)
    with pytest.raises(InputError, match="trains sources first"):
        loop_items(json.dumps({**document, "tuning": None}))
