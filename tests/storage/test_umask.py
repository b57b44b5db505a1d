"""Whatever grokcore makes has the mode that the umask leaves: nobody is let in whom the user keeps out, or kept out."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import grokcore
from grokcore.spec import load_spec
from grokcore.storage import FileStore
from grokcore.storage.temporary import directory_beside, take_usual_mode, temporary_file
from tests.support.extended import extended

UMASKS = [0o077, 0o002, 0o027]


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def odd_modes(top: Path, mask: int) -> dict[str, str]:
    """All files and directories below `top` whose mode is not what the umask leaves."""
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in (top, *top.rglob("*"))}
    return {
        str(path.relative_to(top.parent)): oct(mode)
        for path, mode in modes.items()
        if mode != (0o777 if path.is_dir() else 0o666) & ~mask
    }


@pytest.mark.parametrize("mask", [UMASKS[0], *map(extended, UMASKS[1:])], ids=oct)
def test_all_that_the_stages_leave_follows_the_umask(mask: int, tmp_path: Path) -> None:
    spec = load_spec("smoke", ["model.width=16", "training.max_steps=20", "training.checkpoint_interval=10"])
    with umask(mask):
        data, run = tmp_path / "made" / "data", tmp_path / "made" / "run"
        grokcore.generate_dataset(spec.task, data)
        grokcore.generate_dataset(spec.task, tmp_path / "made" / "json", format="grokked-transformer")
        grokcore.train_model(spec, data, run)
        grokcore.evaluate_model(run)
        grokcore.build_report([run], tmp_path / "made" / "report.html")
        grokcore.build_comparison([run], tmp_path / "made" / "comparison")
        composed = load_spec("smoke", ["model.sharing.kind=blocks", "model.layers=2", "training.max_steps=2"])
        grokcore.train_model(composed, data, tmp_path / "made" / "composed")
    suffixes = {path.suffix for path in (tmp_path / "made").rglob("*")}
    assert {".safetensors", ".parquet", ".json", ".jsonl", ".yaml", ".html", ".csv"} <= suffixes
    assert odd_modes(tmp_path / "made", mask) == {}


@pytest.mark.parametrize("mask", UMASKS, ids=oct)
def test_every_way_into_a_store_follows_the_umask(mask: int, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    source.chmod(0o600)
    with umask(mask):
        store = FileStore(tmp_path / "store" / "below")
        store.write("written", b"")
        store.write_new("new", b"")
        store.upload(source, "uploaded/file")
        store.download("written", tmp_path / "store" / "downloaded")
        with store.scratch() as scratch:
            assert odd_modes(scratch, mask) == {}
            (scratch / "file").touch()
            store.upload(scratch / "file", "moved", move=True)
    assert odd_modes(tmp_path / "store", mask) == {}


def test_temporary_names_are_new_ones_and_follow_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grokcore.storage.temporary.secrets.token_hex", lambda _: "0")
    (tmp_path / ".file.0.tmp").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError), temporary_file(tmp_path / "file"):
        pass
    with pytest.raises(FileExistsError):
        directory_beside(tmp_path / "file")
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_of_a_library_takes_the_usual_mode(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch(mode=0o600)
    with umask(0o022):
        take_usual_mode(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [file]
