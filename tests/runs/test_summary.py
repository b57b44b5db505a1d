"""Many runs are listed by one request each, and those without a summary, or with one of before, by what they hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.benchmarks.many_runs import counted_requests, make_runs
from grokcore.errors import InputError
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


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder that summaries are kept in, also those of a few runs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("grokcore.runs.summaries.FEWEST_KEPT", 1)
    return tmp_path / "cache" / "grokcore" / "summaries"


@pytest.mark.usefixtures("kept")
def test_a_list_asks_again_for_those_alone_that_have_changed(root: Store, smoke_run: Path) -> None:
    first = list_runs(root)
    with counted_requests() as requests:
        assert list_runs(root) == first
    assert len(requests) <= PAGES, requests.urls

    changed, gone, *_ = first
    summary = f"{changed.place}/{SUMMARY}"
    root.write_json(summary, {**root.read_json(summary), "step": 59})  # as many bytes as before
    root.child(gone.place).delete_all()
    root.child("new").upload_directory(smoke_run, "run")
    with counted_requests() as requests:
        second = list_runs(root)
    assert len(requests) <= PAGES + 2, requests.urls
    assert {run.place for run in second} == {run.place for run in first} - {gone.place} | {"new/run"}
    assert [run.step for run in second if run.place == changed.place] == [59]


def test_a_copy_of_the_summary_of_a_run_that_has_gone_on_does_not_count(root: Store, kept: Path) -> None:
    """As where a version that writes no summaries resumes it."""
    (first, *_) = list_runs(root)
    run = root.child(first.place)
    run.write_json("manifest.json", {**run.read_json("manifest.json"), "exit_reason": None, "seal": None})
    assert {run.place: run.state for run in list_runs(root)}[first.place] == "interrupted"


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"format": 2}', b"[" * 100_000, b"\xff"])
def test_damaged_copies_of_summaries_are_replaced(root: Store, kept: Path, content: bytes) -> None:
    first = list_runs(root)
    (file,) = kept.iterdir()
    good = file.read_bytes()
    file.write_bytes(content)
    assert list_runs(root) == first
    assert file.read_bytes() == good


def test_a_list_needs_no_cache(root: Store, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = list_runs(root)
    monkeypatch.setattr("grokcore.runs.summaries.cache_folder", _no_folder)
    assert list_runs(root) == first


def _no_folder(name: str) -> Path:
    raise InputError("no folder")


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
