"""Packed runs tell the same as the runs that they were packed from, on a machine that has nothing else of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import grokcore
from grokcore.claims import document
from grokcore.cli import main
from grokcore.errors import InputError
from grokcore.evaluation.records import read_records
from grokcore.runs import describe_run, list_runs
from grokcore.runs.packing import pack_runs
from grokcore.runs.seal import not_verified
from grokcore.spec import load_spec
from grokcore.storage import open_store
from tests.claims.truths import GPT2, group
from tests.evaluation.made_up import write


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of `smoke`, the second analyzed, and a third that starts from the first."""
    place = tmp_path_factory.mktemp("packing")
    spec = load_spec("smoke", ["training.max_steps=20"])
    grokcore.generate_dataset(spec.task, place / "data")
    for seed in range(2):
        grokcore.train_model(spec.model_copy(update={"seed": seed}), place / "data", place / "runs" / f"seed-{seed}")
    start = f"model.start_from.model={place / 'runs' / 'seed-0'}"
    later = load_spec("smoke", ["training.max_steps=20", "seed=2", start, "model.start_from.parts=all"])
    grokcore.train_model(later, place / "data", place / "runs" / "later")
    for run in sorted((place / "runs").iterdir()):
        grokcore.evaluate_model(run)
    grokcore.analyze_model(place / "runs" / "seed-1", steps="20", analyses=["mixing"], examples=20)
    return place / "runs"


def test_the_command_packs_what_readers_read_as_before(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = tmp_path / "study.tar.xz"
    assert main(["runs", "pack", str(runs), "--out", str(packed)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("3 runs, ")
    assert said.rstrip().endswith(f": {packed}")
    before = {record.manifest.run_id: record for record in read_records([runs])}
    after = {record.manifest.run_id: record for record in read_records([packed])}
    assert before.keys() == after.keys()
    for run_id, record in after.items():
        assert record.journal == before[run_id].journal
        assert record.evaluation == before[run_id].evaluation
        assert record.analysis == before[run_id].analysis
        assert record.verified
    assert not not_verified(list(after.values()))
    assert sum(record.analysis is not None for record in after.values()) == 1
    assert document(list(after.values())) == document([before[run_id] for run_id in after])
    assert main(["compare", str(packed), "--out", str(tmp_path / "comparison")]) == 0
    assert main(["report", str(packed), "--out", str(tmp_path / "report.html")]) == 0
    assert (tmp_path / "report.html").stat().st_size > 100_000


def test_no_place_of_this_machine_is_in_it_and_its_runs_are_whole(runs: Path, tmp_path: Path) -> None:
    pack_runs(read_records([runs]), tmp_path / "study.tar.xz")
    store = open_store(tmp_path / "study.tar.xz")
    for file in store.files():
        assert str(runs.parent).encode() not in store.read(file.key), file.key
    listed = list_runs(store)
    assert [run.state for run in listed] == ["budget_steps"] * 3
    for run in listed:
        detail = describe_run(open_store(run.uri))
        assert detail.files
        assert set(detail.files.values()) == {"good"}
    sources = [record.manifest.source for record in read_records([store.uri])]
    (source,) = [source for source in sources if source is not None]
    assert source.uri == f"runs/{source.run_id}"


def test_a_changed_file_in_it_is_noticed(runs: Path, tmp_path: Path) -> None:
    from grokcore.storage.archive import write_archive

    pack_runs(read_records([runs / "seed-0"]), tmp_path / "study.tar.xz")
    store = open_store(tmp_path / "study.tar.xz")
    files = {file.key: store.read(file.key) for file in store.files()}
    (journal,) = [key for key in files if key.endswith("metrics.jsonl")]
    files[journal] = files[journal].replace(b'"step": 20', b'"step": 21').replace(b'"step":20', b'"step":21')
    write_archive(tmp_path / "study.tar.xz", files)
    with pytest.raises(InputError, match="is damaged"):
        read_records([tmp_path / "study.tar.xz"])


def test_runs_without_a_seal_and_other_suffixes_are_refused(runs: Path, tmp_path: Path) -> None:
    write(group(GPT2, at=100, seeds=1)[0], tmp_path / "made-up")
    with pytest.raises(InputError, match="has not ended, or was made by a version that sealed no runs"):
        pack_runs(read_records([tmp_path / "made-up"]), tmp_path / "study.tar.xz")
    with pytest.raises(InputError, match=r"an archive of runs ends in \.tar\.xz"):
        pack_runs(read_records([runs]), tmp_path / "study.zip")
    assert not list(tmp_path.glob("study*"))
    assert json.loads((runs / "seed-0" / "manifest.json").read_text())["seal"] is not None
