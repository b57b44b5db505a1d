"""The reference that the benchmark measures against: its loop over pairs, its tokens, its vocabulary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from ci.benchmarks.cases import Case
from ci.benchmarks.generation import loop, write
from grokcore.data import generate_dataset, open_dataset
from grokcore.spec import ComparisonTask

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
