"""Write the model of any saved step of a run as a folder that the libraries of Hugging Face load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from grokcore.data import open_dataset
from grokcore.errors import InputError
from grokcore.evaluation.card import Example, example_of, write_model_card
from grokcore.models import SavedModels
from grokcore.models.tokenizer import TOKENIZER, read_vocabulary, save_tokenizer
from grokcore.runs.record import RunRecord, read_trained
from grokcore.runs.seal import MODEL, check_model
from grokcore.storage import local_copy, local_path, new_directory, open_store
from grokcore.tasks.base import EOS


def export_model(
    run: str | Path,
    out: str | Path,
    *,
    step: int | str | None = None,
    data: str | Path | None = None,
    notify: Callable[[str], None] = lambda line: None,
) -> int:
    """Write a model with its configuration, tokenizer and card.

    Of the end of a run these are the files in its `model/`, byte for byte, as this version writes them: runs of older
    versions lack some.

    Args:
        run: a path or URI; it may be training.
        out: a folder on this machine, made with its parents.
        step: one of `grokcore.models.saved_steps`, or a milestone such as `memorized` or `SPLIT.sustained`; by default
            the last.
        data: the dataset, whose vocabulary the tokenizer has; by default the one that the manifest names.
        notify: called with a line where the dataset is out of reach, so that the card shows no question of it.

    Returns:
        The step.

    Raises:
        InputError: there is no such run, step or milestone; `out` holds something; or neither dataset nor tokenizer of
            the run can be read.
        TransientError: a store could not be reached.
    """
    models, record, folder = SavedModels(run), read_trained(run), local_path(out)
    if isinstance(step, str):
        known = models.milestones
        if step not in known:
            raise InputError(f"{run} has no milestone {step}: saved are {', '.join(known) or 'none'}")
        step = known[step]
    model = models.load(step)
    number = models.steps[-1] if step is None else step
    lines = [line for line in record.journal if line["step"] <= number]
    ends_here = record.manifest.exit_reason not in (None, "stopped") and number == record.journal[-1]["step"]
    vocabulary, eos, example = _language(run, record, data, notify)
    with new_directory(folder) as files:
        model.save(files)
        save_tokenizer(files, vocabulary, eos)
        reason = record.manifest.exit_reason if ends_here else None
        write_model_card(files, record.spec, record.manifest, lines, number, example, reason)
    return number


def _language(
    run: str | Path, record: RunRecord, data: str | Path | None, notify: Callable[[str], None]
) -> tuple[list[str], int, Example | None]:
    """Return vocabulary, closing token and a question, from the dataset or else from the run's own tokenizer."""
    try:
        dataset = open_dataset(
            record.manifest.dataset.uri if data is None else data, expected_id=record.spec.dataset_id
        )
        return list(dataset.vocabulary), dataset.info.eos, example_of(dataset)
    except InputError as obstacle:
        if data is not None:
            raise
        with local_copy(open_store(run).child(MODEL), (TOKENIZER,)) as copy:
            if not (copy / TOKENIZER).exists():
                raise InputError(
                    f"{run} has no tokenizer, and its dataset is out of reach ({obstacle}): name the dataset by --data"
                ) from None
            check_model(record.manifest.seal, copy, (TOKENIZER,))
            vocabulary = read_vocabulary(copy)
        if EOS not in vocabulary:
            raise InputError(f"{run}: {TOKENIZER} has no {EOS}: name the dataset by --data") from None
        notify(f"the card shows no question, since the dataset is out of reach: {obstacle}")
        return vocabulary, vocabulary.index(EOS), None
