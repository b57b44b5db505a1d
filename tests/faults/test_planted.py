"""Links, pipes and second names planted where a stage is about to write: nothing outside is changed, nothing hangs."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import grokcore
from grokcore.errors import GrokcoreError, InputError
from grokcore.runs import delete_leftovers, delete_run
from grokcore.runs.journal import Journal
from grokcore.runs.lock import LOCK, sole_writer
from grokcore.spec import ExperimentSpec
from grokcore.storage import FileStore
from tests.faults.conftest import Trial
from tests.faults.dying import in_child

ROW = "links, pipes and second names planted where a stage writes"
SECONDS = 60
"""After which a stage that waits for somebody to open a pipe is killed."""


@dataclass(frozen=True)
class Stage:
    """What writes below `place`, and whether it begins with a run or a data set there."""

    work: Callable[[Path, Path, ExperimentSpec], object]
    begins_with: str | None = None


STAGES = {
    "generate": Stage(lambda place, data, spec: grokcore.generate_dataset(spec.task, place)),
    "train": Stage(lambda place, data, spec: grokcore.train_model(spec, data, place)),
    "resume": Stage(lambda place, data, spec: grokcore.train_model(longer(spec), data, place), "run"),
    "evaluate": Stage(lambda place, data, spec: grokcore.evaluate_model(place, data=data), "run"),
    "report": Stage(lambda place, data, spec: grokcore.build_report([place], place / "report.html"), "run"),
    "compare": Stage(lambda place, data, spec: grokcore.build_comparison([data.parent / "run"], place)),
    "delete leftovers": Stage(lambda place, data, spec: delete_leftovers(FileStore(place)), "run"),
    "delete": Stage(lambda place, data, spec: delete_run(FileStore(place)), "run"),
}


def longer(spec: ExperimentSpec) -> ExperimentSpec:
    return spec.model_copy(update={"training": spec.training.model_copy(update={"max_steps": 80})})


class Outside:
    """Files and directories of the user that no stage has anything to do with."""

    def __init__(self, place: Path) -> None:
        self.place = place
        (place / "folder").mkdir(parents=True)
        for name in ("file", "folder/file", "folder/latest", "folder/metrics.jsonl"):
            (place / name).write_text("precious")

    def unharmed(self) -> bool:
        files = sorted(str(path.relative_to(self.place)) for path in self.place.rglob("*"))
        expected = ["file", "folder", "folder/file", "folder/latest", "folder/metrics.jsonl"]
        return files == expected and all(
            path.read_text() == "precious" for path in self.place.rglob("*") if path.is_file()
        )


PLANTS: dict[str, Callable[[Path, Outside], None]] = {
    "link to a file": lambda path, outside: path.symlink_to(outside.place / "file"),
    "link to nothing": lambda path, outside: path.symlink_to(outside.place / "new"),
    "link to a directory": lambda path, outside: path.symlink_to(outside.place / "folder"),
    "second name": lambda path, outside: os.link(outside.place / "file", path),
    "pipe": lambda path, outside: os.mkfifo(path),
}


def written_by(stage: Stage, place: Path, data: Path, spec: ExperimentSpec) -> list[Path]:
    """Files and directories below `place` that a stage opens to write, renames to, makes or removes."""
    found: set[Path] = set()

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        touched: list[object] = []
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            touched = [arguments[0]]
        elif event in ("os.rename", "os.link"):
            touched = [arguments[1]]
        elif event in ("os.mkdir", "os.remove", "os.rmdir"):
            touched = [arguments[0]]
        for one in touched:
            if isinstance(one, str | os.PathLike):
                path = Path(os.fspath(one))
                if path.is_relative_to(place) and path != place and ".tmp" not in str(path):
                    found.update(part for part in (path, *path.parents) if place in part.parents)

    listing, writing = os.pipe()

    def work() -> None:
        sys.addaudithook(watch)
        stage.work(place, data, spec)
        os.write(writing, "\n".join(sorted(map(str, found))).encode())

    assert in_child(work) == 0
    os.close(writing)
    with os.fdopen(listing, "r") as pipe:
        return [Path(line) for line in pipe.read().splitlines()]


def attempt(stage: Stage, place: Path, data: Path, spec: ExperimentSpec) -> int:
    """The exit code of a stage, -SIGALRM for one that hung, 1 for one with a traceback."""

    def work() -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        try:
            stage.work(place, data, spec)
        except GrokcoreError as error:
            os._exit(error.exit_code)

    return in_child(work)


@pytest.fixture
def begin(tmp_path: Path, smoke_run: Path, smoke_data: Path) -> Callable[[Stage, str], Path]:
    data = tmp_path / "given" / "data"
    shutil.copytree(smoke_data, data)
    shutil.copytree(smoke_run, tmp_path / "given" / "run")

    def make(stage: Stage, name: str) -> Path:
        place = tmp_path / name / "place"
        place.parent.mkdir()
        if stage.begins_with:
            shutil.copytree(smoke_run, place)
        return place

    return make


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.fault(ROW, 2)
def test_a_stage_changes_nothing_outside_and_waits_for_nobody(
    name: str, trial: Trial, begin: Callable[[Stage, str], Path], tmp_path: Path, smoke_spec: ExperimentSpec
) -> None:
    stage, data = STAGES[name], tmp_path / "given" / "data"
    clean = begin(stage, "clean")
    written = written_by(stage, clean, data, smoke_spec)
    keys = [path.relative_to(clean) for path in written] or [Path()]  # a data set appears by one rename
    key, plant = trial.random.choice(keys), trial.random.choice(list(PLANTS))
    place, outside = begin(stage, "attacked"), Outside(tmp_path / "outside")
    planted = place / key
    planted.parent.mkdir(parents=True, exist_ok=True)
    if planted.is_dir():
        shutil.rmtree(planted)
    planted.unlink(missing_ok=True)
    PLANTS[plant](planted, outside)
    code = attempt(stage, place, data, smoke_spec)
    assert outside.unharmed(), f"{plant} at {key}"
    assert code in (0, 2, 75), f"{plant} at {key} ended with {code}"


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("leftovers", [True, False])
@pytest.mark.fault(ROW, 1)
def test_the_lock_is_never_somebody_elses_file(plant: str, leftovers: bool, tmp_path: Path, smoke_run: Path) -> None:
    run, outside = tmp_path / "run", Outside(tmp_path / "outside")
    shutil.copytree(smoke_run, run)
    PLANTS[plant](run / LOCK, outside)
    with pytest.raises(InputError, match=r"\.lock .*: remove it|\.lock: .*directory"):
        (delete_leftovers if leftovers else delete_run)(FileStore(run))
    assert outside.unharmed()
    (run / LOCK).unlink()
    delete_run(FileStore(run))


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.fault(ROW, 1)
def test_a_journal_goes_on_in_the_run_alone(plant: str, tmp_path: Path) -> None:
    outside = Outside(tmp_path / "outside")
    PLANTS[plant](tmp_path / "metrics.jsonl", outside)
    journal = Journal(FileStore(tmp_path))
    journal.append({"step": 1})
    journal.close()
    assert outside.unharmed()


@pytest.mark.fault(ROW, 1)
def test_nothing_is_written_or_deleted_behind_a_linked_directory(tmp_path: Path) -> None:
    outside, run = Outside(tmp_path / "outside"), tmp_path / "run"
    run.mkdir()
    (run / "checkpoints").symlink_to(outside.place / "folder")
    store = FileStore(run)
    below = store.child("checkpoints")
    changes: list[Callable[[], object]] = [
        lambda: store.write("checkpoints/new", b""),
        lambda: store.write_new("checkpoints/new", b""),
        lambda: store.upload(outside.place / "file", "checkpoints/new"),
        lambda: store.delete("checkpoints/file"),
        lambda: store.delete_all("checkpoints/file"),
        lambda: below.write("new", b""),
        lambda: below.delete("file"),
        lambda: below.scratch().__enter__(),
    ]
    for change in changes:
        with pytest.raises(InputError, match=r"checkpoints is a symbolic link"):
            change()
    assert outside.unharmed()


def test_a_place_that_its_user_has_linked_is_written(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    with sole_writer(FileStore(tmp_path / "run")) as writer:
        writer.store.child("checkpoints").write("latest", b"")
    assert (tmp_path / "disk" / "checkpoints" / "latest").exists()
