"""What ci.findings says of the laboratory: judged from packed runs alone, and no more than they say."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ci import findings
from ci.findings.__main__ import main
from ci.findings.judging import CLAIMS, CONSTANT_RATE, DEPTH, FINDINGS, LEVERS, SUMMARY, drawings, judge, keep, write
from grokcore.documents import parse_json
from grokcore.evaluation.records import read_records
from grokcore.runs import JOURNAL, MANIFEST
from grokcore.runs.packing import pack_runs
from grokcore.runs.record import RunRecord
from grokcore.runs.seal import SPEC, digest_of, sealed_manifest
from grokcore.spec import load_spec, resolve
from grokcore.storage import write_json
from grokcore.storage.store import encode_json
from grokcore.sweeps.index import INDEX, PointEntry, RunEntry, SweepIndex
from tests.evaluation.made_up import Rise, record
from tests.reporting.made_up_groups import IID, OOD, write_all

SEEDS = 6


def group(*overrides: str, ood: float | None) -> list[RunRecord]:
    """One run per seed of the laboratory's conditions, changed, that reach OOD at about this step, or never."""
    runs = []
    for seed in range(SEEDS):
        spec = resolve(load_spec("laboratory", [*overrides, f"seed={seed}"]))
        at = ood and ood + 60 * seed
        runs.append(record(spec, Rise(300), {IID: Rise(250), OOD: Rise(at)}))
    return runs


def pack(runs: list[RunRecord], place: Path, archive: Path) -> None:
    """Pack made-up runs, sealed as ended ones are."""
    for manifest in write_all(runs, place).rglob(MANIFEST):
        kept = {name: digest_of((manifest.parent / name).read_bytes()) for name in (SPEC, JOURNAL)}
        unsealed = {name: value for name, value in json.loads(manifest.read_text()).items() if name != "seal"}
        manifest.write_bytes(encode_json(sealed_manifest(unsealed, kept)))
    pack_runs(read_records([place]), archive)


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """Two packed studies: decay, without which runs are later by a half, and SGD, which never gets there."""
    folder = tmp_path / "laboratory"
    folder.mkdir()
    for name, runs in {
        "decay": [*group(ood=2000), *group("training.weight_decay=0", ood=3000)],
        "optimizer": [*group(ood=2000), *group("training.optimizer=sgd", "training.weight_decay=0", ood=None)],
    }.items():
        pack(runs, tmp_path / name, folder / f"{name}.tar.xz")
    return folder


def test_levers_stand_beside_the_laboratory_with_their_interval(studies: Path) -> None:
    _, summary = judge(studies)

    base, later, never = summary.levers
    assert base.change == "laboratory"
    assert (base.runs, base.sustained, base.ratio) == (SEEDS, SEEDS, None)
    assert "weight_decay 0" in later.change
    assert later.ratio is not None
    assert later.lower is not None
    assert 1.2 < later.lower < later.ratio < 1.6
    assert (never.sustained, never.median, never.ratio) == (0, None, None)
    assert summary.warnings.sustained == 3 * 2 * SEEDS - SEEDS  # two splits of each run but those of SGD


def test_two_levers_of_one_name_say_in_what_they_differ(studies: Path, tmp_path: Path) -> None:
    sgd = ("training.optimizer=sgd", "training.weight_decay=0", "training.learning_rate=0.1")
    pack(group(*sgd, ood=2500), tmp_path / "sgd", studies / "sgd.tar.xz")

    changes = [lever.change for lever in judge(studies)[1].levers]
    assert len(set(changes)) == len(changes) == 4
    assert any("sgd" in change and "learning_rate 0.1" in change for change in changes)


def test_a_run_in_two_studies_counts_once_in_the_verdicts_and_in_each_study(studies: Path) -> None:
    claims, summary = judge(studies)

    assert claims.runs == 3 * SEEDS
    assert [(one.name, one.runs, one.least_seeds) for one in summary.studies] == [
        ("decay", 2 * SEEDS, SEEDS),
        ("optimizer", 2 * SEEDS, SEEDS),
    ]


def test_sweeps_that_have_run_to_their_end_are_packed_and_no_others(tmp_path: Path) -> None:
    runs = group(ood=2000)
    pack(runs, tmp_path, tmp_path / "unused.tar.xz")
    for name, state in (("phi-small", "done"), ("values-small", "stopped")):
        entries = [
            RunEntry(seed=run.spec.seed, run_id=run.spec.run_id, place=f"runs/{run.spec.run_id}/local", state=state)
            for run in runs
        ]
        point = PointEntry(name="all", settings={}, dataset_id="0", runs=tuple(entries))
        index = SweepIndex(name=name, description="", claims=(), tuning=None, baseline=None, points=(point,))
        write_json(tmp_path / "sweeps" / name / INDEX, index.model_dump(mode="json"))

    assert keep(tmp_path, tmp_path / "kept") == [tmp_path / "kept" / "phi.tar.xz"]
    assert len(read_records([tmp_path / "kept" / "phi.tar.xz"])) == SEEDS


def test_a_folder_without_runs_of_the_laboratory_is_refused(tmp_path: Path, studies: Path) -> None:
    with pytest.raises(LookupError, match=r"no \*\.tar\.xz"):
        judge(tmp_path)
    for path in studies.iterdir():
        path.unlink()
    pack(group("training.weight_decay=0", ood=3000), tmp_path / "other", studies / "other.tar.xz")
    with pytest.raises(LookupError, match="conditions of laboratory"):
        judge(studies)


def test_every_tested_claim_has_a_row_and_its_scope_in_words(studies: Path) -> None:
    claims, summary = judge(studies)
    write(claims, summary, studies)

    text, words = findings.verdicts(studies), findings.found(studies)
    for claim in claims.claims:
        if claim.verdict == "not tested":
            assert str(claim.number) in text.rpartition("Not tested")[2]
        else:
            assert claim.scope is not None
            assert claim.statement in text
            assert " ".join(claim.sentence.split()) in words
    assert "decay.tar.xz" in text
    assert "| laboratory |" in findings.levers(studies)
    assert "decay.tar.xz" in findings.studies(studies)
    assert f"Of {6 * SEEDS} held-out splits" in findings.warnings(studies)


def test_an_effect_stands_with_its_interval_in_the_row_of_its_claim(studies: Path) -> None:
    claims, summary = judge(studies)
    write(claims, summary, studies)
    (decay,) = (claim for claim in claims.claims if claim.id == "decay-may-delay")
    (row,) = (line for line in findings.verdicts(studies).splitlines() if decay.statement in line)

    assert f"times as late: {decay.numbers['ratio']:.2g} (" in row
    assert summary.studies_of[decay.number] == ["decay"]


def test_a_claim_of_several_scopes_has_one_row_with_the_laboratorys_own_first(studies: Path, tmp_path: Path) -> None:
    pack(group("task.phi=9", ood=2600), tmp_path / "phi", studies / "phi.tar.xz")
    claims, summary = judge(studies)
    write(claims, summary, studies)
    (statement,) = {claim.statement for claim in claims.claims if claim.id == "gpt2-groks"}

    (row,) = (line for line in findings.verdicts(studies).splitlines() if statement in line)
    assert "**does not hold here** (laboratory; phi 9)" in row
    (words,) = (line for line in findings.found(studies).splitlines() if line.startswith("- **1.**"))
    assert "The same verdict: phi 9." in words
    assert "of 32 claims are decided" in findings.verdicts(studies)


def test_the_drawing_has_the_strongest_lever_of_each_study(studies: Path) -> None:
    claims, summary = judge(studies)
    write(claims, summary, studies)

    drawn = ElementTree.fromstring((studies / LEVERS).read_bytes())  # noqa: S314 - written above
    words = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    for lever in summary.levers[1:]:
        assert lever.change.replace("training.", "") in words
    assert any(word and word.startswith("not held: ") for word in words)
    assert f"0 of {SEEDS}" in words


def test_runs_at_a_constant_rate_are_drawn_beside_the_published_curve(studies: Path, tmp_path: Path) -> None:
    deeper = ("model.layers=4", "training.schedule=constant", "training.schedule_steps=null")
    pack([*group(*deeper, ood=2000), *group(*deeper[1:], ood=None)], tmp_path / "depth", studies / f"{DEPTH}.tar.xz")
    write(*judge(studies), studies)

    drawn = ElementTree.fromstring((studies / CONSTANT_RATE).read_bytes())  # noqa: S314 - written above
    words = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert words[-3:] == [f"4 layers, {SEEDS} seeds", f"2 layers, {SEEDS} seeds", "the thesis: 8 layers, 1 run"]
    curves = [path for path in drawn.iter("{http://www.w3.org/2000/svg}path") if "curve" in path.attrib["class"]]
    assert len(curves) == 2 * SEEDS + 1
    assert not [lever for lever in judge(studies)[1].levers if lever.study == DEPTH], "no lever of the laboratory"


def test_the_kept_verdicts_are_those_of_the_packed_runs() -> None:
    """Judged anew on this machine, the archives in the tree give the files beside them."""
    claims, summary = judge(FINDINGS)

    assert parse_json((FINDINGS / CLAIMS).read_bytes(), "claims") == json.loads(claims.model_dump_json())
    assert parse_json((FINDINGS / SUMMARY).read_bytes(), "summary") == json.loads(summary.model_dump_json())
    for name, drawn in drawings(summary, FINDINGS).items():
        assert (FINDINGS / name).read_text("utf-8") == drawn


def test_what_cannot_be_judged_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (([], "nothing to judge"), ([str(tmp_path)], f"{tmp_path} holds no sweeps")):
        with pytest.raises(SystemExit) as left:
            main(arguments, tmp_path)
        assert left.value.code == 2
        assert said in capsys.readouterr().err.splitlines()[-1]
