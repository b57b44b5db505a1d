"""Runs: reproducible, resumable bit for bit, refusing what is not theirs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import grokcore
from grokcore.cli import main
from grokcore.errors import InputError, StoppedError
from grokcore.runs import read_journal, read_manifest
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.training.loop import reproducible
from tests.support.checks import PATIENCE, wait_until, without_clock
from tests.support.extended import extended


def journal(run: Path) -> list[dict[str, Any]]:
    return read_journal(run / "metrics.jsonl")


def state_at(run: Path, step: int) -> Path:
    """The directory of the one attempt to save a step."""
    (place,) = (path for path in (run / "checkpoints" / f"step-{step:08d}").iterdir() if path.is_dir())
    return place


def test_a_run_directory_is_complete(smoke_run: Path, smoke_spec: ExperimentSpec, smoke_data: Path) -> None:
    names = {path.name for path in smoke_run.iterdir()}
    record = {"spec.yaml", "manifest.json", "metrics.jsonl", "summary.json"}
    assert names == record | {"checkpoints", "model", "evaluation.json"}
    manifest = read_manifest(smoke_run)
    assert manifest.run_id == smoke_spec.run_id
    assert manifest.exit_reason == "budget_steps"
    assert manifest.finished is not None
    assert manifest.dataset.id == smoke_spec.dataset_id
    assert {"init", "tie_embeddings", "decay_groups", "loss_on", "match", "blocks", "precision"} <= set(
        manifest.choices
    )
    assert manifest.choices["implementation"] == "fast"
    assert manifest.execution["kernels"] in ("native", "torch")
    assert manifest.execution["prefix_sharing"] == "2 prefixes of 2 tokens"
    model = AutoModelForCausalLM.from_pretrained(smoke_run / "model")
    assert manifest.model.parameters == sum(parameter.numel() for parameter in model.parameters())
    tokenizer = AutoTokenizer.from_pretrained(smoke_run / "model")
    assert tokenizer("<attr_0> <q>")["input_ids"] == list(grokcore.data.open_dataset(smoke_data).info.prefixes[0])
    assert not (smoke_run / "model" / "vocab.json").exists()  # which transformers would take for that of a BPE
    assert journal(smoke_run)[-1]["flops"] == 60 * manifest.model.flops_per_step


def test_training_learns(smoke_run: Path) -> None:
    lines = journal(smoke_run)
    assert lines[0]["step"] == 0
    assert lines[-1]["train"]["loss"] < 0.6 * lines[0]["train"]["loss"]
    assert lines[-1]["train"]["accuracy"] > lines[0]["train"]["accuracy"] + 0.2


def test_the_same_spec_gives_the_same_journal_byte_for_byte(
    smoke_run: Path, smoke_spec: ExperimentSpec, smoke_data: Path, tmp_path: Path
) -> None:
    torch.rand(3)  # whatever the caller drew before
    grokcore.train_model(smoke_spec, smoke_data, tmp_path / "again")
    first, second = without_clock(smoke_run), without_clock(tmp_path / "again")
    assert json.dumps(second) == json.dumps(first), "to the order of its fields"


def test_init_and_order_are_seeds_of_their_own(smoke_data: Path, tmp_path: Path) -> None:
    def losses(name: str, *overrides: str) -> list[float]:
        spec = load_spec("smoke", ["training.max_steps=3", *overrides])
        grokcore.train_model(spec, smoke_data, tmp_path / name)
        return [line["train"]["loss"] for line in journal(tmp_path / name)]

    plain = losses("plain")
    order, initial = losses("order", "training.seed=1"), losses("init", "model.seed=1")
    assert order[0] == plain[0]
    assert order[-1] != plain[-1]
    assert initial[0] != plain[0]


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["model.dropout=0.2", "training.gradient_accumulation=4", "training.label_smoothing=.1"],
        ["training.projection=norm_ball", "training.projection_bound=9"],
        ["training.optimizer=sgd", "training.learning_rate=.05"],
        ["model.architecture=mamba", "model.state_size=4"],
    ],
)
def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(
    overrides: list[str], smoke_data: Path, tmp_path: Path
) -> None:
    def spec(steps: int) -> ExperimentSpec:
        return load_spec("smoke", [*overrides, f"training.max_steps={steps}", "training.checkpoint_interval=10"])

    grokcore.train_model(spec(40), smoke_data, tmp_path / "whole")
    grokcore.train_model(spec(20), smoke_data, tmp_path / "parts")
    result = grokcore.train_model(spec(40), smoke_data, tmp_path / "parts", resume="require")
    assert result.step == 40
    assert without_clock(tmp_path / "parts") == without_clock(tmp_path / "whole")
    whole, parts = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    states = [load_file(state_at(tmp_path / name, 40) / "state.safetensors") for name in ("whole", "parts")]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_damaged_checkpoint_is_walked_back_over(smoke_data: Path, tmp_path: Path, smoke_run: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(smoke_run, run)
    newest = state_at(run, 60) / "state.safetensors"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    said: list[str] = []
    grokcore.train_model(load_spec("smoke"), smoke_data, run, notify=said.append)
    assert "step-00000060 was skipped: state.safetensors does not have the hash" in said[0]
    assert said[1] == "resuming at step 50"
    assert without_clock(run) == without_clock(smoke_run)


def test_a_run_killed_at_its_very_start_starts_again(smoke_data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "spec.yaml").write_text("half")
    (run / ".manifest.json.x.tmp").write_text("")
    assert grokcore.train_model(load_spec("smoke", ["training.max_steps=1"]), smoke_data, run).step == 1


def test_a_finished_run_is_left_as_it_is(smoke_data: Path, tmp_path: Path, smoke_run: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(smoke_run, run)
    result = grokcore.train_model(load_spec("smoke"), smoke_data, run)
    assert (result.exit_reason, result.step) == ("budget_steps", 60)
    assert journal(run) == journal(smoke_run)


def test_what_is_not_this_run_is_refused(smoke_data: Path, tmp_path: Path, smoke_run: Path) -> None:
    with pytest.raises(InputError, match=r"training\.learning_rate: 0\.001 there, 0\.5 now"):
        grokcore.train_model(load_spec("smoke", ["training.learning_rate=.5"]), smoke_data, smoke_run)
    with pytest.raises(InputError, match="there is a run at"):
        grokcore.train_model(load_spec("smoke"), smoke_data, smoke_run, resume="never")
    with pytest.raises(InputError, match="no run to resume"):
        grokcore.train_model(load_spec("smoke"), smoke_data, tmp_path / "new", resume="require")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="is not a run"):
        grokcore.train_model(load_spec("smoke"), smoke_data, tmp_path / "mine")
    with pytest.raises(InputError, match="eb1ee975d245e724"):
        grokcore.train_model(load_spec("smoke", ["task.seed=1"]), smoke_data, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_fp16_on_a_cpu_is_refused_with_the_override_that_works(smoke_data: Path, tmp_path: Path) -> None:
    spec = load_spec("smoke", ["training.precision=fp16", "training.device=cpu"])
    with pytest.raises(InputError, match=r"use --set training\.precision=bf16"):
        grokcore.train_model(spec, smoke_data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_precisions_learn_alike(precision: str, smoke_data: Path, tmp_path: Path, smoke_run: Path) -> None:
    spec = load_spec("smoke", [f"training.precision={precision}", "training.max_steps=40"])
    grokcore.train_model(spec, smoke_data, tmp_path / "run")
    reference = next(line for line in journal(smoke_run) if line["step"] == 40)
    assert journal(tmp_path / "run")[-1]["train"]["loss"] == pytest.approx(reference["train"]["loss"], rel=0.05)


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "rwkv", "mamba"])
def test_all_architectures_learn_a_small_comparison(architecture: str, smoke_data: Path, tmp_path: Path) -> None:
    spec = load_spec("smoke", [f"model.architecture={architecture}", "model.layers=2", "training.learning_rate=4e-3"])
    grokcore.train_model(spec, smoke_data, tmp_path / "run")
    lines = journal(tmp_path / "run")
    assert lines[-1]["train"]["accuracy"] > lines[0]["train"]["accuracy"] + 0.2
    assert grokcore.evaluate_model(tmp_path / "run").splits["train_inferred"].accuracy is not None


def test_divergence_ends_a_run_and_is_recorded(smoke_data: Path, tmp_path: Path) -> None:
    wild = ["training.optimizer=sgd", "training.learning_rate=1e30", "training.gradient_clip=null"]
    spec = load_spec("smoke", [*wild, "training.warmup_steps=0"])
    result = grokcore.train_model(spec, smoke_data, tmp_path / "run")
    assert result.exit_reason == "diverged"
    assert result.step < 60
    assert journal(tmp_path / "run")[-1]["train"]["loss"] is None
    assert grokcore.evaluate_model(tmp_path / "run").diverged


def test_stopping_on_grok_trains_on_for_the_tail(smoke_data: Path, tmp_path: Path) -> None:
    stop = ["training.stop_on_grok.split=test_inferred_ood", "training.stop_on_grok.tail=1.5"]
    spec = load_spec("smoke", [*stop, "evaluation.threshold=.1", "evaluation.growth=1.05"])
    result = grokcore.train_model(spec, smoke_data, tmp_path / "run")
    sustained = journal(tmp_path / "run")[-1]["phases"]["test_inferred_ood"]["sustained"]
    assert result.exit_reason == "grokked"
    assert sustained * 1.5 <= result.step < 60


def test_a_time_budget_ends_with_an_evaluation(smoke_data: Path, tmp_path: Path) -> None:
    spec = load_spec("smoke", ["training.max_seconds=.3", "training.max_steps=100000"])
    result = grokcore.train_model(spec, smoke_data, tmp_path / "run")
    assert result.exit_reason == "budget_seconds"
    assert journal(tmp_path / "run")[-1]["step"] == result.step


@pytest.mark.parametrize("number", [signal.SIGTERM, extended(signal.SIGINT)])
def test_a_signal_saves_and_the_same_command_goes_on(
    number: int, smoke_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    command = ["train", "smoke", "--data", str(smoke_data), "--out", str(run)]
    command += ["--set", "training.checkpoint_interval=null"]
    process = subprocess.Popen(
        [sys.executable, "-m", "grokcore", *command, "--set", "training.max_steps=1000000"],
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: (run / "metrics.jsonl").exists() and len(journal(run)) >= 5, process)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    assert "the same command goes on from there" in stderr.splitlines()[-1]
    assert "Traceback" not in stderr
    assert read_manifest(run).exit_reason == "stopped"
    step = max(int(path.name[5:]) for path in (run / "checkpoints").glob("step-*"))
    assert main([*command, "--set", f"training.max_steps={step + 5}"]) == 0
    assert f"resuming at step {step}" in capsys.readouterr().err
    assert read_manifest(run).exit_reason == "budget_steps"


def test_a_full_disk_is_one_line_and_leaves_the_last_checkpoint(smoke_data: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: the weights no longer fit, the journal does."""
    run = tmp_path / "run"
    grokcore.train_model(load_spec("smoke", ["training.max_steps=20"]), smoke_data, run)
    command = f"ulimit -f 40; exec {sys.executable} -m grokcore train smoke --data {smoke_data} --out {run}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 75
    last = done.stderr.splitlines()[-1]
    assert last.startswith("grokcore: cannot write")
    assert "choose another place" in last
    assert "Traceback" not in done.stderr
    assert not [path for path in run.rglob("*") if ".tmp" in path.name]
    said: list[str] = []
    grokcore.train_model(load_spec("smoke"), smoke_data, run, notify=said.append)
    assert said == ["resuming at step 20"]


def test_signals_belong_to_the_caller_again_afterwards(smoke_data: Path, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    grokcore.train_model(load_spec("smoke", ["training.max_steps=1"]), smoke_data, tmp_path / "run")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_stop_is_an_error_of_its_own(smoke_data: Path, tmp_path: Path) -> None:
    def stop(line: dict[str, Any]) -> None:
        if line["step"] == 20:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StoppedError, match="stopped at step 20"):
        grokcore.train_model(load_spec("smoke"), smoke_data, tmp_path / "run", on_evaluation=stop)


def test_the_callers_random_numbers_are_left_alone(smoke_data: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    grokcore.train_model(load_spec("smoke", ["training.max_steps=1"]), smoke_data, tmp_path / "run")
    assert torch.equal(torch.rand(3), expected)


def test_denormal_numbers_count_as_zero_while_a_cpu_trains(smoke_data: Path, tmp_path: Path) -> None:
    """Each operation on one takes many times as long, and optimizer state of dead gradients decays into them."""

    def is_zero() -> bool:
        return (torch.tensor(1e-40) * 1).item() == 0

    during: list[bool] = []
    grokcore.train_model(
        load_spec("smoke", ["training.max_steps=2"]),
        *(smoke_data, tmp_path / "run"),
        on_evaluation=lambda line: during.append(is_zero()),
    )

    assert during
    assert all(during)
    assert not is_zero()


@pytest.mark.parametrize("flushed", [False, True])
def test_the_callers_choice_about_denormal_numbers_comes_back(flushed: bool) -> None:
    torch.set_flush_denormal(flushed)
    try:
        with reproducible(0, torch.device("cpu"), None):
            pass
        assert ((torch.tensor(1e-40) * 1).item() == 0) == flushed
    finally:
        torch.set_flush_denormal(False)


def test_the_manifest_says_what_a_model_is_composed_of_and_what_match_chose(smoke_data: Path, tmp_path: Path) -> None:
    parts = ["model.sharing={kind: blocks, repeat: 3}", "model.match=parameters", "model.match_by=width"]
    said: list[str] = []
    spec = load_spec(
        "smoke",
        [*parts, "model.layers=2", "model.memory.kind=slots", "training.max_steps=2", "training.warmup_steps=0"],
    )

    grokcore.train_model(spec, smoke_data, tmp_path / "run", notify=said.append)

    manifest = read_manifest(tmp_path / "run")
    assert manifest.choices["sharing"] == "blocks (repeat 3, order cycle)"
    assert manifest.choices["memory"] == "slots (slots 64, per layer)"
    assert manifest.choices["recurrence"] is None
    assert (manifest.choices["blocks"], manifest.choices["passes"], manifest.choices["built_width"]) == (2, 6, 28)
    assert said == [manifest.execution["match"]]
    assert said[0].startswith("model.match=parameters: width 28 of GPT-2, blocks of ")


ENDING = ["training.schedule=cosine", "training.schedule_steps=20", "training.max_steps=30"]


def test_what_is_odd_about_a_run_is_told_at_its_start_and_kept(smoke_data: Path, tmp_path: Path) -> None:
    told: list[str] = []
    grokcore.train_model(load_spec("smoke", ENDING), smoke_data, tmp_path / "run", notify=told.append)
    (remark,) = read_manifest(tmp_path / "run").remarks
    assert remark.startswith("training.schedule=cosine reaches learning rate 0 at step 20 of max_steps=30")
    assert remark in told
    evaluation = grokcore.evaluate_model(tmp_path / "run")
    assert evaluation.remarks[0] == remark
    assert (evaluation.step, evaluation.censored_at) == (30, 20)


def test_weights_do_not_change_after_the_rate_has_ended(smoke_data: Path, tmp_path: Path) -> None:
    """What evaluations of unchanged weights rest on: the journal repeats itself, to the last bit."""
    grokcore.train_model(load_spec("smoke", [*ENDING, "evaluation.interval=5"]), smoke_data, tmp_path / "run")
    lines = [line for line in read_journal(tmp_path / "run" / "metrics.jsonl") if line["step"] >= 20]
    assert len(lines) >= 3
    assert all(line["splits"] == lines[0]["splits"] for line in lines)
    assert all(line["weight_norm"] == lines[0]["weight_norm"] for line in lines)
