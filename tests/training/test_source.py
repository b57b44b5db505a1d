"""Runs that start from the weights of another: which weights, whose they are, and what they have cost."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

import grokcore
from grokcore.data import open_dataset
from grokcore.errors import InputError, StoppedError
from grokcore.models import build_model
from grokcore.runs import read_journal, read_manifest
from grokcore.spec import load_spec, resolve
from grokcore.storage import open_store
from grokcore.training.seeds import train_seeds
from grokcore.training.source import load_start, read_source
from tests.support.checks import without_clock
from tests.support.extended import extended
from tests.training.starting import embedding, starting, trainer_of

WEAK, STEPS = ["model.width=16", "training.max_steps=20"], 20


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory, smoke_data: Path) -> Path:
    """A finished run of a model half as wide as that of smoke; read only."""
    place = tmp_path_factory.mktemp("weak") / "run"
    grokcore.train_model(load_spec("smoke", WEAK), smoke_data, place)
    return place


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["model.tie_embeddings=false"],
        ["model.architecture=rwkv", "model.layers=2", "training.precision=bf16"],
        extended(["model.architecture=gla", "model.recurrence={kind: fixed, loops: 2, reentry: 1.0}"]),
    ],
    ids=lambda overrides: " ".join(overrides) or "tied",
)
def test_the_embedding_is_a_product_whose_factors_are_both_trained(
    overrides: list[str], weak: Path, smoke_data: Path, tmp_path: Path
) -> None:
    spec = starting(weak, "training.max_steps=20", *overrides)
    trainer = trainer_of(spec, smoke_data)
    weights = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    factor, projection = weights["embedding.factor"], weights["embedding.projection"]
    assert torch.equal(factor, embedding(weak))
    assert projection.shape == (16, spec.model.width)
    assert projection.std().item() == pytest.approx(16**-0.5, rel=0.1)
    for _ in range(3):
        trainer.take_step()
    after = dict(trainer.model.named_parameters())
    assert not torch.equal(after["embedding.factor"], factor)
    assert not torch.equal(after["embedding.projection"], projection)

    grokcore.train_model(spec, smoke_data, tmp_path / "run")
    manifest = read_manifest(tmp_path / "run")
    assert manifest.model.parameters == sum(weight.numel() for weight in weights.values())
    assert torch.linalg.matrix_rank(embedding(tmp_path / "run")).item() <= 16
    grokcore.evaluate_model(tmp_path / "run")  # compares the saved model with the journal's last line
    if spec.model.recurrence is None:
        AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model")


def test_what_the_source_has_cost_is_in_the_manifest_that_of_its_own_source_included(
    weak: Path, smoke_data: Path, tmp_path: Path
) -> None:
    grokcore.train_model(starting(weak, "training.max_steps=10"), smoke_data, tmp_path / "second")
    third = starting(tmp_path / "second", "training.max_steps=10", "model.start_from.parts=all")
    # The embedding of `second` is one matrix in its files: it is taken over as one.
    grokcore.train_model(third, smoke_data, tmp_path / "third")
    first, second = read_manifest(tmp_path / "second").source, read_manifest(tmp_path / "third").source
    assert first is not None
    assert second is not None
    line = read_journal(weak / "metrics.jsonl")[-1]
    assert (first.run_id, first.steps) == (read_manifest(weak).run_id, STEPS)
    assert (first.examples, first.flops, first.seconds, first.cpu_seconds) == (
        *(line["examples"], line["flops"]),
        *(line["clock"]["elapsed_seconds"], line["clock"]["cpu_seconds"]),
    )
    assert not first.uses_held_out
    last = read_journal(tmp_path / "second" / "metrics.jsonl")[-1]
    assert second.steps == STEPS + 10
    assert second.flops == line["flops"] + last["flops"]
    assert second.seconds == line["clock"]["elapsed_seconds"] + last["clock"]["elapsed_seconds"]


def test_a_source_that_was_stopped_by_its_held_out_accuracy_has_used_it(
    weak: Path, smoke_data: Path, tmp_path: Path
) -> None:
    shutil.copytree(weak, tmp_path / "source")
    manifest = json.loads((tmp_path / "source" / "manifest.json").read_text())
    manifest |= {"exit_reason": "grokked", "seal": None}
    (tmp_path / "source" / "manifest.json").write_text(json.dumps(manifest))
    source = read_source(starting(tmp_path / "source"), open_dataset(smoke_data))
    assert source is not None
    assert source.facts.uses_held_out
    grokcore.train_model(starting(tmp_path / "source", "training.max_steps=1"), smoke_data, tmp_path / "run")
    assert read_manifest(tmp_path / "run").uses_held_out
    grokcore.train_model(starting(tmp_path / "source", "training.max_steps=2"), smoke_data, tmp_path / "run")
    assert (read_manifest(tmp_path / "run").resumes, read_manifest(tmp_path / "run").uses_held_out) == (1, True)


def test_a_model_outside_of_a_run_has_unknown_costs(weak: Path, smoke_data: Path, tmp_path: Path) -> None:
    shutil.copytree(weak / "model", tmp_path / "found")
    for place in (tmp_path / "found", tmp_path / "found" / "model.safetensors"):
        source = read_source(starting(place), open_dataset(smoke_data))
        assert source is not None
        assert (source.facts.run_id, source.facts.steps, source.facts.uses_held_out) == (None, None, True)


def test_the_id_is_that_of_the_weights_wherever_they_lie(weak: Path, smoke_run: Path, tmp_path: Path) -> None:
    shutil.copytree(weak, tmp_path / "moved")
    here, moved, model = (starting(place) for place in (weak, tmp_path / "moved", f"file://{weak}/model"))
    assert here.run_id == moved.run_id == model.run_id
    others = [
        load_spec("smoke"),
        starting(smoke_run, "model.start_from.project=false"),
        starting(weak, "model.start_from.parts=all"),
    ]
    assert len({here.run_id, *(resolve(other).run_id for other in others)}) == 4
    start = here.model.start_from
    assert start is not None
    assert (start.width, len(start.sha256 or "")) == (16, 64)
    given = load_spec("smoke", ["model.start_from.model=/gone", f"model.start_from.sha256={start.sha256}"])
    assert given.run_id == here.run_id
    with pytest.raises(ValueError, match="resolve the spec first"):
        _ = load_spec("smoke", [f"model.start_from.model={weak}"]).run_id


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["model.start_from.sha256=" + 64 * "0"], "have the SHA-256 .*, not 000"),
        (["model.start_from.project=false"], "is 16 wide, not 32: project=true fits it"),
        (["model.start_from.width=24", "sha256"], "is 16 wide, not 24"),
        (
            ["model.start_from.parts=all"],
            "needs a model of the spec's own shape, and .* is not: 64 there, 128 in the spec",
        ),
        (["model.start_from.parts=all", "model.layers=2", "model.width=16"], "absent there"),
        (["model.start_from.parts=all", "model.start_from.project=false"], "project belongs to parts=embedding"),
        (["model.start_from.parts=all", "model.init_scale=2"], "leave these out"),
        (["model.implementation=transformers"], "trains no product"),
        (["task.entities=30"], "another vocabulary"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(overrides: list[str], named: str, weak: Path, tmp_path: Path) -> None:
    if overrides[-1] == "sha256":
        overrides[-1] = f"model.start_from.sha256={starting(weak).model.start_from.sha256}"  # type: ignore[union-attr]

    def train() -> None:
        spec = starting(weak, *overrides)
        grokcore.generate_dataset(spec.task, tmp_path / "data")
        grokcore.train_model(spec, tmp_path / "data", tmp_path / "run")

    with pytest.raises(InputError, match=named) as refused:
        train()
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_a_source_that_is_absent_unfinished_damaged_or_diverged_is_refused(
    weak: Path, smoke_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="neither a finished run nor a model"):
        starting(tmp_path / "nothing")
    for name in ("stopped", "damaged", "diverged"):
        shutil.copytree(weak, tmp_path / name)
    document = json.loads((weak / "manifest.json").read_text())
    (tmp_path / "stopped" / "manifest.json").write_text(json.dumps({**document, "exit_reason": None, "seal": None}))
    (tmp_path / "diverged" / "manifest.json").write_text(json.dumps({**document, "seal": None}))
    for name in ("damaged", "diverged"):
        file = tmp_path / name / "model" / "model.safetensors"
        save_file({key: one * torch.nan for key, one in load_file(file).items()}, file)
    for name, named in (("stopped", "has not ended"), ("damaged", "damaged"), ("diverged", "not finite")):
        with pytest.raises(InputError, match=named):
            read_source(starting(tmp_path / name), open_dataset(smoke_data))


@pytest.mark.parametrize("implementation", ["fast", "transformers"])
def test_a_source_of_equal_width_is_copied(implementation: str, smoke_run: Path, smoke_data: Path) -> None:
    spec = starting(smoke_run, "model.start_from.project=false", f"model.implementation={implementation}")
    weights = dict(trainer_of(spec, smoke_data).model.named_parameters())
    name = "embedding.weight" if implementation == "fast" else "network.transformer.wte.weight"
    assert torch.equal(weights[name], embedding(smoke_run))
    drawn: Any = build_model(
        spec.model, vocabulary_size=len(embedding(smoke_run)), sequence_length=7, seed=spec.init_seed
    )
    differing = [key for key, one in drawn.named_parameters() if not torch.equal(one, weights[key])]
    assert differing == [name], "everything else is drawn as ever"


@pytest.mark.parametrize("implementation", ["fast", "transformers"])
def test_all_parts_start_where_the_source_has_ended(
    implementation: str, smoke_run: Path, smoke_data: Path, tmp_path: Path
) -> None:
    overrides = ["model.start_from.parts=all", f"model.implementation={implementation}", "training.max_steps=1"]
    grokcore.train_model(starting(smoke_run, *overrides), smoke_data, tmp_path)
    first, last = read_journal(tmp_path / "metrics.jsonl")[0], read_journal(smoke_run / "metrics.jsonl")[-1]
    assert first["step"] == 0
    assert first["train"]["loss"] == pytest.approx(last["train"]["loss"], rel=1e-6)
    assert first["weight_norm"] == pytest.approx(last["weight_norm"], rel=1e-6)


def test_a_resumed_run_does_not_read_its_source_again(weak: Path, smoke_data: Path, tmp_path: Path) -> None:
    shutil.copytree(weak, tmp_path / "source")
    spec = starting(tmp_path / "source", "training.checkpoint_interval=10")
    grokcore.train_model(spec, smoke_data, tmp_path / "whole")

    def stop(line: dict[str, Any]) -> None:
        if line["step"] == 40:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(StoppedError):
        grokcore.train_model(spec, smoke_data, tmp_path / "parts", on_evaluation=stop)
    shutil.rmtree(tmp_path / "source")
    grokcore.train_model(spec, smoke_data, tmp_path / "parts")
    assert without_clock(tmp_path / "parts") == without_clock(tmp_path / "whole")
    assert read_manifest(tmp_path / "parts").source == read_manifest(tmp_path / "whole").source

    for state in (tmp_path / "parts" / "checkpoints").glob("step-*/*/state.safetensors"):
        state.write_bytes(b"damaged")
    with pytest.raises(InputError, match="neither a finished run nor a model"):
        grokcore.train_model(spec, smoke_data, tmp_path / "parts")
    shutil.copytree(weak, tmp_path / "source")
    grokcore.train_model(spec, smoke_data, tmp_path / "parts")
    assert without_clock(tmp_path / "parts") == without_clock(tmp_path / "whole")


@pytest.mark.parametrize("strategy", ["stacked", "processes"])
def test_seeds_share_a_source_and_draw_the_rest(strategy: Any, weak: Path, smoke_data: Path, tmp_path: Path) -> None:
    specs = [starting(weak, f"seed={seed}", "training.max_steps=20") for seed in range(2)]
    train_seeds(specs, smoke_data, tmp_path, strategy=strategy)
    for spec in specs:
        grokcore.train_model(spec, smoke_data, tmp_path / f"alone-{spec.seed}")
        ours, alone = (without_clock(tmp_path / f"{kind}-{spec.seed}") for kind in ("seed", "alone"))
        for line, expected in zip(ours, alone, strict=True):
            assert line["train"]["loss"] == pytest.approx(expected["train"]["loss"], rel=1e-5)
    projections = [
        dict(trainer_of(spec, smoke_data).model.named_parameters())["embedding.projection"] for spec in specs
    ]
    assert not torch.equal(*projections)


def test_a_source_lies_on_object_storage(
    weak: Path, smoke_data: Path, s3_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    open_store(f"{s3_uri}/weak").upload_directory(weak, "run", last="manifest.json")
    spec = starting(f"{s3_uri}/weak/run", "training.max_steps=5")
    assert spec.run_id == starting(weak).run_id
    grokcore.train_model(spec, smoke_data, tmp_path / "run")
    source = read_manifest(tmp_path / "run").source
    assert source is not None
    assert (source.steps, source.uri) == (STEPS, f"{s3_uri}/weak/run/model")


def test_weights_are_loaded_in_place(weak: Path, smoke_data: Path) -> None:
    """An optimizer knows the parameters that it was made with."""
    spec = starting(weak)
    trainer = trainer_of(spec, smoke_data)
    before = {name: weight.data_ptr() for name, weight in trainer.model.named_parameters()}
    source = read_source(spec, open_dataset(smoke_data))
    assert source is not None
    load_start(trainer.model, source.weights)
    assert {name: weight.data_ptr() for name, weight in trainer.model.named_parameters()} == before
