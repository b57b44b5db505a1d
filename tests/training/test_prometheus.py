"""A training watched by a real Prometheus server: the moment is seen while it comes, and the end is not lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import grokcore
from grokcore.runs import read_journal
from grokcore.spec import load_spec
from tests.servers.process import free_port
from tests.servers.prometheus import Prometheus
from tests.support.checks import wait_until

RULES = Path(__file__).parents[2] / "manifests" / "monitoring" / "rules"

GROKS = (
    "task.modulus=23",
    "task.train_ratio=0.6",
    "model.width=64",
    "model.heads=2",
    "training.batch_size=128",
    "training.learning_rate=0.003",
    "training.threads=1",
    "training.stop_on_grok=null",
    "training.max_steps=420",
    "training.checkpoint_interval=200",
    "evaluation.interval=20",
    "evaluation.threshold=0.7",
    "evaluation.stable_threshold=0.4",
)
"""A delay of seconds: memorized in one hundred steps, generalized in three hundred."""


@dataclass(frozen=True)
class Observed:
    """A training that has ended, its journal, and the server that has scraped it."""

    prometheus: Prometheus
    journal: list[dict[str, Any]]
    said: list[str]


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    place, port = tmp_path_factory.mktemp("observed"), free_port()
    spec = load_spec("modular", list(GROKS))
    grokcore.generate_dataset(spec.task, place / "data")
    prometheus = Prometheus(place / "prometheus", f"127.0.0.1:{port}", rules=hurried(RULES, place / "rules"))
    said: list[str] = []

    def wait_until_seen(line: dict[str, Any]) -> None:
        """However fast the machine is, the way is seen; the last evaluation is left to the endpoint itself."""
        step = line["step"]
        if step % 60 == 0 and step < spec.training.max_steps:
            prometheus.wait_until(lambda: _values(prometheus, "grokking_step") == [step])

    with prometheus.running():
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("GROKCORE_METRICS_PORT", str(port))
            environment.delenv("GROKCORE_METRICS_LINGER", raising=False)
            grokcore.train_model(spec, place / "data", place / "run", on_evaluation=wait_until_seen, notify=said.append)
        yield Observed(prometheus, read_journal(place / "run" / "metrics.jsonl"), said)


def _values(prometheus: Prometheus, expression: str) -> list[float]:
    return [float(series["value"][1]) for series in prometheus.query(expression)]


def hurried(rules: Path, folder: Path) -> list[Path]:
    """The rules as they are shipped, evaluated every second."""
    folder.mkdir()
    for path in rules.glob("*.yaml"):
        document = yaml.safe_load(path.read_text())
        for group in document["groups"]:
            group["interval"] = "1s"
        (folder / path.name).write_text(json.dumps(document))
    return sorted(folder.iterdir())


def test_accuracy_is_seen_to_rise(observed: Observed) -> None:
    seen = observed.prometheus.history('grokking_accuracy_ratio{split="test"}')
    assert min(seen) < 0.2
    assert max(seen) > 0.7
    assert len(set(seen)) > 3, "the way there is seen, too"


def test_phases_begin_one_after_another(observed: Observed) -> None:
    for split, phase in (("train", "memorized"), ("test", "onset"), ("test", "sustained")):
        seen = observed.prometheus.history(f'grokking_phase{{split="{split}",phase="{phase}"}}')
        assert seen == sorted(seen)
        assert (seen[0], seen[-1]) == (0, 1), f"{phase} has been seen to begin"
    phases = observed.journal[-1]["phases"]
    [found] = observed.prometheus.query(
        'last_over_time(grokking_sustained_step{split="test",definition="sustained"}[1h])'
    )
    assert float(found["value"][1]) == phases["test"]["sustained"]


def test_the_last_values_are_not_lost(observed: Observed) -> None:
    last = observed.journal[-1]
    assert observed.prometheus.history("grokking_step")[-1] == last["step"] == 420
    assert observed.prometheus.history("grokking_train_steps_total")[-1] == 420
    seen = observed.prometheus.history('grokking_accuracy_ratio{split="test"}')[-1]
    assert seen == last["splits"]["test"]["accuracy"]


def test_the_alert_of_the_moment_fires(observed: Observed) -> None:
    expression = 'max_over_time(ALERTS{alertname="GrokkingStarted",alertstate="firing"}[1h])'
    wait_until(lambda: observed.prometheus.query(expression))
    [alert] = observed.prometheus.query(expression)
    assert alert["metric"]["split"] == "test"
    assert alert["metric"]["severity"] == "info"


def test_the_address_is_told(observed: Observed) -> None:
    assert [line for line in observed.said if line.startswith("metrics at http://127.0.0.1:")]
