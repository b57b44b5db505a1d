from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.prometheus import Pushgateway


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Pushgateway]:
    with Pushgateway(tmp_path / "pushgateway").running() as server:
        yield server


def test_a_failed_run_of_the_example_is_pushed(
    local_runner: Path, gateway: Pushgateway, monkeypatch: pytest.MonkeyPatch
):
    from components.monitoring.report_outcome.example_pipelines import example_pipeline

    monkeypatch.setenv("GROKCORE_PUSHGATEWAY", gateway.address)
    monkeypatch.setenv("GROKCORE_RUN_KEY", "run-1")
    with pytest.raises(RuntimeError, match="resolve-experiment"):
        example_pipeline(preset="nothing")
    [line] = [
        line
        for line in gateway.metrics().splitlines()
        if line.startswith("grokking_pipeline_last_failure_timestamp_seconds{")
    ]
    assert 'pipeline="report-outcome-example"' in line
    assert 'schedule="nightly"' in line
