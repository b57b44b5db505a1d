"""Each sink is blocked in turn, for as long as training lasts: its steps go on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import grokcore
from grokcore.runs import read_journal, read_manifest
from grokcore.spec import ExperimentSpec
from grokcore.telemetry.sinks import FAILURES
from tests.faults.proxy import Fault, Proxy
from tests.servers.fixtures import Bucket
from tests.support.checks import PATIENCE, wait_until


def test_a_terminal_that_takes_nothing(smoke_spec: ExperimentSpec, smoke_data: Path, tmp_path: Path) -> None:
    reader, writer = full_pipe()
    training = subprocess.Popen(
        [sys.executable, "-m", "grokcore", "train", "smoke", "--data", str(smoke_data), "--out", str(tmp_path / "run")],
        stderr=writer,
        stdout=subprocess.DEVNULL,
    )
    os.close(writer)
    wait_until(lambda: has_ended(tmp_path / "run"))  # or else it waits for somebody to read what it says
    assert read_journal(tmp_path / "run" / "metrics.jsonl")[-1]["step"] == smoke_spec.training.max_steps
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    assert training.wait(timeout=PATIENCE) == 0
    assert "step 60/60" in said, "it comes once somebody reads"


def full_pipe() -> tuple[int, int]:
    """A pipe with room for not one byte more."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for size in (65536, 1):
        while True:
            try:
                os.write(writer, b"-" * size)
            except BlockingIOError:
                break
    os.set_blocking(writer, True)
    return reader, writer


def has_ended(run: Path) -> bool:
    return (run / "manifest.json").exists() and read_manifest(run).exit_reason is not None


def test_scrapers_that_neither_ask_nor_read(
    smoke_spec: ExperimentSpec, smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROKCORE_METRICS_PORT", "0")
    monkeypatch.setenv("GROKCORE_METRICS_LINGER", "0")
    clients: list[socket.socket] = []

    def connect(line: str) -> None:
        port = int(line.rpartition(":")[2].removesuffix("/metrics"))
        for request in (b"", b"GET /metr", b"GET /metrics HTTP/1.1\r\n\r\n"):
            client = socket.create_connection(("127.0.0.1", port))
            client.sendall(request)
            clients.append(client)

    result = grokcore.train_model(smoke_spec, smoke_data, tmp_path / "run", notify=connect)
    assert result.step == smoke_spec.training.max_steps
    assert len(clients) == 3
    for client in clients:
        client.close()


def test_a_store_that_never_answers_to_the_journal(
    smoke_spec: ExperimentSpec, smoke_data: Path, s3_uri: str, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(bucket.gateway.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint)
    monkeypatch.setattr("grokcore.training.recorder.PUT_SECONDS", 0.0)
    before, reached = FAILURES.read()["journal"], []

    def evaluated(line: dict[str, Any]) -> None:
        reached.append(line["step"])
        if line["step"] == 0:
            proxy.inject(Fault("silent", at=r"PUT .*/metrics\.jsonl", times=None))
        if line["step"] == smoke_spec.training.max_steps:
            struck.extend(request.name for request in proxy.requests)
            proxy.heal()

    struck: list[str] = []
    try:
        grokcore.train_model(smoke_spec, smoke_data, s3_uri, on_evaluation=evaluated)
        assert reached[-1] == smoke_spec.training.max_steps, "all evaluations were made while nothing was answered"
        assert any("metrics.jsonl" in name for name in struck)
        text = bucket.client.get_object(Bucket=bucket.name, Key=f"{s3_uri.rpartition('/')[2]}/metrics.jsonl")
        assert len(text["Body"].read().splitlines()) == len(reached)
        assert FAILURES.read()["journal"] >= before
    finally:
        proxy.close()
