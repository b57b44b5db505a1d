"""Runs are found, described and deleted in a directory and on object storage alike, and nothing else is."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from grokcore.cli import main
from grokcore.errors import InputError, TransientError
from grokcore.runs import checkpoints_of, delete_leftovers, delete_run, describe_run, list_runs, orphans_of
from grokcore.runs.journal import encode, last_evaluation
from grokcore.runs.lock import sole_writer
from grokcore.runs.manifest import DELETING
from grokcore.storage import FileStore, Store, open_store


@pytest.fixture
def root(store_uri: str, smoke_run: Path) -> Store:
    """A store with two runs at different depths, a dataset, and a file whose name begins as a run's does."""
    root = open_store(store_uri)
    root.upload_directory(smoke_run, "runs/id/1")
    root.upload_directory(smoke_run, "deep/er/2")
    root.write_json("datasets/abc/dataset.json", {})
    root.write("runs/id/10", b"beside")
    return root


def keys(store: Store) -> list[str]:
    return [file.key for file in store.files()]


def stop_training(run: Store) -> None:
    manifest = run.read_json("manifest.json")
    run.write_json("manifest.json", {**manifest, "exit_reason": None})


def test_all_runs_are_found_at_any_depth_and_checkpoints_are_none(root: Store) -> None:
    runs = list_runs(root)
    assert [run.place for run in runs] == ["deep/er/2", "runs/id/1"]
    run = runs[1]
    assert (run.name, run.architecture, run.task, run.seed) == ("smoke", "gpt2", "comparison", 0)
    assert run.state == "budget_steps"
    assert run.step == root.child(run.place).read_json("evaluation.json")["step"]
    assert run.bytes == sum(file.size for file in root.files("runs/id/1"))
    assert run.uri == root.uri_of("runs/id/1")


def test_a_run_that_is_the_place_itself_is_listed(root: Store) -> None:
    (run,) = list_runs(root.child("runs/id/1"))
    assert (run.place, run.uri) == ("", root.uri_of("runs/id/1"))


def test_the_state_tells_runs_that_are_written_from_those_left_alone_and_damaged(root: Store) -> None:
    run = root.child("runs/id/1")
    stop_training(run)
    root.write("deep/er/2/manifest.json", b"{")
    assert [found.state for found in list_runs(root)] == ["damaged", "interrupted"]
    with sole_writer(run):
        assert [found.state for found in list_runs(root)] == ["damaged", "running"]
    assert [found.state for found in list_runs(root)] == ["damaged", "interrupted"]


def test_nothing_outside_a_deleted_run_is_touched(root: Store) -> None:
    before = keys(root)
    delete_run(root.child("runs/id/1"))
    assert keys(root) == [key for key in before if not key.startswith("runs/id/1/")]
    assert "runs/id/10" in keys(root)


def test_an_interrupted_deletion_leaves_no_run_and_can_be_ended(root: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = root.child("runs/id/1")

    def interrupted(kept: object, store: Store) -> None:
        store.delete("metrics.jsonl")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("grokcore.runs.delete._delete_all_but", interrupted)
        with pytest.raises(KeyboardInterrupt):
            delete_run(run)
    assert {DELETING, "spec.yaml"} <= set(keys(run))
    assert "manifest.json" not in keys(run)
    assert [found.state for found in list_runs(root)] == ["budget_steps", "half deleted"]
    delete_run(run)
    assert keys(run) == []


def test_what_is_no_run_is_refused_and_left_alone(root: Store) -> None:
    root.write_json("web/manifest.json", {"name": "an application", "icons": []})
    before = keys(root)
    for place in ("datasets/abc", "runs", "absent", "web"):
        with pytest.raises(InputError, match="is not a run"):
            delete_run(root.child(place))
    assert keys(root) == before


def test_a_damaged_run_can_be_deleted(root: Store) -> None:
    run = root.child("runs/id/1")
    run.write("manifest.json", b"{")
    delete_run(run)
    assert keys(run) == []


def test_a_run_with_another_one_inside_is_refused(root: Store, smoke_run: Path) -> None:
    root.upload_directory(smoke_run, "runs/id/1/inner")
    with pytest.raises(InputError, match="another run inside it, inner"):
        delete_run(root.child("runs/id/1"))


def test_a_run_that_is_being_written_is_not_deleted(root: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grokcore.runs.lease.LEASE_SECONDS", 1.0)
    run = root.child("runs/id/1")
    before = keys(run)
    with sole_writer(run):
        with pytest.raises(TransientError, match="is being written"):
            delete_run(run)
        with pytest.raises(TransientError, match="is being written"):
            delete_leftovers(run)
        assert set(before) <= set(keys(run))
    delete_run(run)
    assert keys(run) == []


def test_checkpoints_are_told_apart_and_only_what_no_manifest_names_is_left_over(root: Store) -> None:
    run = root.child("runs/id/1")
    (last, *_) = reversed(checkpoints_of(run, verify=True))
    assert (last.state, last.problem) == ("good", None)
    (unread, *_) = reversed(checkpoints_of(run))
    assert unread.state == ("not verified" if run.directory is None else "good")
    assert orphans_of(run) == []

    name = f"checkpoints/step-{last.step:08d}"
    attempt = run.read_json(f"{name}/manifest.json")["attempt"]
    run.write(f"{name}/ffff/state.json", b"a save that came too late")
    run.write("checkpoints/step-00099999/aaaa/state.json", b"a save that was cut off")
    run.write("checkpoints/step-00088888/manifest.json", b"{")
    run.write("checkpoints/step-00088888/bbbb/state.json", b"it may belong to the manifest")
    run.write(f"{name}/{attempt}/state.json", b"{}")
    facts = {found.step: found for found in checkpoints_of(run, verify=True)}
    assert (facts[last.step].state, facts[88888].state, facts[99999].state) == ("damaged", "damaged", "unfinished")
    assert "state.json is not the file" in (facts[last.step].problem or "")
    orphans = [f"{name}/ffff/state.json", "checkpoints/step-00099999/aaaa/state.json"]
    assert [file.key for file in orphans_of(run)] == orphans

    before = keys(run)
    assert delete_leftovers(run) == orphans
    assert [key for key in keys(run) if not key.startswith("writer/")] == [key for key in before if key not in orphans]
    assert describe_run(run).orphans == []


def test_an_unfinished_write_is_found_and_removed(root: Store) -> None:
    run = root.child("runs/id/1")
    begin_writing(run)
    (leftover,) = describe_run(run).leftovers
    before = keys(run)
    assert delete_leftovers(run) == [leftover]
    assert run.leftovers() == []
    assert set(before) <= set(keys(run))


def begin_writing(run: Store) -> None:
    """What a process leaves that is killed while it writes a large file."""
    if run.directory is not None:
        (run.directory / ".state.safetensors.abc.tmp").write_bytes(b"half")
        return
    import boto3
    from botocore.config import Config

    bucket, _, prefix = run.uri.removeprefix("s3://").partition("/")
    client = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    client.create_multipart_upload(Bucket=bucket, Key=f"{prefix}/state.safetensors")


class TestLinks:
    """Symbolic links in and to a run; there are none on object storage."""

    @pytest.fixture
    def run(self, tmp_path: Path, smoke_run: Path) -> Path:
        shutil.copytree(smoke_run, tmp_path / "run")
        (tmp_path / "precious").mkdir()
        (tmp_path / "precious" / "file").write_text("mine")
        return tmp_path / "run"

    def test_links_in_a_run_are_deleted_and_not_what_they_lead_to(self, run: Path) -> None:
        precious = run.parent / "precious"
        (run / "to-directory").symlink_to(precious)
        (run / "model" / "to-directory").symlink_to(precious)
        (run / "to-file").symlink_to(precious / "file")
        (run / "back\\slash").write_text("no key of a store")
        delete_run(open_store(run))
        assert os.listdir(run.parent) == ["precious"]
        assert (precious / "file").read_text() == "mine"

    def test_a_link_to_a_run_is_refused(self, run: Path) -> None:
        (run.parent / "link").symlink_to(run)
        with pytest.raises(InputError, match="symbolic link"):
            delete_run(open_store(run.parent / "link"))
        assert (run / "manifest.json").exists()

    def test_leftovers_behind_a_link_stay(self, run: Path) -> None:
        elsewhere = run.parent / "precious" / "step-00000007" / "aaaa"
        elsewhere.mkdir(parents=True)
        (elsewhere / "state.json").write_text("mine")
        (run.parent / "precious" / ".x.tmp").write_text("mine")
        shutil.rmtree(run / "checkpoints")
        (run / "checkpoints").symlink_to(run.parent / "precious")
        assert delete_leftovers(open_store(run)) == []
        assert (elsewhere / "state.json").exists()
        assert (run.parent / "precious" / ".x.tmp").exists()


def test_the_commands_list_show_and_delete(root: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "list", root.uri]) == 0
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table] == ["run", "deep/er/2", "runs/id/1"]
    assert main(["runs", "list", root.uri, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [run["place"] for run in listed] == ["deep/er/2", "runs/id/1"]
    assert listed[0]["modified"].endswith("Z")

    run = root.uri_of("runs/id/1")
    root.write("runs/id/1/checkpoints/step-00099999/aaaa/state.json", b"cut off")
    assert main(["runs", "show", run]) == 0
    shown = capsys.readouterr().out
    assert "step 99999" in shown
    assert f"grokcore runs delete --leftovers {run}" in shown
    assert main(["runs", "show", run, "--json"]) == 0
    detail = json.loads(capsys.readouterr().out)
    assert detail["orphans"][0]["key"] == "checkpoints/step-00099999/aaaa/state.json"
    assert detail["manifest"]["run_id"] == detail["summary"]["run_id"]

    assert main(["runs", "delete", run]) == 2, "nobody was asked"
    assert "--yes" in capsys.readouterr().err
    assert main(["runs", "delete", run, "--leftovers", "--yes"]) == 0
    assert "step-00099999" in capsys.readouterr().out
    assert len(list_runs(root)) == 2
    assert main(["runs", "delete", run, "--yes"]) == 0
    assert [found.place for found in list_runs(root)] == ["deep/er/2"]
    assert main(["runs", "delete", run, "--yes"]) == 2
    assert "is not a run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "stays"), [("y\n", False), ("yes\n", False), ("\n", True), ("n\n", True), ("", True)]
)
def test_a_terminal_is_asked(
    answer: str, stays: bool, smoke_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return answer

    run = tmp_path / "run"
    shutil.copytree(smoke_run, run)
    monkeypatch.setattr("sys.stdin", Terminal())
    assert main(["runs", "delete", str(run)]) == 0
    assert run.exists() == stays


class Counting(FileStore):
    """A directory that counts the bytes that are read of it."""

    read_bytes = 0

    def child(self, key: str) -> Counting:
        return Counting(self.directory / key)

    def read(self, key: str) -> bytes:
        content = super().read(key)
        Counting.read_bytes += len(content)
        return content

    def read_end(self, key: str, size: int) -> bytes:
        content = super().read_end(key, size)
        Counting.read_bytes += len(content)
        return content


def test_a_list_reads_the_end_of_a_long_journal_alone(smoke_run: Path, tmp_path: Path) -> None:
    shutil.copytree(smoke_run, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints", "model"))
    journal = tmp_path / "run" / "metrics.jsonl"
    last = journal.read_bytes().splitlines(keepends=True)[-1]
    with journal.open("ab") as file:
        file.writelines([last] * 100_000)
        file.write(b'{"step": 7')  # still being written
    Counting.read_bytes = 0
    (listed,) = list_runs(Counting(tmp_path))
    assert listed.step == 60
    assert Counting.read_bytes < 100_000 < journal.stat().st_size / 100


@pytest.mark.parametrize("length", [1, 20_000, 1_000_000])
def test_the_last_evaluation_is_found_however_long_its_line_is(length: int, store_uri: str) -> None:
    store = open_store(store_uri)
    line = {"step": 3, "train": {}, "splits": {}, "phases": {}, "clock": {}, "padding": "x" * length}
    for before in (b"", encode({**line, "step": 2})):
        store.write("metrics.jsonl", before + encode(line))
        assert last_evaluation(store) == line
    store.write("metrics.jsonl", b'{"step": 1')
    assert last_evaluation(store) is None
    store.write("metrics.jsonl", b"")
    assert last_evaluation(store) is None
