"""Runs beside each other, and architectures by the medians of their runs."""

from __future__ import annotations

from ci.monitoring.panels import Json, Query, curves, dashboard, rows, table, variable

NAMES = ("run", "spec", "architecture", "task", "seed")
OF_TASK = 'namespace=~"$namespace", task=~"$task", architecture=~"$architecture"'
RUNS = f"{{{OF_TASK}}}"
ON_SPLIT = f'{{{OF_TASK}, split="$split"}}'
LEGEND = "{{architecture}} {{spec}} seed {{seed}} ({{run}})"


def by_run(expr: str) -> str:
    """A metric of the processes that train the chosen runs, under the names of the runs."""
    return (
        f"max by ({', '.join(NAMES)}) ({expr} * on (job, instance, namespace, pod) "
        f"group_left ({', '.join(NAMES)}) pod:grokking_run_info:unique{RUNS})"
    )


def recorded(series: str, selector: str = RUNS) -> str:
    return f"max by ({', '.join(NAMES)}) ({series}{selector})"


def dashboard_of_runs() -> Json:
    sustained = 'grokking_sustained_step{split="$split", definition="sustained"}'
    panels = rows(
        (
            9,
            [
                table(
                    "Runs",
                    "What is trained now. A step is empty until it has come to that. The ratio says "
                    "how many times as late as the training set the split is sustained: 2 and more is called grokking.",
                    [
                        Query(recorded("run:grokking_step:max")),
                        Query(recorded("run:grokking_accuracy_ratio:max", ON_SPLIT)),
                        Query(by_run("grokking_memorized_step")),
                        Query(by_run(sustained)),
                        Query(f"{by_run(sustained)} / {by_run('grokking_memorized_step')}"),
                    ],
                    columns={
                        "Value #A": "step",
                        "Value #B": "accuracy",
                        "Value #C": "memorized at",
                        "Value #D": "sustained at",
                        "Value #E": "ratio",
                    },
                )
            ],
        ),
        (
            9,
            [
                curves(
                    "Median accuracy by architecture",
                    "Over the runs of an architecture that are trained now.",
                    Query(
                        "max by (architecture, task) (architecture:grokking_accuracy_ratio:median" + ON_SPLIT + ")",
                        "{{architecture}} on {{task}}",
                    ),
                    share=True,
                ),
                curves(
                    "Share of runs that have come to a phase",
                    "Of the runs of an architecture that are trained now.",
                    Query(
                        "max by (architecture, task, phase) (architecture:grokking_phase:avg" + ON_SPLIT + ")",
                        "{{architecture}} on {{task}}: {{phase}}",
                    ),
                    share=True,
                ),
            ],
        ),
        (
            10,
            [
                curves(
                    "Accuracy by run",
                    "Of the chosen split.",
                    Query(recorded("run:grokking_accuracy_ratio:max", ON_SPLIT), LEGEND),
                    share=True,
                ),
                curves(
                    "Generalization gap by run",
                    "Accuracy on the training set less that on the chosen split.",
                    Query(by_run('grokking_generalization_gap_ratio{split="$split"}'), LEGEND),
                    unit="percentunit",
                ),
            ],
        ),
        (
            8,
            [
                curves(
                    "Examples per second",
                    "Mean of 5 minutes.",
                    Query(recorded("run:grokking_train_examples:rate5m"), LEGEND),
                    log=True,
                ),
                curves(
                    "Steps per second",
                    "Mean of 5 minutes.",
                    Query(recorded("run:grokking_train_steps:rate5m"), LEGEND),
                    log=True,
                ),
                curves("Weight norm", "Of all weights.", Query(by_run("grokking_weight_norm"), LEGEND), log=True),
            ],
        ),
    )
    info = "pod:grokking_run_info:unique"
    variables = [
        variable("namespace", "Namespace", f"label_values({info}, namespace)", several=True),
        variable("task", "Task", f"label_values({info}, task)", several=True),
        variable("architecture", "Architecture", f"label_values({info}, architecture)", several=True),
        variable("split", "Split", 'label_values(run:grokking_accuracy_ratio:max{split!="train"}, split)'),
    ]
    return dashboard("grokcore-comparison", "grokcore: runs and architectures", __doc__ or "", variables, panels)
