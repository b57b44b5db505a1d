"""What a real training exposes, asked for over HTTP while it runs, and left behind when it has ended."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import grokcore
from grokcore.errors import InputError, StoppedError
from grokcore.runs import read_journal
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.spec.hardware import has_cuda
from grokcore.telemetry.metrics import BY_NAME, SINKS
from grokcore.training.run_metrics import phase_metrics
from tests.support.extended import extended

Found = dict[tuple[str, ...], float]


class Watched:
    """Keeps what training says, and what a scrape gets at each evaluation."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GROKCORE_METRICS_PORT", "0")
        monkeypatch.setenv("GROKCORE_METRICS_LINGER", "0")
        self.said: list[str] = []
        self.scrapes: list[Found] = []

    def scrape(self, *_: Any) -> None:
        [url] = [line.removeprefix("metrics at ") for line in self.said if line.startswith("metrics at ")]
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - http
            self.scrapes.append(parsed(answer.read().decode()))


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def parsed(text: str) -> Found:
    """Samples by name and label values, in the registry's order."""
    found: Found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            metric = BY_NAME.get(sample.name) or BY_NAME[sample.name.rpartition("_")[0]]
            le = (sample.labels["le"],) if "le" in sample.labels else ()
            found[(sample.name.removeprefix("grokking_"), *(sample.labels[name] for name in metric.labels), *le)] = (
                sample.value
            )
    return found


def test_each_evaluation_can_be_scraped_at_once(
    smoke_spec: ExperimentSpec, smoke_data: Path, tmp_path: Path, watched: Watched
) -> None:
    grokcore.train_model(
        smoke_spec, smoke_data, tmp_path / "run", on_evaluation=watched.scrape, notify=watched.said.append
    )
    lines = read_journal(tmp_path / "run" / "metrics.jsonl")
    assert len(watched.scrapes) == len(lines)
    for line, found in zip(lines, watched.scrapes, strict=True):
        step = line["step"]
        assert found["step",] == found["train_steps_total",] == found["step_duration_seconds_count",] == step
        assert found["train_examples_total",] == step * smoke_spec.training.batch_size
        for split, measure in {"train": line["train"], **line["splits"]}.items():
            assert found["accuracy_ratio", split] == measure["accuracy"]
            assert found["loss", split] == measure["loss"]
        gap = line["train"]["accuracy"] - line["splits"]["test_inferred_ood"]["accuracy"]
        assert found["generalization_gap_ratio", "test_inferred_ood"] == gap
        assert found["weight_norm",] == line["weight_norm"]
        assert found["learning_rate",] == line["learning_rate"]
    identity = (smoke_spec.run_id, "smoke", "gpt2", "comparison", "0", "1")
    assert watched.scrapes[-1][("run_info", *identity)] == 1
    assert "loss_scale" not in {key[0] for key in watched.scrapes[-1]}, "there is none but in fp16"


def test_what_is_left_in_the_run_is_the_last_and_passes_the_linter(
    smoke_spec: ExperimentSpec, smoke_data: Path, store_uri: str, tmp_path: Path, watched: Watched
) -> None:
    from grokcore.storage import open_store

    grokcore.train_model(smoke_spec, smoke_data, store_uri, notify=watched.said.append)
    text = open_store(store_uri).read("metrics.prom")
    found = parsed(text.decode())
    assert found["step",] == smoke_spec.training.max_steps
    assert found["checkpoint_duration_seconds_count",] >= 1
    assert found["checkpoint_bytes",] > 0
    assert {key[1] for key in found if key[0] == "sink_failures_total"} == set(SINKS)
    assert all(value == 0 for key, value in found.items() if key[0] == "sink_failures_total")
    if shutil.which("promtool") is not None:
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


def test_nothing_is_exposed_or_left_unless_it_is_asked_for(smoke_run: Path) -> None:
    assert not (smoke_run / "metrics.prom").exists()


def test_a_port_that_is_taken_is_a_warning_and_a_number(
    smoke_spec: ExperimentSpec, smoke_data: Path, tmp_path: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grokcore.telemetry.sinks.FAILURES._warned", set())
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setenv("GROKCORE_METRICS_PORT", str(port))
        result = grokcore.train_model(smoke_spec, smoke_data, tmp_path / "run", notify=watched.said.append)
    assert result.exit_reason == "budget_steps"
    [warning] = watched.said
    assert warning.startswith(f"training goes on without metrics: cannot listen at 127.0.0.1:{port} (")
    assert parsed((tmp_path / "run" / "metrics.prom").read_text())["sink_failures_total", "prometheus"] == 1


def test_a_variable_that_is_wrong_is_told_before_anything_is_written(
    smoke_spec: ExperimentSpec, smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROKCORE_METRICS_PORT", "http")
    with pytest.raises(InputError, match="GROKCORE_METRICS_PORT='http' is not a port"):
        grokcore.train_model(smoke_spec, smoke_data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_retries_and_resumes_can_be_seen(
    smoke_spec: ExperimentSpec, smoke_data: Path, tmp_path: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(line: dict[str, Any]) -> None:
        if line["step"] == 40:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(StoppedError):
        grokcore.train_model(smoke_spec, smoke_data, tmp_path, on_evaluation=stop, notify=watched.said.append)
    assert parsed((tmp_path / "metrics.prom").read_text())["ended",] == 0, "a run that was stopped is to go on"
    monkeypatch.setenv("KFP_RETRY_INDEX", "2")
    monkeypatch.setenv("GROKCORE_ATTEMPT_LIMIT", "4")
    grokcore.train_model(smoke_spec, smoke_data, tmp_path, notify=watched.said.append)
    found = parsed((tmp_path / "metrics.prom").read_text())
    assert (found["attempt",], found["attempt_limit",], found["resumes_total",]) == (3, 4, 1)
    assert (found["step",], found["train_steps_total",]) == (60, 20), "the counter is this process' own"
    assert found["ended",] == 1


def test_numbers_that_are_none_are_counted_and_exposed_as_such(
    smoke_data: Path, tmp_path: Path, watched: Watched
) -> None:
    spec = load_spec("smoke", ["training.learning_rate=1e30", "training.gradient_clip=null"])
    result = grokcore.train_model(spec, smoke_data, tmp_path, notify=watched.said.append)
    assert result.exit_reason == "diverged"
    found = parsed((tmp_path / "metrics.prom").read_text())
    assert found["nonfinite_total",] > 0
    assert found["loss", "train"] != found["loss", "train"], "NaN"


@pytest.mark.gpu
@pytest.mark.skipif(not has_cuda(), reason="fp16 is trained on CUDA GPUs only")
def test_steps_that_fp16_skips_are_counted(smoke_data: Path, tmp_path: Path, watched: Watched) -> None:
    spec = load_spec("smoke", ["training.precision=fp16"])
    grokcore.train_model(spec, smoke_data, tmp_path, notify=watched.said.append)
    last = read_journal(tmp_path / "metrics.jsonl")[-1]
    found = parsed((tmp_path / "metrics.prom").read_text())
    assert found["loss_scale",] == last["loss_scale"]
    assert found["optimizer_steps_skipped_total",] == last["steps_skipped"]


@pytest.mark.parametrize("strategy", [extended("processes"), "sequence", "stacked"])
def test_several_seeds_are_one_set_of_series(strategy: Any, smoke_data: Path, tmp_path: Path, watched: Watched) -> None:
    spec = load_spec("smoke", ["training.max_steps=20"])
    specs = [spec.model_copy(update={"seed": seed}) for seed in (0, 1)]
    ended: list[int] = []

    def end(seed: int, outcome: Any) -> None:
        ended.append(seed)
        if len(ended) == 2:
            watched.scrape()

    grokcore.train_seeds(specs, smoke_data, tmp_path, strategy=strategy, on_end=end, notify=watched.said.append)
    [found] = watched.scrapes
    journals = [read_journal(tmp_path / f"seed-{seed}" / "metrics.jsonl")[-1] for seed in (0, 1)]
    accuracies = [line["train"]["accuracy"] for line in journals]
    assert found["accuracy_ratio", "train"] == sum(accuracies) / 2
    assert found["replica_accuracy_ratio", "train", "0"] == min(accuracies)
    assert found["replica_accuracy_ratio", "train", "1"] == max(accuracies)
    assert found["run_info", "several", "smoke", "gpt2", "comparison", "several", "1"] == 1
    assert found["train_steps_total",] == found["step_duration_seconds_count",] == 40
    assert sum(key[0] == "run_info" for key in found) == 1
    for seed in (0, 1):
        alone = parsed((tmp_path / f"seed-{seed}" / "metrics.prom").read_text())
        assert alone["train_steps_total",] == 20
        assert any(key[0] == "run_info" and key[5] == str(seed) for key in alone)


@pytest.mark.parametrize(
    ("sustained", "collapsed", "grokked"), [(None, None, 0.0), (150, None, 0.0), (200, None, 1.0), (400, 900, 0.0)]
)
def test_a_split_counts_as_grokked_only_if_it_is_sustained_and_delayed(
    sustained: int | None, collapsed: int | None, grokked: float
) -> None:
    """A run that rises along with its training set shows the phase, and not the verdict that RunGrokked waits for."""
    begun = {"onset": None, "sustained": sustained, "collapsed": collapsed}
    line = {
        "step": 1000,
        "train": {"accuracy": 1.0, "loss": 0.0},
        "splits": {"test": {"accuracy": 1.0, "loss": 0.0}},
        "weight_norm": 1.0,
        "gradient_norm": 1.0,
        "learning_rate": 1e-3,
        "loss_scale": None,
        "phases": {"memorized": 100, "test": begun},
    }
    samples = phase_metrics([line], ["test"], load_spec("smoke"))
    assert samples["grokking_phase", "test", "sustained"] == float(sustained is not None)
    assert samples["grokking_grokked", "test"] == grokked
