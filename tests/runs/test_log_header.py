"""The first line of a training's log."""

import shlex

import pytest

from grokcore.cli.parser import build_parser
from grokcore.runs.artifacts import DASHBOARD_VARIABLE, log_header


def test_it_names_the_run_and_a_command_that_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DASHBOARD_VARIABLE, raising=False)
    line = log_header("s3://lab/my runs/abc/nightly", "abc")
    assert line.startswith("run s3://lab/my runs/abc/nightly")
    assert "dashboard" not in line
    command = shlex.split(line.partition("grokcore ")[2])
    assert build_parser().parse_args(command).runs == ["s3://lab/my runs/abc/nightly"]


@pytest.mark.parametrize(
    ("address", "link"),
    [
        ("https://grafana.example/d/grokcore-run", "https://grafana.example/d/grokcore-run?var-run=abc"),
        ("http://grafana.example/d/x?orgId=2", "http://grafana.example/d/x?orgId=2&var-run=abc"),
    ],
)
def test_it_links_to_the_runs_own_dashboard(monkeypatch: pytest.MonkeyPatch, address: str, link: str) -> None:
    monkeypatch.setenv(DASHBOARD_VARIABLE, address)
    assert log_header("s3://lab/runs/abc/1", "abc").endswith(f", dashboard: {link}")


@pytest.mark.parametrize("address", ["", " ", "grafana", "javascript:alert(1)"])
def test_an_address_that_cannot_be_opened_is_left_out(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv(DASHBOARD_VARIABLE, address)
    assert "dashboard" not in log_header("s3://lab/runs/abc/1", "abc")
