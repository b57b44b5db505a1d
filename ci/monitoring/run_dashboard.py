"""One run, from its first step to the moment that it is watched for."""

from __future__ import annotations

from ci.monitoring.panels import Json, Query, curves, dashboard, number, over_steps, rows, table, timeline, variable
from ci.monitoring.pods import usage

RUN = '{namespace=~"$namespace", run="$run"}'
"""Selects the run in series that carry its names: those that rules have recorded."""

PHASES = ((0, "not yet", "#5a5a5a"), (1, "begun", "#3274d9"))


def of_run(expr: str, *labels: str) -> str:
    """A metric of the process that trains the run, one series for each set of `labels`."""
    by = f" by ({', '.join(labels)})" if labels else ""
    return f"max{by} ({expr} * on (job, instance, namespace, pod) group_left () pod:grokking_run_info:unique{RUN})"


def recorded(series: str, *labels: str, operation: str = "max") -> str:
    by = f" by ({', '.join(labels)})" if labels else ""
    return f"{operation}{by} ({series}{RUN})"


def of_pods(expr: str, operation: str = "sum") -> str:
    """A series of the cluster about the pods that train the run."""
    pods = f"max by (namespace, pod) (pod:grokking_run_info:unique{RUN})"
    return f"{operation} by (pod) (({expr}) * on (namespace, pod) group_left () {pods})"


def quantile(q: float, histogram: str) -> str:
    return f"histogram_quantile({q}, {of_run(f'rate({histogram}_bucket[5m])', 'le')})"


def dashboard_of_run() -> Json:
    step, accuracy = recorded("run:grokking_step:max"), recorded("run:grokking_accuracy_ratio:max", "split")
    steps_per_second = recorded("run:grokking_train_steps:rate5m")
    left = f"({of_run('grokking_max_steps')} - {step}) / ({steps_per_second} > 0)"
    unsaved = recorded("pod:grokking_unsaved_seconds:max")
    by_split = "{{split}}"
    panels = rows(
        (
            4,
            [
                number("Step", "Optimizer steps, those of earlier attempts included.", Query(step), unit="locale"),
                number("Time left", "Until the last step of the budget, at the present rate.", Query(left), unit="s"),
                number("Steps per second", "Mean of the last 5 minutes.", Query(steps_per_second), decimals=1),
                number("Attempt", "1 for the first.", Query(of_run("grokking_attempt"))),
                number("Not saved", "Training that would be lost now.", Query(unsaved), unit="s"),
                number(
                    "Unlikely to grok",
                    "1 while no held-out split gives a sign; a hint, not a verdict.",
                    Query(of_run("grokking_unlikely_to_grok")),
                ),
            ],
        ),
        (
            10,
            [
                over_steps(
                    "Accuracy over steps",
                    "Share of correct answers per split. The axis is logarithmic: grokking is late by a factor.",
                    Query(f"clamp_min({step}, 1)", "step"),
                    Query(accuracy, by_split),
                ),
                curves(
                    "Accuracy over time", "Share of correct answers per split.", Query(accuracy, by_split), share=True
                ),
            ],
        ),
        (
            6,
            [
                timeline(
                    "Phases",
                    "Memorized of the training set; onset, sustained and collapsed of each held-out split.",
                    Query(recorded("run:grokking_phase:max", "split", "phase"), "{{split}}: {{phase}}"),
                    PHASES,
                )
            ],
        ),
        (
            6,
            [
                table(
                    "Steps at which it happened",
                    "Empty until then. Verdicts use the definition sustained.",
                    [
                        Query(of_run("grokking_memorized_step")),
                        Query(of_run("grokking_onset_step", "split")),
                        Query(of_run("grokking_sustained_step", "split", "definition")),
                    ],
                    columns={"Value #A": "memorized", "Value #B": "onset", "Value #C": "sustained"},
                )
            ],
        ),
        (
            8,
            [
                curves(
                    "Loss", "Mean cross-entropy, nats.", Query(of_run("grokking_loss", "split"), by_split), log=True
                ),
                curves(
                    "Generalization gap",
                    "Accuracy on the training set less that on a held-out split.",
                    Query(of_run("grokking_generalization_gap_ratio", "split"), by_split),
                    unit="percentunit",
                ),
                curves(
                    "Spread over seeds",
                    "Lowest, median and highest accuracy where one process trains several seeds.",
                    Query(of_run("grokking_replica_accuracy_ratio", "split", "quantile"), "{{split}} {{quantile}}"),
                    share=True,
                ),
            ],
        ),
        (
            8,
            [
                curves(
                    "Weight norm", "Euclidean norm of all weights.", Query(of_run("grokking_weight_norm"), "weights")
                ),
                curves(
                    "Gradient norm",
                    "Euclidean norm before clipping.",
                    Query(of_run("grokking_gradient_norm"), "gradient"),
                    log=True,
                ),
                curves("Learning rate", "Of the last evaluation.", Query(of_run("grokking_learning_rate"), "rate")),
            ],
        ),
        (
            8,
            [
                curves(
                    "Throughput",
                    "Mean of 5 minutes, of all seeds.",
                    Query(steps_per_second, "steps/s"),
                    Query(recorded("run:grokking_train_examples:rate5m"), "examples/s"),
                    log=True,
                ),
                curves(
                    "Time of a step",
                    "Median and the slowest of a hundred.",
                    Query(quantile(0.5, "grokking_step_duration_seconds"), "median"),
                    Query(quantile(0.99, "grokking_step_duration_seconds"), "99 %"),
                    unit="s",
                    log=True,
                ),
                curves(
                    "Numbers that are not finite",
                    "Losses and weights that evaluations found, steps that were left out, and fp16's loss scale.",
                    Query(of_run("increase(grokking_nonfinite_total[5m])"), "not finite"),
                    Query(of_run("increase(grokking_optimizer_steps_skipped_total[5m])"), "steps left out"),
                    Query(of_run("grokking_loss_scale"), "loss scale"),
                ),
            ],
        ),
        (
            8,
            [
                curves(
                    "Training that is not saved",
                    "Falls to nothing with every checkpoint.",
                    Query(unsaved, "not saved"),
                    unit="s",
                ),
                curves(
                    "Checkpoints: time",
                    "In the background, uploads included.",
                    Query(quantile(0.5, "grokking_checkpoint_duration_seconds"), "median"),
                    Query(quantile(0.99, "grokking_checkpoint_duration_seconds"), "99 %"),
                    unit="s",
                ),
                curves(
                    "Checkpoints: size",
                    "Of the last one.",
                    Query(of_run("grokking_checkpoint_bytes"), "size"),
                    unit="bytes",
                ),
                curves(
                    "What went wrong",
                    "Since the process began.",
                    Query(of_run("grokking_checkpoint_failures_total"), "saves that failed"),
                    Query(of_run("grokking_resumes_total"), "resumes"),
                    Query(of_run("grokking_sink_failures_total", "sink"), "untold: {{sink}}"),
                ),
            ],
        ),
        (8, usage(of_pods)),
    )
    variables = [
        variable("namespace", "Namespace", "label_values(pod:grokking_run_info:unique, namespace)", several=True),
        variable("run", "Run", 'label_values(pod:grokking_run_info:unique{namespace=~"$namespace"}, run)'),
    ]
    return dashboard("grokcore-run", "grokcore: a run", __doc__ or "", variables, panels)
