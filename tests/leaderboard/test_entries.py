"""An entry is written from real runs, and one that does not follow from its journals is refused in one line."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from grokcore.cli import main
from grokcore.errors import GrokcoreError, InputError
from grokcore.leaderboard.adding import add_entry
from grokcore.leaderboard.checking import check_entry, figures, judge_all, problems_in
from grokcore.leaderboard.entry import ENTRY, StoredEntry, journal_name, read_entry
from grokcore.leaderboard.pages import write_pages
from grokcore.leaderboard.track import Track, seeds_of, track_of
from grokcore.runs.seal import digest_of, with_checksum
from grokcore.spec import ExperimentSpec

Lines = list[dict[str, Any]]


@pytest.fixture
def copy(entry: StoredEntry, tmp_path: Path) -> Path:
    """A copy of the entry, to be tampered with."""
    return Path(shutil.copytree(entry.folder, tmp_path / "smoke" / "higher-rate"))


def refused(folder: Path) -> str:
    with pytest.raises(GrokcoreError) as caught:
        check_entry(read_entry(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change_entry(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change entry.json and give it its hash, as somebody would who wants to deceive."""
    document = json.loads((folder / ENTRY).read_text())
    change(document)
    (folder / ENTRY).write_text(json.dumps(with_checksum(document)))


def change_journal(folder: Path, number: int, change: Callable[[Lines], Any]) -> None:
    """Change the journal of the seed in place `number`, and the hashes with it."""
    seed = read_entry(folder).entry.seeds[number]
    path = folder / journal_name(seed)
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    change(lines)
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    path.write_bytes(gzip.compress(content))
    change_entry(folder, lambda entry: entry["runs"][number].update(journal=digest_of(content).model_dump()))


def test_an_entry_holds_spec_journals_conditions_and_times(
    entry: StoredEntry, recipe: ExperimentSpec, fast_runs: Path
) -> None:
    check_entry(entry)
    assert entry.entry.seeds == seeds_of(recipe)
    assert entry.recipe.run_id == entry.entry.runs[0].run_id
    steps = entry.entry.figures["steps"]
    assert len(steps.values) == 8
    assert 0 < min(steps.values) <= steps.median <= max(steps.values) < 400
    assert entry.entry.figures["flops"].median == pytest.approx(steps.median * entry.entry.flops_per_step)
    seconds = entry.entry.figures["cpu_seconds"]
    assert all(0 < one < 60 for one in seconds.values)
    assert {"processor", "threads"} <= set(entry.entry.conditions.hardware)
    for seed in entry.entry.seeds:
        original = (fast_runs / f"seed-{seed}" / "metrics.jsonl").read_bytes()
        assert gzip.decompress((entry.folder / journal_name(seed)).read_bytes()) == original
    assert sum(path.stat().st_size for path in entry.folder.iterdir()) < 200_000


def test_shares_of_a_process_are_no_cpu_seconds_of_a_run(entry: StoredEntry, track: Track) -> None:
    execution = {**entry.entry.conditions.execution, "stacked_seeds": "8"}
    conditions = entry.entry.conditions.model_copy(update={"execution": execution})
    shared = entry.entry.model_copy(update={"conditions": conditions})
    times = judge_all(entry.recipe, entry.journals, track, entry.entry.flops_per_step)
    assert set(figures(times, entry.entry, entry.recipe, track)) == {"steps", "flops", "cpu_seconds"}
    assert set(figures(times, shared, entry.recipe, track)) == {"steps", "flops"}


def test_gpu_seconds_are_those_of_all_gpus(entry: StoredEntry, track: Track) -> None:
    hardware = {**entry.entry.conditions.hardware, "device": "cuda", "gpu": "H200", "processes": 2}
    conditions = entry.entry.conditions.model_copy(update={"hardware": hardware})
    on_gpus = entry.entry.model_copy(update={"conditions": conditions})
    times = judge_all(entry.recipe, entry.journals, track, entry.entry.flops_per_step)
    found = figures(times, on_gpus, entry.recipe, track)
    assert set(found) == {"steps", "flops", "gpu_seconds"}
    assert found["gpu_seconds"].values == tuple(2 * time.seconds for time in times)
    assert on_gpus.machine == "2 x H200"


def test_no_place_of_the_machine_is_in_an_entry(entry: StoredEntry, fast_runs: Path) -> None:
    for path in entry.folder.iterdir():
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        assert str(fast_runs.parent).encode() not in content


def test_a_changed_journal_is_noticed(copy: Path) -> None:
    path = copy / journal_name(read_entry(copy).entry.seeds[2])
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b'"epoch"', b'"Epoch"')))
    assert "is not the journal that the entry was made with" in refused(copy)
    path.write_bytes(b"not gzip")
    assert "is not a gzip file" in refused(copy)
    path.unlink()
    assert path.name in refused(copy)


def raise_accuracy(lines: Lines) -> None:
    for line in lines[5:]:
        line["splits"]["test_inferred_iid"]["accuracy"] = 1.0


def claim_an_earlier_time(lines: Lines) -> None:
    """Phases to match the raised accuracies, from a journal that had them so from the first confirmation on."""
    raise_accuracy(lines)
    step = lines[5]["step"]
    for line in lines[6:]:
        line["phases"]["test_inferred_iid"]["sustained"] = step


def turn_back_the_clock(lines: Lines) -> None:
    lines[-1]["clock"]["elapsed_seconds"] = 0.1


def train_faster_than_time_passes(lines: Lines) -> None:
    for line in lines[1:]:
        line["clock"]["elapsed_seconds"] += 100


def lose_it_again(lines: Lines) -> None:
    for line in lines[-4:]:
        line["splits"]["test_inferred_iid"]["accuracy"] = 0.5
    begun = lines[-4]["step"]
    for line in lines[-2:]:
        line["phases"]["test_inferred_iid"]["collapsed"] = begun


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (raise_accuracy, "names other phases at step"),
        (claim_an_earlier_time, "names other phases at step"),
        (lambda lines: lines.pop(9), "has no evaluation at step"),
        (lambda lines: lines[4].update(examples=1), "has 1 examples at step"),
        (lambda lines: lines[4].update(flops=1.0), "FLOPs at step"),
        (lambda lines: lines[7]["phases"].update(memorized=1), "names other phases at step"),
        (lambda lines: lines.clear(), "the journal is empty"),
        (lambda lines: lines.__delitem__(slice(8, None)), "did not sustain .99 on test_inferred_iid by step"),
        (lose_it_again, "lost .99 on test_inferred_iid again at step"),
        (turn_back_the_clock, "goes back in time at step 400"),
        (lambda lines: lines[-1]["clock"].update(cpu_seconds=0.1), "goes back in time at step 400"),
        (train_faster_than_time_passes, "s of training up to step 1, in which 0 s passed"),
        (lambda lines: lines[3]["clock"].update(time="noon"), "has no time of day at step"),
        (lambda lines: lines[3]["clock"].update(time="2026-12-01T00:00:00"), "has no time of day at step"),
        (lambda lines: lines[3]["train"].update(accuracy=2), "train.accuracy"),
    ],
)
def test_a_journal_that_contradicts_itself_is_refused(copy: Path, change: Callable[[Lines], Any], said: str) -> None:
    change_journal(copy, 3, change)
    assert said in refused(copy)


def test_one_run_cannot_stand_for_two_seeds(copy: Path) -> None:
    first, second = read_entry(copy).entry.seeds[:2]
    shutil.copy(copy / journal_name(first), copy / journal_name(second))
    change_entry(copy, lambda entry: entry["runs"][1].update(journal=entry["runs"][0]["journal"]))
    assert f"seed {second} has the curve of seed {first}" in refused(copy)


def test_a_seed_that_is_missing_or_chosen_is_refused(copy: Path, entry: StoredEntry) -> None:
    last = entry.entry.seeds[-1]
    change_entry(copy, lambda entry: entry["runs"].pop())
    assert f"{journal_name(last)} is not a file of the entry" in refused(copy)
    (copy / journal_name(last)).unlink()
    assert f"seed {last} is missing: the recipe is judged on the seeds {last - 7}..{last}" in refused(copy)


def test_other_seeds_than_the_recipes_are_refused(copy: Path) -> None:
    first, *_ = read_entry(copy).entry.seeds
    (copy / journal_name(first)).rename(copy / journal_name(7))
    change_entry(copy, lambda entry: entry["runs"][0].update(seed=7))
    assert f"seed {first} is missing" in refused(copy)


def change_spec(folder: Path, section: str, **fields: Any) -> None:
    document = yaml.safe_load((folder / "spec.yaml").read_text())
    document[section].update(fields)
    (folder / "spec.yaml").write_text(yaml.safe_dump(document))


def test_another_task_or_rule_is_refused(copy: Path) -> None:
    change_spec(copy, "task", values=4)
    assert "not eligible as a record of smoke: task.values is 4, the preset's is 3" in refused(copy)
    change_spec(copy, "task", values=3)
    change_spec(copy, "evaluation", threshold=0.5)
    assert "evaluation.threshold is 0.5" in refused(copy)


def test_a_spec_that_the_runs_were_not_trained_by_is_refused(copy: Path) -> None:
    change_spec(copy, "training", learning_rate=0.005)
    assert "is missing: the recipe is judged on the seeds" in refused(copy)


def test_a_run_id_that_the_spec_does_not_make_is_refused(copy: Path) -> None:
    change_entry(copy, lambda entry: entry["runs"][4].update(run_id="0123456789abcdef"))
    assert "is run 0123456789abcdef, which spec.yaml does not make" in refused(copy)


def test_edited_times_are_refused(copy: Path) -> None:
    change_entry(copy, lambda entry: entry["figures"]["steps"].update(median=100.0))
    assert "it claims a median of 100 in steps, and its journals say" in refused(copy)
    change_entry(copy, lambda entry: entry["figures"].update(steps=None) or entry["figures"].pop("steps"))
    assert "it claims nothing in steps" in refused(copy)
    change_entry(copy, lambda entry: entry["figures"].update(gpu_seconds=entry["figures"]["flops"]))
    assert "gpu_seconds, in which it cannot be ranked" in refused(copy) or "in steps" in refused(copy)


def test_flops_are_those_of_the_model_and_the_method(copy: Path) -> None:
    change_entry(copy, lambda entry: entry.update(flops_per_step=entry["flops_per_step"] / 2))
    assert "FLOPs a step, of which 0 for the method; its model takes" in refused(copy)


def test_an_entry_without_its_hash_is_refused(copy: Path) -> None:
    document = json.loads((copy / ENTRY).read_text())
    (copy / ENTRY).write_text(json.dumps({**document, "trials": 0}))
    assert "does not have the SHA-256" in refused(copy)
    (copy / ENTRY).write_text(json.dumps({**document, "sha256": None}))
    assert "does not have its own SHA-256" in refused(copy)


def test_runs_that_do_not_reach_the_target_make_no_entry(fast_runs: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"seed \d+: did not sustain \.99 on test_inferred_ood by step 400"):
        add_entry([fast_runs], track_of("smoke"), tmp_path, name="ood", title="OOD", trials=3)
    assert not list(tmp_path.rglob("*.json"))


def test_fewer_seeds_or_one_from_elsewhere_make_no_entry(
    fast_runs: Path, smoke_run: Path, track: Track, tmp_path: Path
) -> None:
    seven = sorted(fast_runs.glob("seed-*"))[:7]
    with pytest.raises(InputError, match="is missing: the recipe is judged on"):
        add_entry(seven, track, tmp_path, name="seven", title="Seven", trials=0)
    with pytest.raises(InputError, match="differ in more than their seed"):
        add_entry([*seven, smoke_run], track, tmp_path, name="mixed", title="Mixed", trials=0)


def test_a_run_under_other_conditions_makes_no_entry(fast_runs: Path, track: Track, tmp_path: Path) -> None:
    from grokcore.runs.manifest import read_manifest
    from grokcore.storage import FileStore

    runs = Path(shutil.copytree(fast_runs, tmp_path / "runs"))
    run = sorted(runs.glob("seed-*"))[3]
    manifest = read_manifest(run)
    seal = manifest.seal
    assert seal is not None
    manifest.hardware["processor"] = "abacus"
    manifest.write(FileStore(run), seal=seal.files)
    with pytest.raises(InputError, match=r"not trained under the conditions of .* hardware\.processor is abacus"):
        add_entry([runs], track, tmp_path, name="mixed", title="Mixed", trials=0)


def test_the_command_adds_checks_and_lists(
    fast_runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], recipe: ExperimentSpec
) -> None:
    records = tmp_path / "records"
    assert main(["record", "check", str(records)]) == 2
    assert "there is no entry in" in capsys.readouterr().err
    add = ["record", "add", str(fast_runs), "--preset", "smoke", "--split", "test_inferred_iid", "--trials", "3"]
    assert main([*add, "--name", "higher-rate", "--title", "Higher rate", "--out", str(records)]) == 0
    assert "steps: median" in capsys.readouterr().out
    assert main(["record", "check", str(records)]) == 0
    assert "checked 1 entry" in capsys.readouterr().out
    assert main([*add, "--name", "higher-rate", "--title", "Again", "--out", str(records)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*add, "--name", "../away", "--title", "Away", "--out", str(records)]) == 2
    assert "lower-case letters" in capsys.readouterr().err

    page = records / "README.md"
    page.write_text(page.read_text().replace("**record**", "no record"))
    assert main(["record", "check", str(records)]) == 2
    assert "has drifted from the entries" in capsys.readouterr().err
    assert main(["record", "table", str(records)]) == 0
    assert main(["record", "check", str(records)]) == 0

    spec = records / "smoke" / "higher-rate" / "spec.yaml"
    assert main(["record", "seeds", str(spec), "--preset", "smoke"]) == 0
    seeds = seeds_of(recipe)
    assert capsys.readouterr().out.splitlines()[-1] == f"{seeds[0]}..{seeds[-1]}"


def test_every_problem_of_a_folder_is_told(copy: Path) -> None:
    records = copy.parent.parent
    write_pages(records)
    assert list(problems_in(records)) == []
    moved = copy.rename(copy.with_name("other"))
    change_entry(moved, lambda entry: entry["figures"]["steps"].update(mean=1.0))
    shutil.copytree(moved, records / "demo" / "other")
    told = list(problems_in(records))
    assert len(told) == 2
    assert "holds an entry of smoke" in told[0]
    assert "it claims a median" in told[1]
