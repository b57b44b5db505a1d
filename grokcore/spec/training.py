"""The fields of training and evaluation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from grokcore.spec.base import Spec, added_later, outside_identity
from grokcore.spec.plugins.open_name import OpenName, with_sources
from grokcore.spec.plugins.source import PluginSource

MOST_STEPS = 2**53
"""Largest number of steps: up to here a float holds every whole number."""

MOST_EXAMPLES = 10_000_000
"""Examples of one pass at most: as many as a training set may have, and no memory holds more."""

_Step = Annotated[int, Field(le=MOST_STEPS)]

OptimizerName = Literal["adamw", "adam", "sgd", "muon", "lion"]
GradientFilterName = Literal["none", "grokfast", "orthograd", "normalize"]
LossName = Literal["cross_entropy", "cross_entropy_fp64", "stablemax"]
ProjectionName = Literal["none", "norm_ball", "row_norm"]
"""Each is a file of that name in `optimizers/`, `filters/`, `losses/` or `projections/` of grokcore/training. Other
packages may add names (`grokcore.spec.plugins`)."""

_Optimizer = Annotated[str, OpenName("optimizer", OptimizerName)]
_Filter = Annotated[str, OpenName("filter", GradientFilterName)]
_Loss = Annotated[str, OpenName("loss", LossName)]
_Projection = Annotated[str, OpenName("projection", ProjectionName)]

Role = Literal["embedding", "position", "head", "matrix", "vector", "state"]
"""What a parameter is for. A tied head is an embedding; vectors are biases and gains of norms; states are parameters
of a recurrence over time, and kernels of convolutions."""

STABLE_THRESHOLD = 0.95
"""Default of `stable_threshold`, unless `threshold` is lower."""


SHORTEST_TAIL = 1.1
"""Least `tail` of StopOnGrok: a split is sustained once it has held for a tenth longer (`evaluation.window`)."""


class StopOnGrok(Spec):
    """Stop once a split is sustained, after training on for long enough to judge that it stays so."""

    split: str = Field(description="the held-out split that ends the run once it is sustained")
    tail: float = Field(
        1.25, ge=SHORTEST_TAIL, description="train on to this multiple of the step from which it is sustained"
    )


class PhaseDrop(Spec):
    """A phase that lowers the learning rate once a run's own evaluations confirm it."""

    phase: Literal["memorized", "onset", "sustained"] = Field(
        description="what has to begin: memorized (the training set), onset or sustained (of a held-out split)"
    )
    split: str | None = Field(None, description="the held-out split whose phase it is; null with memorized")

    @field_validator("phase", mode="before")
    @classmethod
    def _former_name(cls, phase: object) -> object:
        """Earlier specs call the phase `sustained` `grokked`."""
        return "sustained" if phase == "grokked" else phase

    @model_validator(mode="after")
    def _names_a_split(self) -> PhaseDrop:
        if (self.phase == "memorized") != (self.split is None):
            raise ValueError(f"phase={self.phase} {'has no' if self.split else 'needs a'} split")
        return self


class Freeze(PhaseDrop):
    """A phase from which on the weights of some roles stay as they are."""

    roles: tuple[Role, ...] = Field(min_length=1, description="whose weights")


class RoleFactors(Spec):
    """A factor of the learning rate for each role of a weight; decay follows the learning rate."""

    embedding: float = Field(1.0, ge=0, description="token embedding, and the head tied to it")
    position: float = Field(1.0, ge=0, description="position embedding")
    head: float = Field(1.0, ge=0, description="head that is not tied")
    matrix: float = Field(1.0, ge=0, description="projections of token and channel mixers")
    vector: float = Field(1.0, ge=0, description="biases, and gains of norms")
    state: float = Field(1.0, ge=0, description="parameters of a recurrence over time, kernels of convolutions")


class TrainingSpec(Spec):
    optimizer: _Optimizer = Field(
        "adamw",
        description="adamw; adam, whose weight decay is part of the gradient; sgd with betas[0] as momentum; muon for "
        "matrices and adamw for other weights; lion",
    )
    muon_iterations: int = added_later(
        5, ge=0, le=20, description="muon: Newton-Schulz iterations; 0 is momentum of equal size, its control"
    )
    gradient_filter: _Filter = added_later(
        "none",
        description="what is done to the clipped gradient before the optimizer sees it: none; grokfast, which adds its "
        "moving average; orthograd, which removes what only scales a weight; normalize, to norm 1",
    )
    filter_decay: float = added_later(0.98, ge=0, lt=1, description="grokfast: decay of the moving average")
    filter_gain: float = added_later(2.0, ge=0, description="grokfast: how many times the moving average is added")
    learning_rate: float = Field(1e-3, gt=0, le=1e38, description="peak learning rate")
    weight_decay: float = Field(0.1, ge=0, description="weight decay, decoupled but for adam; 0 switches it off")
    learning_rate_of: RoleFactors | None = added_later(
        None, description="factors of the learning rate by the role of a weight; null gives all the same"
    )
    freeze_on: tuple[Freeze, ...] = added_later(
        (), description="roles whose weights stay as they are once an evaluation confirms that a phase has begun"
    )
    decay_groups: Literal["explicit", "published"] = Field(
        "explicit",
        description="what is decayed: explicit (matrices and embeddings; no bias, norm, decay rate or state matrix) or "
        "published (all but names with bias, LayerNorm.weight or ln, as the public code of arXiv 2405.15071)",
    )
    betas: tuple[float, float] = Field((0.9, 0.999), description="decay rates of AdamW's moment estimates")
    epsilon: float = Field(1e-8, gt=0, description="AdamW's term for numerical stability")
    schedule: Literal["constant", "linear", "cosine", "step", "phase"] = Field(
        "constant",
        description="learning rate after the warm-up: constant, linear, cosine, step (drops at drop_steps) or phase "
        "(drops when the phases of drop_on begin)",
    )
    schedule_steps: int | None = Field(
        None, ge=1, le=MOST_STEPS, description="steps until linear and cosine reach their floor, warm-up included"
    )
    schedule_floor: float = Field(0.0, ge=0, le=1, description="lowest learning rate, as a share of the peak")
    drop_steps: tuple[_Step, ...] = Field((), description="steps at which the schedule 'step' lowers the learning rate")
    drop_factor: float = Field(0.1, gt=0, lt=1, description="what each drop multiplies the learning rate by")
    drop_on: tuple[PhaseDrop, ...] = added_later(
        (),
        description="phases at which the schedule 'phase' lowers the learning rate, once an evaluation confirms them",
    )
    warmup_steps: int = Field(0, ge=0, le=MOST_STEPS, description="steps of linear warm-up from 0")
    batch_size: int = Field(512, ge=1, le=MOST_EXAMPLES, description="examples per optimizer step, over all devices")
    gradient_accumulation: int = Field(1, ge=1, description="forward passes per optimizer step; divides batch_size")
    gradient_clip: float | None = Field(1.0, gt=0, description="largest norm of the gradient; null does not clip")
    projection: _Projection = Field(
        "none",
        description="what is done to the weights after each optimizer step: none; norm_ball, which bounds the norm of "
        "all; row_norm, which bounds that of each row of a matrix",
    )
    projection_bound: float | None = Field(
        None, gt=0, description="the largest L2 norm: of all weights together for norm_ball, of a row for row_norm"
    )
    projection_on: Literal["matrices", "matrices_and_norms"] = added_later(
        "matrices", description="row_norm: which weights; a vector, such as the gain of a norm, counts as one row"
    )
    loss: _Loss = Field(
        "cross_entropy",
        description="the loss of one supervised token: cross_entropy, cross_entropy_fp64 (computed in fp64), or "
        "stablemax (arXiv 2501.04697); the journal's loss is cross-entropy always",
    )
    loss_temperature: float = added_later(
        1.0, ge=1e-3, le=1e3, description="T: the loss is that of logits / T; accuracy does not depend on it"
    )
    loss_on: Literal["answer", "answer_and_eos"] = Field(
        "answer", description="supervised tokens: the answer alone, or the answer and the closing </a>"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target spread over all tokens")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="number format; auto takes bf16 where the device computes in it, else fp32"
    )
    engine: Literal["auto", "native", "deepspeed"] = Field(
        "auto",
        description="what takes the optimizer steps: native (one device), deepspeed (one or more, a process for each), "
        "or auto, which takes native for one device and deepspeed for several",
    )
    zero_stage: int = added_later(
        0,
        ge=0,
        le=2,
        description="engine deepspeed: what its processes divide among them: 0 nothing, 1 the optimizer's state, "
        "2 the gradients too (ZeRO, arXiv 1910.02054)",
    )
    seed: int | None = Field(
        None, ge=0, description="seed of the data order and of dropout; null derives it from the experiment's seed"
    )
    device: Literal["auto", "cpu", "cuda"] = outside_identity(
        "auto", description="where to train; auto takes a CUDA GPU if there is one"
    )
    threads: int | None = outside_identity(
        None,
        ge=1,
        le=4096,
        description="threads of a training on the CPU; null takes one, for a run by itself as for each of several: "
        "another number changes the last bits of all results, and a larger model gains by it",
    )
    cuda_graph: bool = outside_identity(
        True, description="on a CUDA GPU replay a whole optimizer step as one CUDA graph"
    )
    max_steps: int = outside_identity(10_000, ge=1, le=MOST_STEPS, description="budget in optimizer steps")
    max_seconds: float | None = outside_identity(None, gt=0, description="budget in seconds; null has no limit")
    stop_on_grok: StopOnGrok | None = outside_identity(None, description="stop after a split is sustained; null never")
    checkpoint_interval: int | None = outside_identity(
        1000, ge=1, description="steps between checkpoints; null saves at the end and on a signal only"
    )
    checkpoint_keep: int = outside_identity(2, ge=1, description="number of latest checkpoints kept")
    checkpoint_keep_every: int | None = outside_identity(
        None, ge=1, description="keep each checkpoint whose step is a multiple of this, too; null keeps none for that"
    )
    on_nonfinite: Literal["stop", "skip", "walk_back"] = added_later(
        "stop",
        description="a loss or gradient that is not a finite number: stop ends training, skip leaves out the step, "
        "walk_back goes on from the last good multiple of checkpoint_interval in another order, at most 3 times",
    )
    plugins: tuple[PluginSource, ...] = added_later(
        (), description="where a named part that is not grokcore's own comes from, which grokcore writes itself"
    )

    @model_validator(mode="before")
    @classmethod
    def _names_are_known(cls, document: Any) -> Any:
        return with_sources(cls, document)

    @property
    def uses_held_out(self) -> bool:
        """Whether held-out data decide how weights are trained: a drop or a freeze that waits for a held-out split.

        `stop_on_grok` changes no weight before the time that it waits for, so that no time to grok depends on it; that
        the weights at its end were chosen so matters to a run that starts from them.
        """
        drops = self.drop_on if self.schedule == "phase" else ()
        return any(one.split is not None for one in (*drops, *self.freeze_on))

    @model_validator(mode="after")
    def _consistent(self) -> TrainingSpec:
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas={list(self.betas)} must lie in [0, 1)")
        if self.batch_size % self.gradient_accumulation:
            raise ValueError(
                f"gradient_accumulation={self.gradient_accumulation} must divide batch_size={self.batch_size}"
            )
        if self.schedule in ("linear", "cosine"):
            if self.schedule_steps is None:
                raise ValueError(f"schedule={self.schedule} needs schedule_steps, the step where it reaches its floor")
            if self.schedule_steps <= self.warmup_steps:
                raise ValueError(
                    f"schedule_steps={self.schedule_steps} must be greater than warmup_steps={self.warmup_steps}"
                )
        if self.schedule == "step" and not self.drop_steps:
            raise ValueError("schedule=step needs drop_steps, for example [20000, 40000]")
        if self.schedule == "phase" and not self.drop_on:
            raise ValueError("schedule=phase needs drop_on, for example [{phase: memorized}]")
        if (self.projection == "none") != (self.projection_bound is None):
            raise ValueError("projection and projection_bound go together: set both or neither")
        if self.zero_stage and self.engine == "native":
            raise ValueError(f"zero_stage={self.zero_stage} needs engine=deepspeed")
        if self.zero_stage and (name := self._needs_whole_weights()):
            raise ValueError(
                f"{name} needs whole weights in one place and zero_stage={self.zero_stage} divides them: use "
                "zero_stage=0"
            )
        return self

    def _needs_whole_weights(self) -> str | None:
        """Return the setting that ZeRO makes impossible; what acts on single numbers goes with it."""
        return next(
            (
                f"{field}={getattr(self, field)}"
                for field, elementwise in (
                    ("optimizer", ("adamw", "adam", "sgd", "lion")),
                    ("gradient_filter", ("none", "grokfast")),
                    ("projection", ("none",)),
                )
                if getattr(self, field) not in elementwise
            ),
            None,
        )


class EvaluationSpec(Spec):
    interval: int = Field(1000, ge=1, le=MOST_STEPS, description="an evaluation at every multiple of this many steps")
    growth: float = Field(1.2, ge=1.001, description="and log-spaced ones, each this factor after the last")
    threshold: float = Field(0.99, gt=0, le=1, description="accuracy that counts as having generalized")
    sustain: int = Field(3, ge=1, description="evaluations in a row that must reach the threshold")
    window: float = Field(1.1, ge=1, description="and all evaluations up to this multiple of the first of them")
    stable_threshold: float | None = Field(
        None,
        gt=0,
        le=1,
        description="accuracy below which a stable run never falls again, at most threshold; null takes the lower of "
        ".95 and threshold",
    )
    onset_rise: float = Field(0.05, gt=0, lt=1, description="rise above the value at memorization that is the onset")
    delay: float = Field(
        2.0, ge=1, description="T_split / T_train from which a split has grokked rather than merely generalized"
    )
    batch_size: int = added_later(
        2048, ge=1, le=MOST_EXAMPLES, description="examples per forward pass of an evaluation"
    )

    @model_validator(mode="after")
    def _falls_only_below_the_threshold(self) -> EvaluationSpec:
        if self.stable_threshold is not None and self.stable_threshold > self.threshold:
            raise ValueError(
                f"stable_threshold={self.stable_threshold} must not exceed threshold={self.threshold}: what has just "
                "reached the threshold would count as lost; lower it, or leave it out to follow the threshold"
            )
        return self

    @property
    def stable_floor(self) -> float:
        """The accuracy below which what was sustained counts as lost."""
        return min(STABLE_THRESHOLD, self.threshold) if self.stable_threshold is None else self.stable_threshold
