"""What is brought home from a lent machine: few files, none of them large.

    HOME/results.tar.gz.00, .01, ...   everything but checkpoints and files that are over the limit by themselves
    HOME/state.tar.00, .01, ...        the last checkpoint of each run that has more to train
    HOME/home.json                     what stayed behind, and why

Pieces of an archive are joined in their order. Only the standard library is imported.
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ci.gpuchecks import results

NOTES, RESULTS, STATE = "home.json", "results.tar.gz", "state.tar"
MIB = 2**20
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Limits:
    """What a lent machine gives back."""

    file_mib: float = 16
    total_mib: float = 64
    files: int = 8


def bring_home(out: Path, home: Path, limits: Limits = Limits()) -> dict[str, str]:
    """Write a folder of pieces in the place of those of an earlier call.

    Returns:
        What stays behind, and why.
    """
    home.mkdir(parents=True, exist_ok=True)
    most, left = limits.file_mib * MIB, {}
    files = []
    for path in _results(out):
        if path.stat().st_size > most:
            left[str(path.relative_to(out))] = f"{path.stat().st_size / MIB:.0f} MiB, over {limits.file_mib:g} MiB"
        else:
            files.append(path)
    with tempfile.TemporaryDirectory() as scratch:
        archives = {RESULTS: _archive(Path(scratch) / RESULTS, out, files, "w:gz")}
        states = [checkpoint for run in _unfinished(out) for checkpoint in _last_checkpoint(run)]
        room = (limits.total_mib - 1) * MIB - archives[RESULTS].stat().st_size
        pieces = limits.files - 1 - _pieces(archives[RESULTS], most)
        size = sum(path.stat().st_size for path in states)
        if states and (size * 1.01 > room or size * 1.01 > pieces * most):
            left["checkpoints"] = (
                f"{size / MIB:.0f} MiB, and {min(room, pieces * most) / MIB:.0f} MiB are left for them"
            )
        elif states:
            archives[STATE] = _archive(Path(scratch) / STATE, out, states, "w")
        for old in [*home.glob(f"{RESULTS}.*"), *home.glob(f"{STATE}.*")]:
            old.unlink()
        for name, archive in archives.items():
            _split(archive, home, name, int(most))
    (home / NOTES).write_text(json.dumps({"left_behind": left}, indent=1) + "\n", "utf-8")
    return left


def unpack(home: Path, out: Path) -> None:
    """Put what was brought home where `ci/gpu --out` continues it.

    Raises:
        FileNotFoundError: there are no results in the folder.
    """
    if not list(home.glob(f"{RESULTS}.*")):
        raise FileNotFoundError(f"there is no {RESULTS}.00 in {home}")
    out.mkdir(parents=True, exist_ok=True)
    for name in (RESULTS, STATE):
        pieces = sorted(home.glob(f"{name}.*"))
        if not pieces:
            continue
        with tempfile.NamedTemporaryFile() as joined:
            for piece in pieces:
                joined.write(piece.read_bytes())
            joined.seek(0)
            with tarfile.open(fileobj=joined) as archive:
                archive.extractall(out, filter="data")


def _results(out: Path) -> Iterator[Path]:
    for path in sorted(out.rglob("*")):
        parts = path.relative_to(out).parts
        if path.is_file() and parts[0] not in ("work", "site") and CHECKPOINTS not in parts:
            yield path


def _unfinished(out: Path) -> Iterator[Path]:
    """Yield the run directories of parts that are not settled."""
    for folder in sorted((out / "runs").glob("*")):
        result = results.read(out, folder.name)
        if result is None or not result.is_settled:
            yield from sorted(path.parent for path in folder.glob(f"*/{CHECKPOINTS}"))


def _last_checkpoint(run: Path) -> list[Path]:
    """Return the files of the newest complete checkpoint; older ones are not needed to continue."""
    complete = sorted(path.parent for path in (run / CHECKPOINTS).glob("step-*/manifest.json"))
    return [path for path in sorted(complete[-1].rglob("*")) if path.is_file()] if complete else []


def _archive(path: Path, out: Path, files: Iterable[Path], mode: str) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for file in files:
            archive.add(file, str(file.relative_to(out)))
    return path


def _pieces(path: Path, most: float) -> int:
    return max(1, -int(-path.stat().st_size // most))


def _split(archive: Path, home: Path, name: str, most: int) -> None:
    with archive.open("rb") as file:
        number = 0
        while piece := file.read(most):
            (home / f"{name}.{number:02}").write_bytes(piece)
            number += 1
