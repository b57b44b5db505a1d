"""The same runs bear the same names in every view, and every view says in the same words that there is no run."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grokcore.claims import document
from grokcore.cli import main
from grokcore.errors import InputError
from grokcore.evaluation import evaluate_model
from grokcore.evaluation.records import read_records
from grokcore.reporting import build_comparison, build_report
from grokcore.runs import check_run, describe_run
from grokcore.runs.groups import group_labels, groups_of, run_names
from grokcore.runs.record import RunRecord
from grokcore.spec import load_spec
from grokcore.storage import open_store
from grokcore.sweeps import expand, load_sweep
from grokcore.telemetry.notifications import Event, message
from grokcore.terminal.run_list import RunList
from tests.reporting.made_up_groups import OOD, run_of, write_all
from tests.reporting.pages import Page

NAMES = [
    "model.architecture gpt2, seed 0",
    "model.architecture gpt2, seed 1",
    "model.architecture llama, seed 0",
    "model.architecture llama, seed 1",
]
GROUPS = ["model.architecture gpt2", "model.architecture llama"]


@pytest.fixture(scope="module")
def runs() -> list[RunRecord]:
    return [run_of(f"model.architecture={name}", f"seed={seed}") for name in ("gpt2", "llama") for seed in (0, 1)]


@pytest.fixture(scope="module")
def store(runs: list[RunRecord], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(runs, tmp_path_factory.mktemp("named"))


def test_records_and_groups(runs: list[RunRecord]) -> None:
    assert run_names([run.spec for run in runs]) == NAMES
    groups = groups_of(runs)
    assert [group.label for group in groups] == GROUPS
    assert [name for group in groups for name in group.names] == NAMES


def test_report_and_compare(store: Path, tmp_path: Path) -> None:
    report = Page(Path(build_report([store / "runs"], tmp_path / "report.html")).read_text("utf-8"))
    comparison = build_comparison([store / "runs"], tmp_path / "comparison")
    for page in (report, Page(Path(comparison.page).read_text("utf-8"))):
        assert [name for name in NAMES if name in page.texts] == NAMES
        assert "model.architecture: gpt2, llama" in page.text
    assert [group.label for group in comparison.groups] == GROUPS
    assert {row.partition(",")[0].strip('"') for row in (tmp_path / "comparison" / "runs.csv").read_text().split()[1:]}


def test_watch(store: Path) -> None:
    stream = io.StringIO()
    RunList([open_store(store)], stream).follow(seconds=0.01, find_seconds=0.01)
    shown = stream.getvalue().splitlines()
    assert sorted(line.partition("  ")[0] for line in shown[1:]) == NAMES


def test_sweeps() -> None:
    axis = {"kind": "grid", "field": "model.architecture", "values": ["gpt2", "llama"]}
    sweep = load_sweep(json.dumps({"name": "s", "base": "demo", "seeds": [0, 1], "axes": [axis]}))
    assert [point.run_name(spec) for point in expand(sweep) for spec in point.specs] == NAMES


def test_claims(runs: list[RunRecord]) -> None:
    labels = {group.label for claim in document(runs).claims for stratum in claim.strata for group in stratum.groups}
    assert labels <= {*GROUPS, "demo"}


def test_runs_list(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "list", str(store)]) == 0
    head = capsys.readouterr().out.splitlines()[0]
    assert head.split()[:5] == ["run", "name", "model.architecture", "task.kind", "seed"]


def test_webhook(runs: list[RunRecord]) -> None:
    run = runs[0]
    told = message(Event(OOD, "onset", 1000), run.journal[-1], run.manifest, run.uri, delay=2)
    assert told["text"].startswith(f"{run_names([run.spec])[0]}: ")


READERS: dict[str, Callable[[Path, Path], Any]] = {
    "report": lambda place, out: build_report([place], out / "report.html"),
    "compare": lambda place, out: build_comparison([place], out / "comparison"),
    "claims": lambda place, out: read_records([place]),
    "watch": lambda place, out: RunList([open_store(place)], io.StringIO()).follow(),
    "evaluate": lambda place, out: evaluate_model(place),
    "runs show": lambda place, out: describe_run(open_store(place)),
    "runs delete": lambda place, out: check_run(open_store(place)),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_what_is_not_a_run_is_said_in_the_same_words(read: Callable[[Path, Path], Any], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        read(tmp_path / "empty", tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'empty'} is not a run: it has no manifest.json")


def test_each_of_many_methods_is_called_by_what_is_its_own() -> None:
    """Though every one has a learning rate of its own, and a field of another method that is at its default."""
    overrides = {
        "training.optimizer adamw": [],
        "training.optimizer muon": ["training.optimizer=muon"],
        "training.optimizer muon, training.muon_iterations 0": [
            "training.optimizer=muon",
            "training.muon_iterations=0",
        ],
        "training.gradient_filter grokfast": ["training.gradient_filter=grokfast"],
        "training.loss_temperature 2": ["training.loss_temperature=2"],
        "training.loss stablemax": ["training.loss=stablemax"],
    }
    specs = [load_spec("smoke", [*own, f"training.learning_rate=.00{n}1"]) for n, own in enumerate(overrides.values())]
    assert group_labels(specs) == list(overrides)


def test_what_lacks_the_fields_that_others_differ_in_is_named_too() -> None:
    plain, shared, re_entering = (
        load_spec("smoke", own)
        for own in ([], ["model.sharing={kind: blocks}"], ["model.sharing={kind: blocks, reentry: 1}"])
    )
    assert group_labels([plain, shared]) == ["model.sharing none", "with model.sharing"]
    assert group_labels([plain, shared, re_entering]) == [
        "without model.sharing.reentry",
        "model.sharing.reentry none",
        "model.sharing.reentry 1",
    ]
