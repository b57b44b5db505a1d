"""The registry of all Prometheus metrics: names, meanings, labels, and how values of several seeds are combined.

Plain data, so that dashboards, rules and alerts can be checked against it. Units are base units, as the names say;
steps are optimizer steps. Only `grokking_run_info` has the run's ids: a label of unlimited values would make a time
series of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["gauge", "counter", "histogram", "summary", "info"]

OverSeeds = Literal["median", "half", "latest", "most", "least", "sum", "agreed"]
"""How the values of several seeds in one process are combined:

median; half: the flag or step that at least half of the seeds have reached; latest, most: the largest; least: the
smallest; sum; agreed: the value that all have, or `several`.
"""

SPLIT, PHASE, DEFINITION, QUANTILE, SINK = "split", "phase", "definition", "quantile", "sink"

PUSH_GROUP = ("namespace", "pipeline", "schedule")
"""Labels of what pipelines push. Two schedules of one pipeline differ in `schedule`, which is empty for other runs."""

PHASES = ("memorized", "onset", "sustained", "collapsed")
"""Values of the label `phase`: `memorized` is one of the split `train`, the others of held-out splits."""
DEFINITIONS = ("first_crossing", "sustained", "stable")
"""Values of the label `definition`."""
QUANTILES = (0.0, 0.5, 1.0)
"""Values of the label `quantile`, as Prometheus writes them: 0, 0.5 and 1."""
Sink = Literal["journal", "prometheus", "terminal", "webhook", "mlflow", "tensorboard", "trainjob"]
SINKS: tuple[Sink, ...] = get_args(Sink)
"""Values of the label `sink`."""

STEP_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""From a small model on a GPU to a large one on a CPU."""
CHECKPOINT_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""From a small model on a disk to a large one on distant object storage."""


@dataclass(frozen=True)
class Metric:
    """
    Attributes:
        name: as exposed; that of a counter ends in _total, that of an info metric in _info.
        help: meaning, unit where the name has none, and when it has no value.
        labels: names of its labels.
        over_seeds: how the values of several seeds are combined.
        buckets: upper bounds of a histogram's buckets, ascending, without +Inf.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    over_seeds: OverSeeds = "median"
    buckets: tuple[float, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its time series in queries."""
        if self.kind == "histogram":
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)


METRICS: tuple[Metric, ...] = (
    Metric(
        "grokking_run_info",
        "info",
        "The run: its id, the name of its spec, architecture, task, seed, and which attempt at it this is.",
        ("run", "spec", "architecture", "task", "seed", "attempt"),
        over_seeds="agreed",
    ),
    Metric("grokking_accuracy_ratio", "gauge", "Share of correct answers at the last evaluation, 0 to 1.", (SPLIT,)),
    Metric("grokking_loss", "gauge", "Mean cross-entropy at the last evaluation, in nats.", (SPLIT,)),
    Metric(
        "grokking_generalization_gap_ratio",
        "gauge",
        "Accuracy on the training set less that on a held-out split, at the last evaluation.",
        (SPLIT,),
    ),
    Metric(
        "grokking_replica_accuracy_ratio",
        "summary",
        "Share of correct answers over the seeds that are trained together: lowest (0), median (0.5), highest (1).",
        (SPLIT, QUANTILE),
    ),
    Metric(
        "grokking_phase",
        "gauge",
        "1 once a phase has begun, 0 before: memorized of the training set; onset, sustained, collapsed of a held-out "
        "split.",
        (SPLIT, PHASE),
        over_seeds="half",
    ),
    Metric(
        "grokking_memorized_step",
        "gauge",
        "Step at which the training set was memorized; NaN until then.",
        over_seeds="half",
    ),
    Metric(
        "grokking_onset_step",
        "gauge",
        "Step at which generalization to a held-out split set in; NaN until then.",
        (SPLIT,),
        over_seeds="half",
    ),
    Metric(
        "grokking_sustained_step",
        "gauge",
        "Step from which a held-out split holds the threshold, by three definitions; NaN until then. Phases and "
        "verdicts use sustained.",
        (SPLIT, DEFINITION),
        over_seeds="half",
    ),
    Metric(
        "grokking_grokked",
        "gauge",
        "1 while the verdict on a held-out split is grokked (sustained, at least evaluation.delay times as late as "
        "memorized, and not collapsed), 0 otherwise.",
        (SPLIT,),
        over_seeds="half",
    ),
    Metric(
        "grokking_unlikely_to_grok",
        "gauge",
        "1 while none of the held-out splits that are not sustained gives a sign that it will grok, 0 otherwise.",
        over_seeds="half",
    ),
    Metric("grokking_step", "gauge", "Optimizer steps taken, those of earlier attempts included."),
    Metric("grokking_max_steps", "gauge", "Optimizer steps after which training ends."),
    Metric("grokking_train_steps_total", "counter", "Optimizer steps taken by this process, of all seeds.", (), "sum"),
    Metric("grokking_train_examples_total", "counter", "Examples trained on by this process, of all seeds.", (), "sum"),
    Metric(
        "grokking_step_duration_seconds",
        "histogram",
        "Time of an optimizer step; on a GPU, which runs asynchronously, the mean since the last evaluation.",
        (),
        "sum",
        STEP_SECONDS,
    ),
    Metric("grokking_last_step_timestamp_seconds", "gauge", "When the last optimizer step ended.", (), "latest"),
    Metric("grokking_weight_norm", "gauge", "Euclidean norm of all weights at the last evaluation."),
    Metric(
        "grokking_gradient_norm", "gauge", "Euclidean norm of the gradient, before clipping, at the last evaluation."
    ),
    Metric("grokking_learning_rate", "gauge", "Learning rate at the last evaluation."),
    Metric("grokking_loss_scale", "gauge", "Factor of the loss in fp16; exposed in fp16 alone."),
    Metric(
        "grokking_optimizer_steps_skipped_total",
        "counter",
        "Steps skipped because the gradient was not finite, counted at evaluations of this process.",
        (),
        "sum",
    ),
    Metric(
        "grokking_nonfinite_total",
        "counter",
        "Losses and weight norms that were not finite at evaluations of this process.",
        (),
        "sum",
    ),
    Metric(
        "grokking_checkpoint_duration_seconds",
        "histogram",
        "Time that saving a checkpoint took in the background, uploads included, failed saves too.",
        (),
        "sum",
        CHECKPOINT_SECONDS,
    ),
    Metric("grokking_checkpoint_bytes", "gauge", "Size of the last checkpoint."),
    Metric("grokking_checkpoint_failures_total", "counter", "Checkpoints that could not be saved.", (), "sum"),
    Metric(
        "grokking_last_checkpoint_timestamp_seconds",
        "gauge",
        "When the last checkpoint of this process was complete; absent before the first.",
        (),
        "latest",
    ),
    Metric("grokking_resumes_total", "counter", "Times that training has gone on from a checkpoint.", (), "sum"),
    Metric(
        "grokking_ended",
        "gauge",
        "1 once training has ended by itself, 0 while it goes on: a process that goes with 0 was lost or stopped.",
        (),
        "least",
    ),
    Metric("grokking_attempt", "gauge", "Which attempt this is, 1 for the first.", (), "most"),
    Metric("grokking_attempt_limit", "gauge", "Attempts that will be made; exposed only where known.", (), "most"),
    Metric(
        "grokking_sink_failures_total",
        "counter",
        "Failures of a sink: the journal, Prometheus, the terminal, the webhook, a tracker or a TrainJob's status.",
        (SINK,),
        "sum",
    ),
    Metric(
        "grokking_pipeline_last_success_timestamp_seconds",
        "gauge",
        "When a pipeline last succeeded; pushed once by each of its runs.",
        PUSH_GROUP,
        "latest",
    ),
    Metric(
        "grokking_pipeline_last_failure_timestamp_seconds",
        "gauge",
        "When a run of a pipeline last ended without success; pushed by its exit task.",
        PUSH_GROUP,
        "latest",
    ),
    Metric(
        "grokking_pipeline_last_success_info",
        "info",
        "The Kubeflow run of a pipeline that succeeded last.",
        (*PUSH_GROUP, "run"),
        over_seeds="agreed",
    ),
)

BY_NAME = {metric.name: metric for metric in METRICS}
