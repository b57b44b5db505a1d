"""What a run that goes on takes over from the processes that trained it before."""

from __future__ import annotations

from collections.abc import Callable

from grokcore.errors import InputError
from grokcore.runs import Manifest, read_manifest
from grokcore.runs.artifacts import RUN_FILES
from grokcore.runs.manifest import FORMAT
from grokcore.runs.resume import SPEC
from grokcore.runs.seal import check_record
from grokcore.spec import ExperimentSpec, read_spec
from grokcore.storage import Store, local_copy
from grokcore.training.provenance import changed_conditions


def break_seal(store: Store, notify: Callable[[str], None]) -> Manifest:
    """Break the seal of a run that goes on, and return its manifest: files may change from now on.

    A file that is damaged is said to be and no more: all are written anew, from the checkpoint.
    """
    manifest = read_manifest(store)
    if manifest.seal is not None:
        with local_copy(store.uri, RUN_FILES) as record:
            try:
                check_record(record, store.uri)
            except InputError as damage:
                notify(f"{damage} - which this training does, from its last good checkpoint")
        manifest.write(store)
    return manifest.model_copy(update={"format": FORMAT})  # the journal is written anew, in the present format


def remove_leftovers(store: Store) -> None:
    """Remove what writers of this run that were killed have left; other stages may be writing their files now."""
    theirs = (".evaluation.json.", ".report.html.", ".error.json.")
    store.remove_leftovers([name for name in store.leftovers() if not name.startswith(theirs)])


def spec_of_resumed(store: Store, step: int, spec: ExperimentSpec, notify: Callable[[str], None]) -> ExperimentSpec:
    """What a run that goes on from `step` leaves as its spec: its own where it is beyond the new budget already."""
    asked = spec.training.max_steps
    if step <= asked:
        return spec
    notify(f"the run has gone to step {step} already, beyond training.max_steps={asked}: it stays as it is")
    with local_copy(store.uri, (SPEC,)) as folder:
        there = read_spec(folder / SPEC)
    return there.model_copy(update={"training": there.training.model_copy(update={"max_steps": step})})


def compare_attempts(manifest: Manifest, notify: Callable[[str], None]) -> None:
    """Say what the run goes on with that its last attempt did not have."""
    before, now = manifest.attempts[-2:]
    if changed := changed_conditions(before, now):
        notify(
            f"the run goes on under other conditions ({'; '.join(changed)}): from step {now.step} on it is not bit for "
            f"bit what it would have been"
        )
