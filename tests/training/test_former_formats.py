"""Runs that an earlier version made are read as they are, and go on in the present format."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import grokcore
from grokcore.runs import JOURNAL, MANIFEST, read_journal, read_manifest
from grokcore.runs.checkpoints import checkpoints_of
from grokcore.runs.evaluation import EVALUATION
from grokcore.runs.record import read_run
from grokcore.runs.seal import FileDigest, check_record, sealed_manifest, with_checksum
from grokcore.spec import load_spec
from grokcore.storage import FileStore

PHASE, FORMER = b'"sustained":', b'"grokked":'


def to_format_1(run: Path) -> None:
    """Rewrite a sealed run as the version before format 2 would have left it."""
    for manifest in run.glob("checkpoints/*/manifest.json"):
        document = json.loads(manifest.read_text().replace('.sustained"', '.grokked"'))
        history = manifest.parent / document["attempt"] / JOURNAL
        document["files"][JOURNAL] = digest(rewrite(history))
        manifest.write_text(json.dumps(document))
    document = json.loads((run / MANIFEST).read_text())
    files = document.pop("seal")["files"] | {JOURNAL: digest(rewrite(run / JOURNAL))}
    facts = {name: FileDigest(**of) for name, of in files.items()}
    (run / MANIFEST).write_text(json.dumps(sealed_manifest({**document, "format": 1, "seal": None}, facts)))


def rewrite(journal: Path) -> bytes:
    text = journal.read_bytes()
    assert PHASE in text
    journal.write_bytes(text.replace(PHASE, FORMER))
    return journal.read_bytes()


def digest(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def without_clocks(run: Path) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "clock"} for line in read_journal(run / JOURNAL)]


def test_a_sealed_run_of_format_1_is_evaluated_and_reported_and_no_file_of_it_changes(
    smoke_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(smoke_run, run)
    to_format_1(run)
    sealed = ("spec.yaml", MANIFEST, JOURNAL)
    before = {name: (run / name).read_bytes() for name in sealed}
    evaluation = grokcore.evaluate_model(run)
    record = read_run(run)
    assert record.verified
    assert record.manifest.format == 1
    assert evaluation.held_out == read_run(smoke_run).evaluation.held_out
    assert {name: (run / name).read_bytes() for name in sealed} == before


def test_a_run_of_format_1_goes_on_from_its_checkpoint_as_the_uninterrupted_one(
    smoke_data: Path, tmp_path: Path
) -> None:
    low = ["evaluation.threshold=.2", "evaluation.sustain=1", "training.checkpoint_interval=20"]
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    grokcore.train_model(load_spec("smoke", [*low, "training.max_steps=40"]), smoke_data, parts)
    grokcore.train_model(load_spec("smoke", low), smoke_data, whole)
    to_format_1(parts)
    kept = [name for facts in checkpoints_of(FileStore(parts)) for name in facts.milestones]
    assert "test_inferred_iid.sustained" in kept, "milestones have their present names"
    assert any(FORMER in path.read_bytes() for path in parts.glob("checkpoints/*/*/metrics.jsonl"))

    said: list[str] = []
    grokcore.train_model(load_spec("smoke", low), smoke_data, parts, resume="require", notify=said.append)
    assert "resuming at step 40" in said
    steps = {line["step"] for line in without_clocks(whole)}
    assert [line for line in without_clocks(parts) if line["step"] in steps] == without_clocks(whole)
    assert FORMER not in (parts / JOURNAL).read_bytes()
    assert read_manifest(parts).format == 2
    assert check_record(parts, parts)


def test_a_run_of_format_1_that_has_ended_is_sealed_anew_when_it_is_trained_again(
    smoke_run: Path, smoke_data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(smoke_run, run)
    to_format_1(run)
    grokcore.train_model(load_spec("smoke"), smoke_data, run)
    assert without_clocks(run) == without_clocks(smoke_run)
    assert (read_manifest(run).format, FORMER in (run / JOURNAL).read_bytes()) == (2, False)
    assert check_record(run, run)


def test_an_evaluation_of_format_1_is_read_with_its_hash_and_not_changed(smoke_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(smoke_run, run)
    document = json.loads((run / EVALUATION).read_text())
    for held_out in document["held_out"].values():
        held_out["verdict"] = "generalised"
    (run / EVALUATION).write_text(json.dumps(with_checksum({**document, "format": 1})))
    before = (run / EVALUATION).read_bytes()
    record = read_run(run)
    assert record.verified
    assert {held_out.verdict for held_out in record.evaluation.held_out.values()} == {"generalized"}
    assert (run / EVALUATION).read_bytes() == before
