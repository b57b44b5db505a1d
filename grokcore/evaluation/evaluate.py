"""The stage `evaluate`: a finished run's final accuracy, measured anew, and its times to grok."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from grokcore.data import Dataset, open_dataset
from grokcore.errors import InputError
from grokcore.evaluation.contradictions import check_against_journal, differences
from grokcore.evaluation.judging import assemble
from grokcore.evaluation.probes import Probes
from grokcore.evaluation.threads import cpu_threads
from grokcore.models import load_model
from grokcore.models.files import CONFIG, WEIGHTS
from grokcore.models.precision import autocast
from grokcore.runs.evaluation import EVALUATION, Evaluation
from grokcore.runs.record import read_trained
from grokcore.runs.seal import check_model, with_checksum
from grokcore.spec import ExperimentSpec, resolve_device
from grokcore.spec.code import check_architecture
from grokcore.storage import local_copy, open_parent, open_store


def evaluate_model(
    run: str | Path,
    *,
    data: str | Path | None = None,
    model: str | Path | None = None,
    out: str | Path | None = None,
    notify: Callable[[str], None] = lambda line: None,
) -> Evaluation:
    """Evaluate a run and write `evaluation.json`.

    Args:
        run: place of spec.yaml, manifest.json and metrics.jsonl: a path, a `file://` or an `s3://` URI, as all others.
        data: the dataset; by default the one that the manifest names.
        model: the trained model; by default `model/` in the run.
        out: file to write; by default `evaluation.json` in the run.
        notify: called with a line where the run's files cannot be verified, since an older version wrote them.

    Raises:
        InputError: a part is missing, damaged, or made for another spec; the run has not ended; or the model is not
            the one that the journal's last line was measured on. An evaluation that was there stays as it was.
        TransientError: a store could not be reached.
    """
    store, name = (open_store(run), EVALUATION) if out is None else open_parent(out)
    record = read_trained(run)
    spec, manifest, lines, verified = record.spec, record.manifest, record.journal, record.verified
    if not lines:
        raise InputError(f"{run} has no evaluation in its journal yet: let it train first")
    dataset = open_dataset(data if data is not None else manifest.dataset.uri, expected_id=spec.dataset_id)
    if lines[-1]["splits"].keys() != dataset.info.splits.keys():
        raise InputError(f"{run} is damaged: its journal does not have the splits of its dataset")
    with _weights(run, model) as weights:
        if manifest.exit_reason in (None, "stopped"):
            raise InputError(f"{run} has not ended, and its model is of an earlier end: run the training to its end")
        verified &= check_model(manifest.seal, weights, (CONFIG, WEIGHTS))
        measured = _measure(spec, dataset, weights)
    check_against_journal(spec, lines[-1], {"train": measured.pooled, **measured.splits}, run)
    if not verified:
        notify(f"{run} is not verified: the version that made it kept no hashes of its files")
    evaluation = assemble(spec, dataset.info.splits, lines, measured.pooled, measured.splits, manifest.exit_reason)
    evaluation.precision = measured.precision
    trained_in = f"{spec.training.precision} on {manifest.hardware.get('device')}"
    evaluation.remarks += differences(
        lines[-1], measured.splits, f"{measured.precision} on {measured.device}", trained_in
    )
    document = with_checksum(evaluation.model_dump(mode="json"))
    store.write_json(name, document)
    return Evaluation.model_validate(document)


@contextmanager
def _weights(run: str | Path, model: str | Path | None) -> Iterator[Path]:
    """Open the directory of a run's model, or of the given one.

    Raises:
        InputError: there is none.
    """
    place = open_store(run).uri_of("model") if model is None else model
    with local_copy(place, (CONFIG, WEIGHTS)) as weights:
        if not any((weights / name).exists() for name in (CONFIG, WEIGHTS)):
            raise InputError(f"{run} has no model yet: run the training to its end first")
        yield weights


@dataclass(frozen=True)
class _Measurement:
    """Accuracies and losses of the pooled training splits and of each split, with precision and device."""

    pooled: Mapping[str, Any]
    splits: Mapping[str, Mapping[str, Any]]
    precision: str
    device: str


def _measure(spec: ExperimentSpec, dataset: Dataset, weights: Path) -> _Measurement:
    """Measure the saved model in the precision of its training, independently of the loop that trained it."""
    check_architecture(spec.model)
    device = torch.device(resolve_device("auto"))
    precision = "fp32" if spec.training.precision == "fp16" and device.type == "cpu" else spec.training.precision
    model = load_model(weights).to(device)
    probes = Probes(dataset, loss_on=spec.training.loss_on, device=device, batch_size=spec.evaluation.batch_size)
    with cpu_threads(spec.training.threads, device):
        pooled, splits = probes.measure(model, lambda: autocast(precision, device))
    return _Measurement(pooled, splits, precision, device.type)
