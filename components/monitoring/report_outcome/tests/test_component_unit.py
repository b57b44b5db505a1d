import pytest

from components.monitoring.report_outcome import report_outcome
from tests.servers.process import free_port


def test_nothing_is_said_without_a_gateway(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("GROKCORE_PIPELINE", "grokking-experiment")
    report_outcome.python_func()
    assert capsys.readouterr().out == ""


def test_a_gateway_that_is_away_is_a_line_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("grokcore.telemetry.sinks.FAILURES._warned", set())
    monkeypatch.setenv("GROKCORE_PIPELINE", "grokking-experiment")
    monkeypatch.setenv("GROKCORE_PUSHGATEWAY", f"127.0.0.1:{free_port()}")
    report_outcome.python_func(schedule="nightly")
    assert "could not be pushed" in capsys.readouterr().out
