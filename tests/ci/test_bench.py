"""The benchmark, end to end at toy size: what it measures and says, never how fast anything is."""

from __future__ import annotations

import copy
import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from ci.benchmarks.__main__ import main
from ci.benchmarks.results import SpeedResults
from ci.benchmarks.rounds import Effort
from ci.benchmarks.run import RESULTS
from ci.benchmarks.table import speed_markdown, terminal
from ci.benchmarks.targets import TARGETS, judge
from ci.benchmarks.variants import VARIANTS
from ci.benchmarks.work import UnequalWorkError, Work, check_equal
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
