"""Make an entry from finished runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grokcore.errors import InputError
from grokcore.evaluation.records import read_records
from grokcore.leaderboard.checking import check_entry, check_seeds, figures, judge_all
from grokcore.leaderboard.entry import Entry, SeedRun, StoredEntry, read_entry, write_entry
from grokcore.leaderboard.track import Track, check_recipe
from grokcore.runs.groups import experiment_id
from grokcore.runs.journal import JOURNAL
from grokcore.runs.manifest import Conditions
from grokcore.runs.record import RunRecord
from grokcore.runs.seal import digest_of
from grokcore.storage import new_directory, open_store

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def add_entry(
    runs: Sequence[str | Path], track: Track, folder: Path, *, name: str, title: str, trials: int
) -> StoredEntry:
    """Write the entry of one recipe, if it keeps the rules.

    Args:
        runs: run directories of all seeds, evaluated, or directories that contain them.
        folder: of all entries; this one goes to `PRESET/NAME` in it.
        title: what makes it fast, for people.
        trials: configurations that were tried to find the recipe.

    Raises:
        InputError: the runs are not of one recipe or not eligible, a seed is missing or has not reached the target, or
            the entry exists.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"the name {name!r} must be 1 to 64 lower-case letters, digits or '-'")
    records = sorted(read_records(runs), key=lambda record: record.spec.seed)
    first = records[0]
    for record in records:
        _check_alike(record, first)
    recipe = first.spec
    check_recipe(recipe, track)
    check_seeds([record.spec.seed for record in records], recipe)
    model = first.manifest.model
    times = judge_all(recipe, {record.spec.seed: record.journal for record in records}, track, model.flops_per_step)
    journals = {record.spec.seed: open_store(record.uri).read(JOURNAL) for record in records}
    entry = Entry(
        preset=track.preset,
        split=track.split,
        title=title,
        added=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        trials=trials,
        flops_per_step=model.flops_per_step,
        flops_of_method=model.flops_of_method,
        vocabulary_size=model.vocabulary_size,
        tokens=model.sequence_length,
        parameters=model.parameters,
        conditions=Conditions(**{part: getattr(first.manifest, part) for part in Conditions.model_fields}),
        runs=tuple(_run(record, journals[record.spec.seed]) for record in records),
        figures={},
    )
    entry = entry.model_copy(update={"figures": figures(times, entry, recipe, track)})
    with new_directory(folder / track.preset / name) as place:
        write_entry(place, entry, recipe, journals)
        check_entry(read_entry(place), track)
    return read_entry(folder / track.preset / name)


def _run(record: RunRecord, journal: bytes) -> SeedRun:
    manifest = record.manifest
    if manifest.exit_reason is None or manifest.finished is None:
        raise InputError(f"{record.uri} has not ended")
    return SeedRun(
        seed=record.spec.seed,
        run_id=manifest.run_id,
        started=manifest.started,
        finished=manifest.finished,
        attempts=max(1, len(manifest.attempts)),
        exit_reason=manifest.exit_reason,
        journal=digest_of(journal),
    )


def _check_alike(record: RunRecord, first: RunRecord) -> None:
    """Check that a run has its seal, and recipe and conditions of the first run.

    Raises:
        InputError: it does not.
    """
    if not record.verified:
        raise InputError(f"{record.uri} has no seal: its files cannot be verified")
    if (experiment_id(record.spec), record.spec.evaluation_id) != (experiment_id(first.spec), first.spec.evaluation_id):
        raise InputError(f"{record.uri} and {first.uri} differ in more than their seed")
    expected = _flat(first.manifest)
    for attempt in (record.manifest, *record.manifest.attempts):
        mine = _flat(attempt)
        for name in expected:
            if mine.get(name) != expected[name]:
                raise InputError(
                    f"{record.uri} was not trained under the conditions of {first.uri}: {name} is {mine.get(name)} and "
                    f"not {expected[name]}"
                )


def _flat(conditions: Conditions) -> dict[str, Any]:
    parts = {part: getattr(conditions, part) or {} for part in Conditions.model_fields}
    return {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}
