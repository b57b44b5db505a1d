"""A run tells a webhook of each change of phase, once, and trains on whatever the webhook does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grokcore.cli import main
from grokcore.errors import StoppedError
from grokcore.runs import read_manifest
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.telemetry.notifications import SENT, Event, message
from grokcore.training import train_model, train_seeds
from tests.servers.webhooks import Receiver, receiver
from tests.support.extended import extended

EASY = ["evaluation.threshold=0.2", "evaluation.sustain=1", "model.width=16"]
"""So low that training and held-out splits reach it within steps."""


@pytest.fixture(autouse=True)
def _only_what_a_test_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GROKCORE_WEBHOOK_URL", raising=False)
    monkeypatch.delenv("RANK", raising=False)


def easy(*overrides: str) -> ExperimentSpec:
    return load_spec("smoke", [*EASY, *overrides])


def told(server: Receiver) -> list[tuple[str | None, str]]:
    return [(message["split"], message["phase"]) for message in server.messages]


def last_phases(run: Path) -> dict[str, Any]:
    phases: dict[str, Any] = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["phases"]
    return phases


def reached(run: Path) -> set[tuple[str | None, str]]:
    phases = last_phases(run)
    begun = {
        (split, phase) for split in phases if split != "memorized" for phase, step in phases[split].items() if step
    }
    return begun | ({("train", "memorized")} if phases["memorized"] is not None else set())


def test_every_change_is_told_once_and_the_end_last(
    smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remarks: list[str] = []
    with receiver() as server:
        monkeypatch.setenv("GROKCORE_WEBHOOK_URL", server.url)
        train_model(easy(), smoke_data, tmp_path / "run", notify=remarks.append)
    assert set(told(server)) == reached(tmp_path / "run") | {(None, "ended")}
    assert len(server.messages) == len(set(told(server))) >= 3
    assert told(server)[-1] == (None, "ended")
    first = next(message for message in server.messages if message["phase"] == "memorized")
    last = server.messages[-1]
    assert first["step"] == last_phases(tmp_path / "run")["memorized"]
    assert 0.2 <= first["accuracy"] <= 1
    assert (first["name"], first["seed"], first["task"], first["architecture"]) == ("smoke", 0, "comparison", "gpt2")
    assert (first["run_id"], first["uri"]) == (easy("training.precision=fp32").run_id, str(tmp_path / "run"))
    assert (last["exit_reason"], last["step"]) == ("budget_steps", 60)
    assert last["text"] == "smoke, seed 0: ended at step 60 (budget_steps)"
    assert not [remark for remark in remarks if "webhook" in remark]


def test_the_url_stands_nowhere(
    smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    remarks: list[str] = []
    with receiver(lambda number: (404, {})) as server:
        monkeypatch.setenv("GROKCORE_WEBHOOK_URL", server.url)
        train_model(easy(), smoke_data, tmp_path / "run", notify=remarks.append)
    assert len(server.messages) >= 3
    assert remarks[-1:] == ["a notification was not delivered; training goes on: its server answered 404"]
    secret = Receiver.SECRET.rpartition("/")[2]
    captured = capfd.readouterr()
    assert secret not in captured.out + captured.err + "".join(remarks)
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if secret.encode() in path.read_bytes()]


def test_a_run_that_goes_on_repeats_nothing_and_says_what_was_missed(
    smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with receiver() as server:
        monkeypatch.setenv("GROKCORE_WEBHOOK_URL", server.url)
        train_model(easy("training.max_steps=40"), smoke_data, run)
        before = told(server)
        train_model(easy(), smoke_data, run)
    again = told(server)[len(before) :]
    assert set(again) == (reached(run) | {(None, "ended")}) - (set(before) - {(None, "ended")})
    assert [message["step"] for message in server.messages if message["phase"] == "ended"] == [40, 60]

    record = json.loads((run / SENT).read_text())
    record["told"].remove("memorized train")  # as where the webhook was out of reach
    (run / SENT).write_text(json.dumps(record))
    with receiver() as server:
        monkeypatch.setenv("GROKCORE_WEBHOOK_URL", server.url)
        train_model(easy("training.max_steps=70"), smoke_data, run)
    assert told(server)[0] == ("train", "memorized")
    assert told(server).count(("train", "memorized")) == 1


def test_a_run_that_gets_a_webhook_later_does_not_tell_its_past(
    smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    train_model(easy("training.max_steps=40"), smoke_data, run)
    assert not (run / SENT).exists()
    past = reached(run)
    assert past
    with receiver() as server:
        monkeypatch.setenv("GROKCORE_WEBHOOK_URL", server.url)
        train_model(easy(), smoke_data, run)
    assert not past & set(told(server))
    assert told(server)[-1] == (None, "ended")


def test_an_interruption_is_no_end(smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import signal

    def interrupt(line: dict[str, Any]) -> None:
        if line["step"] >= 20:
            os.kill(os.getpid(), signal.SIGTERM)

    with receiver() as server:
        monkeypatch.setenv("GROKCORE_WEBHOOK_URL", server.url)
        with pytest.raises(StoppedError):
            train_model(easy(), smoke_data, tmp_path / "run", on_evaluation=interrupt)
    assert server.messages
    assert (None, "ended") not in told(server)


def test_divergence_is_told_as_the_end(smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wild = ["training.optimizer=sgd", "training.learning_rate=1e30", "training.gradient_clip=null"]
    with receiver() as server:
        monkeypatch.setenv("GROKCORE_WEBHOOK_URL", server.url)
        result = train_model(load_spec("smoke", wild), smoke_data, tmp_path / "run")
    assert result.exit_reason == "diverged"
    assert told(server)[-1] == (None, "diverged")
    assert server.messages[-1]["accuracy"] is None or 0 <= server.messages[-1]["accuracy"] <= 1


@pytest.mark.parametrize("strategy", [extended("processes"), "stacked"])
def test_seeds_tell_their_own_changes_by_their_seed(
    strategy: Any, smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = [easy(f"seed={seed}", "training.precision=fp32") for seed in (3, 12)]
    with receiver() as server:
        monkeypatch.setenv("GROKCORE_WEBHOOK_URL", server.url)
        train_seeds(specs, smoke_data, tmp_path, strategy=strategy)
    for seed in (3, 12):
        mine = [(m["split"], m["phase"]) for m in server.messages if m["seed"] == seed]
        assert set(mine) == reached(tmp_path / f"seed-{seed}") | {(None, "ended")}
        assert len(mine) == len(set(mine))
        assert all(f"seed {seed}:" in m["text"] for m in server.messages if m["seed"] == seed)


def test_only_the_first_rank_tells(smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    with receiver() as server:
        monkeypatch.setenv("GROKCORE_WEBHOOK_URL", server.url)
        train_model(easy("training.max_steps=20"), smoke_data, tmp_path / "run")
    assert server.messages == []


@pytest.mark.parametrize(
    "command",
    [
        ["train", "smoke", "--data", "DATA", "--out", "out"],
        ["train", "smoke", "--data", "DATA", "--out", "out", "--seeds", "0,1"],
        ["run", "smoke", "--out", "out"],
        ["sweep", "architectures-small", "--out", "out"],
        ["sweep", "architectures-small", "--out", "out", "--pipeline"],
    ],
)
def test_a_url_that_is_none_ends_a_command_before_anything_is_written(
    command: list[str],
    smoke_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GROKCORE_WEBHOOK_URL", "hooks.example/s3cr3t")
    assert main([str(smoke_data) if part == "DATA" else part for part in command]) == 2
    error = capsys.readouterr().err
    assert error.startswith("grokcore: GROKCORE_WEBHOOK_URL is not the URL of a webhook")
    assert len(error.splitlines()) == 1
    assert "s3cr3t" not in error
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_an_earlier_version_told_of_repeats_nothing(
    smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with receiver() as server:
        monkeypatch.setenv("GROKCORE_WEBHOOK_URL", server.url)
        train_model(easy("training.max_steps=40"), smoke_data, run)
    assert ("test_inferred_iid", "sustained") in told(server)
    record = (run / SENT).read_text()
    (run / SENT).write_text(record.replace('"format": 2', '"format": 1').replace("sustained ", "grokked "))
    with receiver() as server:
        monkeypatch.setenv("GROKCORE_WEBHOOK_URL", server.url)
        train_model(easy(), smoke_data, run)
    assert ("test_inferred_iid", "sustained") not in told(server)


@pytest.mark.parametrize(("memorized", "verdict"), [(100, "grokked"), (200, "generalized"), (None, "generalized")])
def test_a_sustained_split_is_told_with_its_verdict(smoke_run: Path, memorized: int | None, verdict: str) -> None:
    line = {"phases": {"memorized": memorized}, "splits": {"test": {"accuracy": 1.0}}}
    sent = message(Event("test", "sustained", 300), line, read_manifest(smoke_run), "URI", delay=2.0)
    assert (sent["phase"], sent["verdict"]) == ("sustained", verdict)
    late = f", {300 / memorized:.1f} times as late as the training set" if memorized else ""
    assert sent["text"] == f"smoke, seed 0: test: sustained at step 300{late}: {verdict}"
    onset = message(Event("test", "onset", 300), line, read_manifest(smoke_run), "URI", delay=2.0)
    assert (onset["verdict"], onset["ratio"]) == (None, None)
