"""TensorBoard's own reader returns the curves of the journal, and nothing that the journal does not have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import grokcore
from grokcore.runs import read_journal
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.telemetry.trackers.export import export_run
from grokcore.telemetry.trackers.run import TrackedRun, values
from grokcore.telemetry.trackers.tensorboard import TensorboardTracker

pytest.importorskip("tensorboard", reason="no tensorboard here: pip install 'grokcore[tensorboard]'")


def easy(*overrides: str) -> ExperimentSpec:
    return load_spec("smoke", ["evaluation.threshold=0.2", "evaluation.sustain=1", "model.width=16", *overrides])


def read(folder: Path | str) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    return events


def curve(events: Any, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events.Scalars(name)]


def wanted(run: Path, name: str) -> list[tuple[int, float]]:
    """A curve of the journal, in the numbers of 32 bits that event files have."""
    lines = read_journal(run / "metrics.jsonl")
    return [(line["step"], float(np.float32(found[name]))) for line in lines if name in (found := values(line))]


def text_of(events: Any, tag: str) -> str:
    return "\n".join(event.tensor_proto.string_val[0].decode() for event in events.Tensors(tag))


def test_a_resumed_run_has_the_curves_of_its_journal(smoke_data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    grokcore.train_model(easy("training.max_steps=40"), smoke_data, run, track=["tensorboard"])
    grokcore.train_model(easy(), smoke_data, run, track=["tensorboard"])
    events = read(run / "tensorboard")
    assert len(list((run / "tensorboard").iterdir())) == 2
    assert set(events.Tags()["scalars"]) == {
        name for line in read_journal(run / "metrics.jsonl") for name in values(line)
    }
    for name in ("accuracy/train", "loss/test_inferred_ood", "weight_norm"):
        assert curve(events, name) == wanted(run, name)
    memorized = read_journal(run / "metrics.jsonl")[-1]["phases"]["memorized"]
    assert f"memorized at step {memorized}" in text_of(events, "phases")
    assert "exit_reason: budget_steps" in text_of(events, "outcome")
    assert "_hparams_/session_start_info" in events.Tags()["tensors"] or events.summary_metadata


def test_points_that_the_journal_has_lost_are_purged(smoke_run: Path, tmp_path: Path) -> None:
    """Whether the same process walks back, or another one goes on from an earlier checkpoint."""
    from grokcore.runs.record import read_trained

    record = read_trained(smoke_run)
    run = TrackedRun(str(smoke_run), record.spec, record.manifest, tuple(record.journal))
    other = {**run.lines[-1], "weight_norm": 7.0}
    tracker = TensorboardTracker(tmp_path)
    tracker.sync(run)
    tracker.sync(TrackedRun(run.uri, run.spec, run.manifest, (*run.lines[:-3], other)))
    tracker.close()
    assert curve(read(tmp_path), "weight_norm")[-1] == (other["step"], 7.0)
    assert len(curve(read(tmp_path), "weight_norm")) == len(run.lines) - 2
    later = TensorboardTracker(tmp_path)
    later.sync(TrackedRun(run.uri, run.spec, run.manifest, run.lines[:-5]))
    later.close()
    assert [step for step, _ in curve(read(tmp_path), "weight_norm")] == [line["step"] for line in run.lines[:-5]]


def test_an_export_is_the_same_every_time(smoke_run: Path, tmp_path: Path) -> None:
    folder = Path(export_run(str(smoke_run), "tensorboard", tmp_path))
    [first] = folder.iterdir()
    content = first.read_bytes()
    assert export_run(str(smoke_run), "tensorboard", tmp_path) == str(folder)
    [second] = folder.iterdir()
    assert (second.name, second.read_bytes()) == (first.name, content)
    assert curve(read(folder), "accuracy/train") == wanted(smoke_run, "accuracy/train")


def test_seeds_have_folders_of_their_own(smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKCORE_TENSORBOARD_DIR", str(tmp_path / "board"))
    monkeypatch.setenv("GROKCORE_TRACK", "tensorboard")
    specs = [easy(f"seed={seed}", "training.precision=fp32", "training.max_steps=20") for seed in (3, 12)]
    grokcore.train_seeds(specs, smoke_data, tmp_path / "runs", strategy="stacked")
    folders = {path.name.rpartition("-")[0]: path for path in (tmp_path / "board").iterdir()}
    assert folders.keys() == {"smoke-seed-3", "smoke-seed-12"}
    for seed in (3, 12):
        events = read(folders[f"smoke-seed-{seed}"])
        assert curve(events, "loss/train") == wanted(tmp_path / "runs" / f"seed-{seed}", "loss/train")


def test_what_is_no_finite_number_is_a_gap(smoke_run: Path) -> None:
    line = read_journal(smoke_run / "metrics.jsonl")[-1]
    found = values({**line, "train": {"accuracy": 0.5, "loss": None}, "loss_scale": None, "weight_norm": float("inf")})
    assert found["accuracy/train"] == 0.5
    assert not {"loss/train", "loss_scale", "weight_norm"} & found.keys()
