"""The registry of metrics: complete, and named as Prometheus wants names."""

from __future__ import annotations

import re

from grokcore.evaluation import phases
from grokcore.telemetry.metrics import BY_NAME, DEFINITIONS, METRICS, PHASES, SINKS

CONTRACT = """
run_info accuracy_ratio loss generalization_gap_ratio phase memorized_step onset_step sustained_step grokked step
max_steps train_steps_total train_examples_total step_duration_seconds weight_norm gradient_norm learning_rate
loss_scale optimizer_steps_skipped_total nonfinite_total checkpoint_duration_seconds checkpoint_bytes
checkpoint_failures_total last_checkpoint_timestamp_seconds last_step_timestamp_seconds resumes_total ended attempt
attempt_limit sink_failures_total unlikely_to_grok pipeline_last_success_timestamp_seconds
pipeline_last_failure_timestamp_seconds pipeline_last_success_info replica_accuracy_ratio
"""


def test_there_are_those_that_users_rely_on_and_no_others() -> None:
    assert sorted(BY_NAME) == sorted(f"grokking_{name}" for name in CONTRACT.split())
    assert len(BY_NAME) == len(METRICS)


def test_names_and_units_are_those_of_prometheus() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"grokking_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.name.endswith("_info") == (metric.kind == "info"), metric.name
        assert bool(metric.buckets) == (metric.kind == "histogram"), metric.name
        assert metric.buckets == tuple(sorted(set(metric.buckets)))
        assert metric.help.endswith("."), metric.name
        if metric.kind in ("counter", "histogram"):
            assert metric.over_seeds == "sum", f"a median of {metric.name} would fall when a seed joins"


def test_ids_are_labels_of_the_info_metric_alone() -> None:
    for metric in METRICS:
        bounded = {"split", "phase", "definition", "quantile", "sink", "namespace", "pipeline", "schedule"}
        assert metric.kind == "info" or set(metric.labels) <= bounded, metric.name


def test_label_values_are_those_that_the_code_uses() -> None:
    assert DEFINITIONS == phases.DEFINITIONS
    assert PHASES == ("memorized", "onset", "sustained", "collapsed")
    assert SINKS == ("journal", "prometheus", "terminal", "webhook", "mlflow", "tensorboard", "trainjob")
