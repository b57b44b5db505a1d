"""Many runs are listed by one request each, and those without a summary, or with one of before, by what they hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.benchmarks.many_runs import counted_requests, make_runs
from grokcore.runs import list_runs
from grokcore.runs.summary import SUMMARY
from grokcore.storage import FileStore, Store, open_store

RUNS = 12
PAGES = 2
"""Requests of a listing: the server of the tests gives 100 keys at a time."""


@pytest.fixture
def root(s3_uri: str, smoke_run: Path) -> Store:
    root = open_store(s3_uri)
    make_runs(root, RUNS, smoke_run)
    return root


def without_summaries(root: Store) -> None:
    for file in list(root.files()):
        if file.key.endswith(SUMMARY):
            root.delete(file.key)


def test_a_list_asks_once_for_each_run_and_twice_for_those_of_older_versions(root: Store) -> None:
    with counted_requests() as requests:
        listed = list_runs(root)
    assert len(listed) == RUNS
    assert {run.state for run in listed} == {"budget_steps"}
    assert [run.seed for run in sorted(listed, key=lambda run: run.seed or 0)] == list(range(RUNS))
    assert len(requests) <= RUNS + PAGES, requests.urls

    without_summaries(root)
    with counted_requests() as requests:
        older = list_runs(root)
    assert len(requests) <= 2 * RUNS + PAGES, requests.urls
    assert [(run.place, run.run_id, run.name, run.architecture, run.task, run.seed, run.step) for run in older] == [
        (run.place, run.run_id, run.name, run.architecture, run.task, run.seed, run.step) for run in listed
    ]


def test_training_writes_a_summary_that_says_what_the_run_holds(smoke_run: Path, tmp_path: Path) -> None:
    root = FileStore(tmp_path)
    root.upload_directory(smoke_run, "run")
    (by_summary,) = list_runs(root)
    size = root.find(f"run/{SUMMARY}")
    assert size is not None
    assert size.size < 1000
    root.delete(f"run/{SUMMARY}")
    (by_files,) = list_runs(root)
    assert by_summary.step == 60
    assert (by_files.step, by_files.state, by_files.run_id) == (by_summary.step, by_summary.state, by_summary.run_id)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"format": 2}', b"[" * 100_000, b"\xff"])
def test_a_damaged_summary_is_none(content: bytes, smoke_run: Path, tmp_path: Path) -> None:
    root = FileStore(tmp_path)
    root.upload_directory(smoke_run, "run")
    (before,) = list_runs(root)
    root.write(f"run/{SUMMARY}", content)
    (after,) = list_runs(root)
    assert (after.step, after.state, after.run_id) == (before.step, before.state, before.run_id)


def test_a_run_that_a_version_without_summaries_has_resumed_is_listed_by_what_it_is_now(
    smoke_run: Path, tmp_path: Path
) -> None:
    root = FileStore(tmp_path)
    root.upload_directory(smoke_run, "run")
    manifest = root.read_json("run/manifest.json")
    root.write_json("run/manifest.json", {**manifest, "exit_reason": None, "seal": None})
    (resumed,) = list_runs(root)
    assert (resumed.state, resumed.step) == ("interrupted", 60)

    lines = root.read("run/metrics.jsonl").splitlines(keepends=True)
    root.write_json("run/manifest.json", manifest)
    root.write("run/metrics.jsonl", b"".join(lines[:-1]))
    (cut_back,) = list_runs(root)
    assert cut_back.step is not None
    assert cut_back.step < 60
