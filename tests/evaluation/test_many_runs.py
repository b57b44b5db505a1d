"""A comparison of many runs on object storage costs a few requests a run, through one connection."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest

from ci.benchmarks.many_runs import counted_requests, make_runs
from grokcore import build_comparison
from grokcore.runs import list_runs
from grokcore.storage import open_store, s3_connection

RUNS = 8


@pytest.mark.parametrize("by_name", [False, True])
def test_a_comparison_reads_each_file_of_a_run_once_and_makes_no_client_per_run(
    by_name: bool, s3_uri: str, smoke_run: Path
) -> None:
    root = open_store(s3_uri)
    make_runs(root, RUNS, smoke_run, beside=False)
    places = [run.uri for run in list_runs(root)] if by_name else [f"{s3_uri}/runs"]
    with (
        counted_requests() as requests,
        patch.object(s3_connection, "_new_client", wraps=s3_connection._new_client) as new_client,
    ):
        comparison = build_comparison(places, f"{s3_uri}/comparison")
    assert comparison.runs == RUNS
    per_run = [url for url in requests.urls if "/local/" in url and "list-type" not in url]
    # is it there? spec, manifest, journal, evaluation, an analysis? a report?
    assert len(per_run) <= 7 * RUNS, requests.urls
    assert len(requests) - len(per_run) < 20, requests.urls
    buckets = [url for url in requests.urls if url.startswith("HEAD") and url.count("/") == 3]
    assert 0 < len(buckets) <= new_client.call_count, requests.urls  # threads that miss a file ask once together
    assert new_client.call_count < 6
