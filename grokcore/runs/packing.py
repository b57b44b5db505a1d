"""Runs as they are published: their records in one archive, which can be judged anew on any machine.

Kept are spec, manifest, journal, evaluation and the document of an analysis, byte for byte but for places of this
machine: those of the dataset and of the weights that a run started from become ids. The manifest is sealed anew over
what is kept. Models, checkpoints, data and the tables of analyses stay behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from grokcore.errors import InputError
from grokcore.runs.analysis import ANALYSIS
from grokcore.runs.evaluation import EVALUATION
from grokcore.runs.journal import JOURNAL
from grokcore.runs.manifest import MANIFEST
from grokcore.runs.record import RunRecord
from grokcore.runs.seal import SPEC, digest_of, sealed_manifest
from grokcore.storage import open_stores
from grokcore.storage.archive import SUFFIX, write_archive
from grokcore.storage.store import encode_json


def pack_runs(runs: Sequence[RunRecord], path: Path) -> None:
    """Write the records of evaluated runs to an archive, as they lie in the `runs` of a store.

    Raises:
        InputError: the path has another suffix, or a run has not ended.
        TransientError: a store did not answer.
    """
    if not path.name.endswith(SUFFIX):
        raise InputError(f"{path}: an archive of runs ends in {SUFFIX}")
    files: dict[str, bytes] = {}
    for run, store in zip(runs, open_stores(run.uri for run in runs), strict=True):
        if run.manifest.seal is None:
            raise InputError(f"{run.uri} has not ended, or was made by a version that sealed no runs: leave it out")
        analysis = () if run.analysis is None else (ANALYSIS,)
        kept = {name: store.read(name) for name in (SPEC, JOURNAL, EVALUATION, *analysis)}
        document = store.read_json(MANIFEST)
        document["dataset"]["uri"] = f"datasets/{run.manifest.dataset.id}"
        if run.manifest.source is not None:
            document["source"]["uri"] = _name_of_source(document["source"])
            kept[SPEC] = _with_source(run, document["source"]["uri"])
        rest = {name: value for name, value in document.items() if name != "seal"}
        sealed = sealed_manifest(rest, {name: digest_of(kept[name]) for name in (SPEC, JOURNAL)})
        for name, content in (kept | {MANIFEST: encode_json(sealed)}).items():
            files[f"{run.manifest.run_id}/local/{name}"] = content
    write_archive(path, files)


def _name_of_source(source: Mapping[str, Any]) -> str:
    return f"runs/{source['run_id']}" if source["run_id"] is not None else f"models/{source['sha256']}"


def _with_source(run: RunRecord, name: str) -> bytes:
    """The spec of a run, with `name` for the place of the weights that it started from."""
    document = run.spec.model_dump(mode="json")
    start = document["model"]["start_from"]
    document["description"] = document["description"].replace(start["model"], name)  # it quotes overrides
    start["model"] = name
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode()
