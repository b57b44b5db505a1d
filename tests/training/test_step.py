"""The optimizer step: against its naive twin, under loss scaling, after a restore, and as a CUDA graph."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from grokcore.data import open_dataset
from grokcore.models import build_model, decay_groups
from grokcore.models.composition import Composition
from grokcore.models.precision import autocast
from grokcore.spec import TrainingSpec, load_spec
from grokcore.spec.schedule import learning_rate_at
from grokcore.storage import FileStore
from grokcore.training.checkpoints.checkpoint import Snapshot, load_checkpoint
from grokcore.training.checkpoints.saving import save_checkpoint
from grokcore.training.loop import reproducible
from grokcore.training.optimizers import OPTIMIZERS
from grokcore.training.precision import MIN_SCALE, LossScaler
from grokcore.training.step import WARM_UPS
from grokcore.training.trainer import Trainer
from tests.training.methods import METHODS

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def gpu(test: Callable[..., None]) -> Callable[..., None]:
    needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here: try another machine")
    return pytest.mark.gpu(needs_gpu(test))


OVERFLOWS = (0, 1, 5, 9)
"""Steps whose gradient is made infinite; the first is among them, since moments do not exist before it in torch."""


def trainer_of(
    data: Path, *overrides: str, device: torch.device = CPU, notify: Callable[[str], None] = lambda line: None
) -> Trainer:
    """A trainer that has not begun; with `precision=fp16` on a CPU too, which no command allows."""
    spec = load_spec("smoke", [f"training.device={device.type}", *overrides])
    dataset = open_dataset(data, expected_id=spec.dataset_id)
    model = build_model(
        spec.model,
        vocabulary_size=dataset.info.vocabulary_size,
        sequence_length=dataset.info.sequence_length + 2,
        seed=spec.init_seed,
        eos=dataset.info.eos,
    )
    return Trainer(spec, dataset, model, device=device, notify=notify)


def overflow_at(trainer: Trainer, steps: tuple[int, ...]) -> None:
    """Make a gradient of `trainer` infinite in some of its steps."""
    weight = trainer.parameters[-1]
    weight.register_hook(lambda gradient: gradient * math.inf if trainer.state.step in steps else gradient)


def steps(trainer: Trainer, count: int) -> None:
    for _ in range(count):
        trainer.take_step()


def tensors_of(trainer: Trainer) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.state.checkpoint().tensors.items()}


def state_of(scaler: LossScaler) -> dict[str, float]:
    return {name: tensor.item() for name, tensor in scaler.tensors().items()}


def assert_equal(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    assert left.keys() == right.keys()
    assert [name for name in left if not torch.equal(left[name].nan_to_num(), right[name].nan_to_num())] == []


def naive_loss(logits: Tensor, targets: Tensor, training: TrainingSpec) -> Tensor:
    logits = logits / training.loss_temperature
    if training.loss == "stablemax":
        log_s = torch.where(logits >= 0, logits, -logits).add(1).log()
        return torch.nn.functional.cross_entropy(torch.where(logits >= 0, log_s, -log_s), targets)
    return torch.nn.functional.cross_entropy(logits.double() if "fp64" in training.loss else logits, targets).float()


class Naive:
    """The step as a textbook writes it, with torch's own optimizers, clipping and GradScaler."""

    def __init__(self, trainer: Trainer, overflows: tuple[int, ...]) -> None:
        self.trainer, self.overflows, self.skipped = trainer, overflows, 0
        self.model = copy.deepcopy(trainer.model)
        training = trainer.training
        self.decay = training.weight_decay
        decayed, exempt = ([weight for _, weight in group] for group in decay_groups(self.model, training.decay_groups))
        groups = [{"params": decayed, "weight_decay": self.decay}, {"params": exempt, "weight_decay": 0.0}]
        self.decayed = decayed
        self.optimizer: torch.optim.Optimizer
        if training.optimizer == "adamw":
            self.optimizer = torch.optim.AdamW(groups, betas=training.betas, eps=training.epsilon, fused=True)
        else:
            self.optimizer = torch.optim.SGD(self.model.parameters(), momentum=training.betas[0])
        scaled = trainer.state.scaler is not None
        self.scaler = torch.amp.GradScaler("cpu", enabled=scaled, growth_interval=3)

    def __call__(self, step: int) -> None:
        training, examples, weights = self.trainer.training, self.trainer.examples, list(self.model.parameters())
        learning_rate = learning_rate_at(step, training)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        for rows in self.trainer.sampler(step).chunk(training.gradient_accumulation):
            with autocast(training.precision, CPU):
                logits = self.model(examples[rows].inputs, examples[rows].positions, examples[rows].prefixes)
            loss = naive_loss(logits.flatten(0, 1).float(), examples.targets[rows].flatten(), training)
            self.scaler.scale(loss / training.gradient_accumulation).backward()
        if step in self.overflows:
            weights[-1].grad *= math.inf
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(weights, training.gradient_clip or math.inf)
        finite = all(weight.grad.isfinite().all() for weight in weights)
        if finite and training.optimizer == "sgd":
            with torch.no_grad():
                for weight in self.decayed:
                    weight *= 1 - learning_rate * self.decay
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        if finite and training.projection_bound is not None:
            with torch.no_grad():
                norm = torch.cat([weight.flatten() for weight in weights]).norm()
                for weight in weights:
                    weight *= min(1.0, training.projection_bound / norm.item())
        self.skipped += not finite


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["training.gradient_clip=null", "training.loss_on=answer_and_eos"],
        ["training.gradient_accumulation=4", "training.gradient_clip=.5"],
        ["training.projection=norm_ball", "training.projection_bound=10.2"],
        ["training.optimizer=sgd", "training.learning_rate=.1"],
        ["training.optimizer=sgd", "training.learning_rate=.1", "training.betas=[0,.9]"],
        ["training.loss=stablemax"],
        ["training.loss=cross_entropy_fp64", "training.loss_temperature=4", "training.gradient_accumulation=2"],
    ],
)
def test_the_step_equals_its_naive_twin(
    overrides: list[str], precision: str, smoke_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grokcore.training.precision.GROWTH_INTERVAL", 3)
    trainer = trainer_of(smoke_data, f"training.precision={precision}", "training.weight_decay=.5", *overrides)
    scaler, overflows = trainer.state.scaler, OVERFLOWS if precision == "fp16" else ()
    naive = Naive(trainer, overflows)
    overflow_at(trainer, overflows)
    for step in range(16):
        trainer.take_step()
        naive(step)
        for ours, theirs in zip(trainer.parameters, naive.model.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
        if scaler is not None:
            assert state_of(scaler).items() <= naive.scaler.state_dict().items()
    assert trainer.state.steps_skipped.item() == naive.skipped == len(overflows)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_skipped_step_changes_nothing_but_the_scale(optimizer: str, smoke_data: Path) -> None:
    """Nor are weights projected that lie outside the ball, as they do before the first step."""
    projection = ["training.projection=norm_ball", "training.projection_bound=9"]
    trainer = trainer_of(smoke_data, "training.precision=fp16", f"training.optimizer={optimizer}", *projection)
    assert trainer.state.scaler is not None
    overflow_at(trainer, (0, 4))
    for skipped, others in enumerate((0, 3), start=1):
        steps(trainer, others)
        before = tensors_of(trainer)
        steps(trainer, 1)
        after = tensors_of(trainer)
        before.pop("gradient_norm")
        assert not after.pop("gradient_norm").isfinite()
        assert (before.pop("steps_skipped"), after.pop("steps_skipped")) == (skipped - 1, skipped)
        for name in ("scaler.scale", "scaler._growth_tracker"):
            before.pop(name), after.pop(name)
        assert_equal(after, before)
        assert state_of(trainer.state.scaler) == {"scale": 2.0 ** (16 - skipped), "_growth_tracker": 0}


def test_a_loss_scale_ends_at_a_floor_at_which_finite_gradients_stay_numbers(smoke_data: Path) -> None:
    """GradScaler's is 0 after 166 overflows in a row; the next step would skip nothing and make all weights NaN."""
    trainer = trainer_of(smoke_data, "training.precision=fp16")
    assert trainer.state.scaler is not None
    overflow_at(trainer, tuple(range(200)))
    steps(trainer, 200)
    assert state_of(trainer.state.scaler)["scale"] == MIN_SCALE
    assert trainer.state.steps_skipped.item() == 200
    steps(trainer, 3)
    assert trainer.state.steps_skipped.item() == 200
    assert all(weight.isfinite().all() for weight in trainer.parameters)


def test_a_checkpoint_with_a_scale_of_0_goes_on_with_the_floor(smoke_data: Path) -> None:
    trainer = trainer_of(smoke_data, "training.precision=fp16")
    checkpoint = trainer.state.checkpoint()
    checkpoint.tensors["scaler.scale"] = torch.tensor(0.0)
    trainer.state.restore(checkpoint)
    steps(trainer, 2)
    assert all(weight.isfinite().all() for weight in trainer.parameters)


def test_loss_scaling_resumes_bit_for_bit(smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grokcore.training.precision.GROWTH_INTERVAL", 3)
    whole, parts, resumed = (trainer_of(smoke_data, "training.precision=fp16") for _ in range(3))
    for trainer in (whole, parts, resumed):
        overflow_at(trainer, OVERFLOWS)
    steps(whole, 12)
    steps(parts, 7)
    save_checkpoint(FileStore(tmp_path), parts.state.checkpoint())
    checkpoint, _ = load_checkpoint(FileStore(tmp_path), parts.state.run_id)
    assert checkpoint is not None
    resumed.state.restore(checkpoint)
    steps(resumed, 5)
    assert_equal(tensors_of(resumed), tensors_of(whole))
    assert "scaler.scale" in tensors_of(resumed)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_neither_a_step_nor_a_restore_moves_a_tensor(optimizer: str, smoke_data: Path) -> None:
    """A recorded step reads and writes addresses."""
    trainer, other = (
        trainer_of(smoke_data, f"training.optimizer={optimizer}", "training.precision=fp16") for _ in range(2)
    )

    def places() -> dict[str, int]:
        tensors = trainer.state.checkpoint().tensors.items()
        return {name: tensor.data_ptr() for name, tensor in tensors if not name.startswith("random.")}

    before = places()
    steps(trainer, 2)
    trainer.state.restore(other.state.checkpoint())
    assert places() == before


GRAPHED = [
    ["training.precision=fp32"],
    ["training.precision=bf16"],
    ["training.precision=fp16"],
    ["training.precision=fp16", "training.optimizer=sgd", "training.gradient_accumulation=2"],
    ["training.precision=bf16", "model.dropout=.2"],
    ["training.precision=fp16", "training.projection=norm_ball", "training.projection_bound=9"],
    ["training.precision=fp16", "training.loss=stablemax"],
    ["training.precision=bf16", "training.loss=cross_entropy_fp64", "training.loss_temperature=2"],
    ["training.precision=fp32", "model.recurrence={kind: adaptive, most: 3, tolerance: 0.2}"],
]
RANDOM_LOOPS = ["training.precision=fp32", "model.recurrence={kind: random, most: 3}"]
"""As many recordings as there are numbers of loops, each after warm-ups of its own."""


def test_every_step_runs_the_loops_that_are_drawn_for_it_wherever_training_resumes(smoke_data: Path) -> None:
    trainer = trainer_of(smoke_data, *RANDOM_LOOPS, "training.gradient_accumulation=2")
    drawn = Composition.of(trainer.spec.model).loops_at
    ran: list[int] = []
    block: Any = trainer.model.blocks
    block[0].register_forward_hook(lambda *_: ran.append(trainer.state.step))

    steps(trainer, 12)
    trainer.state.step = 5
    steps(trainer, 3)

    assert [ran.count(step) for step in range(12)] == [
        2 * drawn(step) * (2 if 5 <= step < 8 else 1) for step in range(12)
    ]
    assert {drawn(step) for step in range(12)} == {1, 2, 3}


@gpu
@pytest.mark.parametrize("overrides", [*GRAPHED, RANDOM_LOOPS, *METHODS.values()])
def test_a_graph_computes_what_single_kernels_compute_bit_for_bit(overrides: list[str], smoke_data: Path) -> None:
    results = []
    for graph in ("true", "false"):
        said: list[str] = []
        with reproducible(1, CUDA, None):
            trainer = trainer_of(
                smoke_data, f"training.cuda_graph={graph}", *overrides, device=CUDA, notify=said.append
            )
            steps(trainer, 20)
            results.append(tensors_of(trainer))
        assert said == []
    assert_equal(*results)


@gpu
def test_a_graph_skips_steps_as_single_kernels_do(smoke_data: Path) -> None:
    """The scale is made so large that the first gradients overflow: the skipping is inside the recording."""
    results = []
    for graph in ("true", "false"):
        with reproducible(1, CUDA, None):
            trainer = trainer_of(smoke_data, f"training.cuda_graph={graph}", "training.precision=fp16", device=CUDA)
            assert trainer.state.scaler is not None
            trainer.state.scaler.scale.fill_(2.0**40)
            steps(trainer, 40)
            results.append(tensors_of(trainer))
    assert_equal(*results)
    assert 5 < results[0]["steps_skipped"] < 40


@gpu
@pytest.mark.parametrize("overrides", GRAPHED)
def test_a_step_never_waits_for_the_device(overrides: list[str], smoke_data: Path) -> None:
    """Neither while it warms up, nor as a graph, nor where a new epoch is drawn; only the recording itself does."""
    trainer = trainer_of(smoke_data, *overrides, device=CUDA)
    for step in range(20):
        torch.cuda.set_sync_debug_mode("default" if step == WARM_UPS else "error")
        try:
            trainer.take_step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert trainer.sampler._epochs.keys() != {0}


@gpu
def test_a_graph_goes_on_from_a_checkpoint(smoke_data: Path, tmp_path: Path) -> None:
    """Into a trainer that has recorded its step already, and into one that has not."""
    with reproducible(1, CUDA, None):
        whole, used, fresh = (
            trainer_of(smoke_data, "training.precision=fp16", "model.dropout=.1", device=CUDA) for _ in range(3)
        )
        steps(used, 8)
        steps(whole, 10)
        save_checkpoint(FileStore(tmp_path), Snapshot(whole.state.checkpoint()).get())
        checkpoint, _ = load_checkpoint(FileStore(tmp_path), whole.state.run_id)
        assert checkpoint is not None
        steps(whole, 10)
        expected = tensors_of(whole)
        for trainer in (used, fresh):
            trainer.state.restore(checkpoint)
            steps(trainer, 10)
            assert_equal(tensors_of(trainer), expected)


@gpu
def test_a_step_that_cannot_be_recorded_goes_on_without_a_graph(smoke_data: Path) -> None:
    said: list[str] = []
    results = []
    for graph in ("true", "false"):
        overrides = [f"training.cuda_graph={graph}", "model.dropout=.1"]
        with reproducible(1, CUDA, None):
            trainer = trainer_of(smoke_data, *overrides, device=CUDA, notify=said.append)
            trainer.parameters[0].register_hook(lambda gradient: gradient * float(gradient.isfinite().all().item()))
            steps(trainer, 8)
            results.append(tensors_of(trainer))
    assert len(said) == 1
    assert said[0].endswith("training goes on without")
    assert_equal(*results)
