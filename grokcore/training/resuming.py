"""Resume a run: break its seal, clean up after killed writers, and compare the conditions with the last attempt."""

from __future__ import annotations

from collections.abc import Callable

from grokcore.errors import InputError
from grokcore.runs import Manifest, read_manifest
from grokcore.runs.artifacts import RUN_FILES
from grokcore.runs.manifest import FORMAT
from grokcore.runs.seal import SPEC, check_record
from grokcore.spec import ExperimentSpec, read_spec
from grokcore.storage import Store, local_copy
from grokcore.training.provenance import changed_conditions


def break_seal(store: Store, notify: Callable[[str], None]) -> Manifest:
    """Break the seal of a run that is resumed, since its files change from now on, and return its manifest.

    A damaged file is only reported: all of them are written anew, from the checkpoint.
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
    """Remove temporary files of killed writers of this run, but not those of other stages, which may be running."""
    theirs = (".evaluation.json.", ".report.html.", ".error.json.")
    store.remove_leftovers([name for name in store.leftovers() if not name.startswith(theirs)])


def spec_of_resumed(store: Store, step: int, spec: ExperimentSpec, notify: Callable[[str], None]) -> ExperimentSpec:
    """Return the spec of a run resumed at `step`, with its old budget if it is beyond the new one already."""
    asked = spec.training.max_steps
    if step <= asked:
        return spec
    notify(f"the run has gone to step {step} already, beyond training.max_steps={asked}: it stays as it is")
    with local_copy(store.uri, (SPEC,)) as folder:
        there = read_spec(folder / SPEC)
    return there.model_copy(update={"training": there.training.model_copy(update={"max_steps": step})})


def compare_attempts(manifest: Manifest, notify: Callable[[str], None]) -> None:
    """Notify of conditions that have changed since the last attempt."""
    before, now = manifest.attempts[-2:]
    if changed := changed_conditions(before, now):
        notify(
            f"the run goes on under other conditions ({'; '.join(changed)}): from step {now.step} on it is not bit for "
            f"bit what it would have been"
        )
