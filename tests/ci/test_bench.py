"""The benchmark, end to end at toy size: what it measures and says, never how fast anything is."""

from __future__ import annotations

import copy
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ci.benchmarks import machine, rounds
from ci.benchmarks.__main__ import main
from ci.benchmarks.cases import Case
from ci.benchmarks.generation import loop, write
from ci.benchmarks.losses import compare_times, largest_difference
from ci.benchmarks.models import MODELS, compare_models
from ci.benchmarks.results import SpeedResults
from ci.benchmarks.rounds import Effort, Entry, measure, paired_ratio
from ci.benchmarks.run import RESULTS
from ci.benchmarks.table import losses_markdown, other_parts, speed_markdown, terminal
from ci.benchmarks.targets import TARGETS, judge
from ci.benchmarks.telemetry import compare_telemetry
from ci.benchmarks.variants import VARIANTS
from ci.benchmarks.work import UnequalWorkError, Work, check_equal
from ci.benchmarks.worker import Burst, Job, Worker, WorkerError
from grokcore.data import generate_dataset, open_dataset
from grokcore.models import ARCHITECTURES
from grokcore.spec import ComparisonTask
from tests.support.extended import extended

GPT2_VARIANTS = [name for name, variant in VARIANTS.items() if "gpt2" in variant.architectures]
WORK = Work(examples=64, supervised_tokens=64, block_parameters=1000, gradient_norm=1.5)


@pytest.fixture(scope="module", params=[("reference", "fast"), extended(GPT2_VARIANTS)], ids=["two variants", "all"])
def document(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `ci/bench` writes about the smallest model; read only."""
    folder = tmp_path_factory.mktemp("results")
    asked = "--quick --models smoke --architectures gpt2 --losses answer_and_eos --precisions fp32 --parts steps,help"
    variants = ("--variants", ",".join(request.param), "--threads", "1", "--repeats", "2")
    assert main([*asked.split(), *variants, "--out", str(folder)]) == 0
    (path,) = folder.glob("*.json")
    assert path.with_suffix(".md").read_text().startswith("# Speed of training\n")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_a_run_says_what_it_measured_and_on_what(document: dict[str, Any]) -> None:
    assert {"format", "date", "machine", "settings", "peak_flops", "rows", "targets", "command_line"} <= set(document)
    assert {"processor", "cores", "gpu", "bf16_in_hardware", "versions", "commit"} <= set(document["machine"])
    assert document["settings"]["threads"] == 1
    assert document["peak_flops"]["fp32"] > 0
    assert [row["variant"] for row in document["rows"]] in (["reference", "fast"], GPT2_VARIANTS)


def test_every_row_has_its_figures(document: dict[str, Any]) -> None:
    for row in document["rows"]:
        times = row["milliseconds_per_step"]
        assert times["min"] <= times["median"] <= times["max"]
        assert times["median"] == statistics.median(times["repeats"])
        assert row["steps_per_second"] == pytest.approx(1000 / times["median"])
        assert row["examples_per_second"] == pytest.approx(64 * row["steps_per_second"])
        peak = document["peak_flops"][row["precision"]]
        utilization = row["plain_model_flops_per_step"] * row["steps_per_second"] / peak
        assert row["model_flop_utilisation"] == pytest.approx(utilization)
        assert row["peak_memory_bytes"] > 2**27
    assert len({row["plain_model_flops_per_step"] for row in document["rows"]}) == 1


def test_ratios_are_medians_over_paired_repeats(document: dict[str, Any]) -> None:
    rows = {f"{row['variant']} {row['precision']}": row for row in document["rows"]}
    for name, row in rows.items():
        assert set(row["times_as_fast_as"]) == set(rows) - {name}
        for other, ratio in row["times_as_fast_as"].items():
            pairs = zip(
                rows[other]["milliseconds_per_step"]["repeats"], row["milliseconds_per_step"]["repeats"], strict=False
            )
            assert ratio == pytest.approx(statistics.median(theirs / ours for theirs, ours in pairs))


def test_all_variants_do_the_same_work(document: dict[str, Any]) -> None:
    works = [row["first_step"] for row in document["rows"]]
    for field in ("examples", "supervised_tokens", "block_parameters"):
        assert len({work[field] for work in works}) == 1
    assert works[0]["supervised_tokens"] == 2 * works[0]["examples"] == 128
    norms = [work["gradient_norm"] for work in works if work["gradient_norm"] is not None]
    assert len(norms) == len(works) - 1
    assert norms == pytest.approx([norms[0]] * len(norms), rel=1e-3)


def test_the_table_fits_a_terminal(document: dict[str, Any]) -> None:
    slow = copy.deepcopy(document["rows"])
    for row in slow:
        row["milliseconds_per_step"] |= {"median": 59_123.4, "min": 58_123.4, "max": 61_123.4}
        row["examples_per_second"] = 123_456.7
        row["peak_memory_bytes"] = 12.3 * 2**30
    for rows in (document["rows"], slow):
        assert max(map(len, terminal(rows).splitlines())) <= 100


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"examples": 32}, "examples"),
        ({"supervised_tokens": 128}, "supervised_tokens"),
        ({"block_parameters": 1001}, "block_parameters"),
        ({"gradient_norm": 1.6}, "gradient"),
    ],
)
def test_unequal_work_is_refused(change: dict[str, Any], field: str) -> None:
    check_equal({"one": WORK, "other": WORK}, "fp32")
    with pytest.raises(UnequalWorkError, match=field):
        check_equal({"one": WORK, "other": Work(**{**vars(WORK), **change})}, "fp32")


def test_work_of_unknown_gradient_is_compared_in_the_rest() -> None:
    unknown = Work(**{**vars(WORK), "gradient_norm": None})
    check_equal({"reference": unknown, "one": WORK, "other": WORK}, "fp32")
    with pytest.raises(UnequalWorkError):
        check_equal({"reference": unknown, "one": WORK, "other": Work(**{**vars(WORK), "gradient_norm": 2.0})}, "fp32")


def test_the_gradient_of_a_skipped_step_is_unknown_and_fits_into_results(smoke_data: Path) -> None:
    """The first steps in fp16 overflow until the loss scale has come down; JSON has no infinity."""
    from ci.benchmarks.library import library

    spec = Case("smoke", "gpt2", "answer").spec("training.device=cpu", "training.precision=fp16", "training.threads=1")
    with library(spec, smoke_data, torch.device("cpu")) as stepper:
        scaler = stepper.trainer.state.scaler
        assert scaler is not None
        scaler.scale.fill_(2.0**40)
        stepper.step()
        assert stepper.trainer.state.steps_skipped.item() == 1
        assert stepper.work().gradient_norm is None
        json.dumps(vars(stepper.work()), allow_nan=False)


class ScriptedWorker:
    """Takes the time that a test says, and writes down when it was told to train."""

    seconds: Callable[[str], float]
    calls: list[tuple[str, int]]

    def __init__(self, job: Job) -> None:
        self.job = job

    def __enter__(self) -> ScriptedWorker:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait_until_ready(self) -> dict[str, str]:
        return {}

    def train(self, steps: int) -> Burst:
        self.calls.append((self.job.variant, steps))
        return Burst(type(self).seconds(self.job.variant), 1, WORK)

    def profile(self, steps: int) -> dict[str, float]:
        return {"aten::mm": 1.0}


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[ScriptedWorker]:
    monkeypatch.setattr(rounds, "Worker", ScriptedWorker)
    monkeypatch.setattr(machine, "peak_flops", lambda *_: {"fp32": 1e11})
    ScriptedWorker.calls = []
    return ScriptedWorker


def run_quickly(out: Path, *, losses: str, variants: str) -> tuple[int, Path]:
    """The exit code of `ci/bench` on the smallest model, and the file that it wrote."""
    asked = "--quick --models smoke --precisions fp32 --parts steps"
    code = main([*asked.split(), "--losses", losses, "--variants", variants, "--out", str(out)])
    (path,) = out.glob("*.json")
    return code, path


def measured(case: Case, *variants: str, effort: Effort) -> list[rounds.Timing]:
    entries = [Entry(name, "fp32") for name in variants]
    return list(measure(case, entries, Path("nowhere"), device="cpu", threads=1, effort=effort))[-1]


def test_variants_take_turns_and_slow_ones_fewer(scripted: type[ScriptedWorker]) -> None:
    scripted.seconds = lambda variant: 8.0 if variant == "reference" else 0.1
    case, effort = Case("smoke", "gpt2", "answer"), Effort(repeats=3, burst_seconds=1, most_seconds=17)
    slow, fast = measured(case, "reference", "fast", effort=effort)
    warm_up = [("reference", 1), ("fast", 1), ("fast", 3)]
    turns = [("reference", 1), ("fast", 10), ("reference", 1), ("fast", 10), ("fast", 10)]
    assert scripted.calls == warm_up + turns
    assert (len(slow.seconds), len(fast.seconds)) == (2, 3)
    assert paired_ratio(slow.seconds, fast.seconds) == pytest.approx(80)


def test_a_worker_that_cannot_train_says_why(tmp_path: Path) -> None:
    spec = Case("smoke", "gpt2", "answer").spec("training.device=cpu", "training.precision=fp32", "training.threads=1")
    why = "fast of smoke failed: AbsentError: there is no dataset at"
    with Worker(Job("fast", spec, tmp_path / "nowhere")) as worker, pytest.raises(WorkerError, match=why):
        worker.wait_until_ready()


def test_a_ratio_pairs_the_repeats_of_one_round() -> None:
    assert paired_ratio([10.0, 100.0, 30.0], [1.0, 10.0, 1.0]) == 10


def test_a_run_that_is_killed_keeps_what_it_had(
    scripted: type[ScriptedWorker], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt_in_the_third_round(variant: str) -> float:
        if len(scripted.calls) > 2 * 2 + 2 * 2:
            raise KeyboardInterrupt
        return 0.5

    scripted.seconds = interrupt_in_the_third_round
    code, path = run_quickly(tmp_path, losses="answer", variants="transformers,fast")
    assert code == 143
    assert "what was measured so far" in capsys.readouterr().err
    rows = json.loads(path.read_text())["rows"]
    assert [(row["variant"], len(row["milliseconds_per_step"]["repeats"])) for row in rows] == [
        ("transformers", 2),
        ("fast", 2),
    ]


def test_a_case_that_fails_leaves_the_others(
    scripted: type[ScriptedWorker], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail_at_first(variant: str) -> float:
        if len(scripted.calls) == 1:
            raise WorkerError(f"{variant} of smoke died: the machine has too little memory")
        return 0.5

    scripted.seconds = fail_at_first
    code, path = run_quickly(tmp_path, losses="answer,answer_and_eos", variants="fast")
    assert code == 1
    assert "1 of the cases failed" in capsys.readouterr().err
    found = json.loads(path.read_text())
    assert found["failures"] == ["smoke gpt2, loss on answer: fast of smoke died: the machine has too little memory"]
    assert [row["loss_on"] for row in found["rows"]] == ["answer_and_eos"]
    assert "too little memory" in path.with_suffix(".md").read_text()


def test_results_are_never_overwritten(tmp_path: Path) -> None:
    places = []
    for _ in range(3):
        results = SpeedResults(tmp_path, device="cpu", threads=1, effort=Effort())
        results.save()
        places.append(results.path.name)
    assert len(set(places)) == 3
    assert places[1].endswith("-2.json")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "dmo"], "there is no model 'dmo': did you mean demo? known are demo,"),
        (["--architectures", "gpt3"], "there is no architecture 'gpt3': did you mean gpt2?"),
        (["--variants", "fst"], "there is no variant 'fst': did you mean fast?"),
        (["--losses", "eos"], "there is no loss 'eos': known are answer, answer_and_eos"),
        (["--parts", "step"], "there is no part 'step': did you mean steps?"),
        (["--precisions", "fp8"], "there is no number format of this cpu 'fp8'"),
        (["losses", "--presets", "modulr"], "did you mean modular?"),
    ],
)
def test_an_unknown_name_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_target_is_judged_or_says_why_not(document: dict[str, Any]) -> None:
    assert all(target["not_measured_because"] for target in document["targets"] if target["measured"] is None)
    (about_help,) = [target for target in document["targets"] if target["work"] == "grokcore --help"]
    assert about_help["measured"] == document["command_line"]["median"]
    on_gpu = [target for target in document["targets"] if "cuda" in target["work"]]
    assert {target["not_measured_because"] for target in on_gpu} == {"this run was on cpu"}


@pytest.mark.parametrize(("ratio", "reached", "short_by"), [(9.5, True, 0.0), (4.5, False, 0.5)])
def test_a_target_says_by_how_much_it_is_missed(
    document: dict[str, Any], ratio: float, reached: bool, short_by: float
) -> None:
    thesis = copy.deepcopy(document["rows"][-1])
    thesis |= {"model": "thesis", "loss_on": "answer", "variant": "fast-shared", "precision": "fp32"}
    thesis["times_as_fast_as"] = {"reference fp32": ratio, "transformers fp32": 3.0, "transformers-sdpa fp32": 2.5}
    judged = {target["work"]: target for target in judge({**document, "rows": [thesis]})}
    against_reference = judged["thesis GPT-2, cpu, fp32: (d) against (a)"]
    assert (against_reference["reached"], against_reference["short_by"]) == (reached, pytest.approx(short_by))
    assert judged["thesis GPT-2, cpu, fp32: (d) against (b)"]["measured"] == 2.5  # the faster of the two attentions
    page = speed_markdown({**document, "rows": [thesis], "targets": list(judged.values()), "notes": ["for a reason"]})
    assert "\n- for a reason\n" in page
    assert ("**no**, 50% short" in page) is not reached


def test_every_target_names_variants_that_exist() -> None:
    assert len({target.work for target in TARGETS}) == len(TARGETS)
    for name in ("reference", "transformers", "transformers-sdpa", "fast-shared"):
        assert name in VARIANTS


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_the_pages_in_the_tree_are_made_from_the_results_beside_them(path: Path, tmp_path: Path) -> None:
    copied = tmp_path / path.name
    copied.write_bytes(path.read_bytes())
    assert main(["render", str(copied)]) == 0
    assert copied.with_suffix(".md").read_text() == path.with_suffix(".md").read_text(), "run ci/bench render"


SMALL = ComparisonTask(entities=40, attributes=2, values=3, phi=5, id_ratio=0.8, probe_size=100)


def test_the_loop_over_pairs_makes_the_splits_that_the_library_makes(tmp_path: Path) -> None:
    info = generate_dataset(SMALL, tmp_path / "ours")
    splits = loop(SMALL, SMALL.attributes)
    for name in ("id_atomic", "ood_atomic", "train_inferred", "test_inferred_ood"):
        assert len(splits[name]) == info.splits[name].rows
    assert len(splits["test_inferred_iid"]) == pytest.approx(info.splits["test_inferred_iid"].rows, rel=0.5)
    write(splits, tmp_path, probe_size=100)
    assert len(json.loads((tmp_path / "train.json").read_text())) == sum(
        info.splits[name].rows for name in ("id_atomic", "ood_atomic", "train_inferred")
    )


def test_the_loop_over_pairs_tells_the_truth() -> None:
    splits = loop(SMALL, 1)
    values = {row["input_text"].split("<attr")[0]: int(row["target_text"].split("><")[-2].strip("<>"))
              for row in (*splits["id_atomic"], *splits["ood_atomic"])}  # fmt: skip
    for row in splits["test_inferred_ood"]:
        first, second = (part.rpartition("<e")[2] for part in row["input_text"].split("<mask>"))
        one, other = values[f"<e{first}"], values[f"<e{second}"]
        assert row["target_text"] == f"{row['input_text']}<attr_0_{(one > other) - (one < other) + 1}></a>"


@pytest.fixture(scope="module")
def smoke_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "smoke"
    generate_dataset(Case("smoke", "gpt2", "answer").spec().task, path)
    return path


@pytest.mark.parametrize("loss_on", ["answer", "answer_and_eos"])
def test_the_reference_reads_ten_tokens_and_is_asked_for_few(smoke_data: Path, loss_on: str) -> None:
    from ci.benchmarks.reference import GPT2_VOCABULARY, IGNORED, PADDING, examples

    dataset = open_dataset(smoke_data)
    rows = dataset.train()
    found = examples(dataset, loss_on)
    assert len(found) == len(rows)
    for place in (0, len(rows) - 1):  # an atomic and an inferred fact
        length = int(rows.lengths[place])
        question = [token + GPT2_VOCABULARY for token in rows.tokens[place][:length].tolist()]
        answer, eos = int(rows.answers[place]) + GPT2_VOCABULARY, dataset.info.eos + GPT2_VOCABULARY
        inputs, labels = found[place]["input_ids"].tolist(), found[place]["labels"].tolist()
        assert inputs == [*question, answer, eos] + [PADDING] * (8 - length)
        supervised = [answer] if loss_on == "answer" else [answer, eos]
        assert labels == [IGNORED] * length + supervised + [IGNORED] * (10 - length - len(supervised))


def test_the_reference_has_the_vocabulary_of_the_public_code() -> None:
    from ci.benchmarks.reference import vocabulary_size

    assert vocabulary_size(1106) == 51_368


def test_losses_are_compared_with_the_spread_of_the_seeds() -> None:
    curves = {
        "answer": [[0.0, 0.2, 1.0], [0.0, 0.4, 1.0]],
        "answer_and_eos": [[0.0, 0.5, 1.0], [0.0, 0.7, 1.0]],
    }
    found = largest_difference(curves, [0, 100, 200])
    assert found["means"] == {"accuracy": pytest.approx(0.3), "at_step": 100}
    assert found["seeds"] == {"accuracy": pytest.approx(0.2)}
    assert found["beyond_seeds"] == {"accuracy": pytest.approx(0.2), "at_step": 100}  # .6 lies .2 above .4


def test_a_mean_inside_the_others_band_is_not_beyond_it() -> None:
    curves = {"answer": [[0.2], [0.8]], "answer_and_eos": [[0.4], [0.7]]}
    assert largest_difference(curves, [100])["beyond_seeds"]["accuracy"] == 0


def test_times_to_grok_are_compared_seed_by_seed() -> None:
    assert compare_times({"answer": [100, 200, None], "answer_and_eos": [200, 400, 100]}) == {
        "pairs": 2,
        "ratio": pytest.approx(2),
        "p_value": 0.5,  # of 4 ways to swap, the observed one and its mirror image
    }
    balanced = compare_times({"answer": [100, 200], "answer_and_eos": [200, 100]})
    assert (balanced["ratio"], balanced["p_value"]) == (pytest.approx(1), 1)
    assert compare_times({"answer": [None], "answer_and_eos": [100]})["ratio"] is None


@pytest.mark.extended
def test_both_losses_are_trained_from_the_same_seeds(tmp_path: Path) -> None:
    options = ["--presets", "smoke", "--seeds", "1", "--set", "training.max_steps=4"]
    assert main(["losses", *options, "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*-losses.json")
    found = json.loads(path.read_text())
    (comparison,) = found["comparisons"]
    assert comparison["steps"][-1] == 4
    assert set(comparison["splits"]) == {"train", "test_inferred_iid", "test_inferred_ood"}
    for split in comparison["splits"].values():
        assert set(split["mean_accuracy"]) == {"answer", "answer_and_eos"}
        assert all(len(curve) == len(comparison["steps"]) for curve in split["mean_accuracy"].values())
    assert losses_markdown(found) == path.with_suffix(".md").read_text()


def test_being_watched_is_measured_in_turns() -> None:
    found = compare_telemetry(Case("smoke", "gpt2", "answer"), device="cpu", threads=1, pairs=2, seconds=0.1)
    assert len(found["seconds_per_step"]["scraped"]) == 2
    assert len(found["seconds_per_step"]["alone"]) == 3
    assert 0 < found["seconds_of_bookkeeping_per_step"] < 1e-3
    [line] = other_parts({"telemetry": found})
    assert line.startswith("`smoke` scraped every 1 s: ")


@pytest.mark.extended
def test_models_are_timed_against_the_gpt2_of_equal_parameters() -> None:
    chosen = ("mamba", "shared blocks, twice")
    effort = Effort(repeats=2, burst_seconds=0.05, most_seconds=5)

    found = compare_models(Case("smoke", "gpt2", "answer"), device="cpu", threads=1, effort=effort, models=chosen)

    mamba, shared = found["rows"]
    gpt2 = found["gpt2"]
    assert (gpt2["layers"], mamba["layers"], shared["layers"]) == (2, 3, 2)
    assert shared["parameters_without_embeddings"] == gpt2["parameters_without_embeddings"]
    assert shared["flops_per_step"] > 1.8 * gpt2["flops_per_step"]
    for row in found["rows"]:
        assert row["repeats"] == 2
        assert row["times_as_long_as_gpt2"] > 0
    page = speed_markdown({**EMPTY, "models": found})
    assert "| mamba | 3 |" in page
    assert set(ARCHITECTURES) - {"gpt2"} < set(MODELS)


EMPTY: dict[str, Any] = {
    "date": "2026-11-21",
    "machine": {
        "versions": {},
        "commit": None,
        "uncommitted_changes": False,
        "gpu": None,
        "processor": "x",
        "cores": 2,
    },
    "settings": {"threads": 1},
    "peak_flops": {},
    "rows": [],
    "failures": [],
    "targets": [],
}
