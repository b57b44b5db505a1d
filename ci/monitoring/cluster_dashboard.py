"""Outcomes of pipelines, the queue, and what our pods ask for and use."""

from __future__ import annotations

from ci.monitoring.panels import Json, Query, curves, dashboard, rows, table, variable
from ci.monitoring.pods import usage

IN_NAMESPACE = '{namespace=~"$namespace"}'
OURS = f"* on (namespace, pod) group_left () max by (namespace, pod) (pod:kube_pod_labels:grokcore{IN_NAMESPACE})"
"""Joins series of pods to those that are ours."""


def of_schedule(series: str) -> str:
    return f"time() - max by (namespace, pipeline, schedule) ({series}{IN_NAMESPACE})"


def of_success(series: str) -> str:
    return f"max by (namespace, pipeline, schedule, run) ({series}{IN_NAMESPACE})"


def by_pod(expr: str, operation: str = "sum") -> str:
    return f"{operation} by (pod) (({expr}) {OURS})"


def dashboard_of_cluster() -> Json:
    used = usage(by_pod)
    panels = rows(
        (
            8,
            [
                table(
                    "Pipelines",
                    "Time since the last success and the last failure that its runs have pushed, per schedule.",
                    [
                        Query(of_schedule("grokking_pipeline_last_success_timestamp_seconds")),
                        Query(of_schedule("grokking_pipeline_last_failure_timestamp_seconds")),
                    ],
                    columns={"Value #A": "since success", "Value #B": "since failure"},
                    unit="s",
                ),
                table(
                    "Last successful runs",
                    "Ids of the Kubeflow runs that last succeeded, per schedule.",
                    [Query(of_success("grokking_pipeline_last_success_info"))],
                    columns={"Value": "succeeded"},
                ),
            ],
        ),
        (
            8,
            [
                curves(
                    "Pods by phase",
                    "Pods of tasks and TrainJobs.",
                    Query(f"sum by (phase) (kube_pod_status_phase {OURS})", "{{phase}}"),
                ),
                curves(
                    "GPUs requested by pods that no node can take",
                    "Empty while every pod is scheduled.",
                    Query(
                        by_pod(
                            'kube_pod_container_resource_requests{resource=~".+_com_(gpu|mig_.+)"} '
                            "and on (namespace, pod) kube_pod_status_unschedulable == 1"
                        ),
                        "{{pod}}",
                    ),
                ),
                curves(
                    "Jobs in the queue",
                    "Of Kueue's ClusterQueue grokcore.",
                    Query('sum by (status) (kueue_pending_workloads{cluster_queue="grokcore"})', "waiting: {{status}}"),
                    Query('sum (kueue_admitted_active_workloads{cluster_queue="grokcore"})', "running"),
                ),
            ],
        ),
        (9, used[:2]),
        (9, used[2:]),
    )
    variables = [
        variable("namespace", "Namespace", "label_values(pod:kube_pod_labels:grokcore, namespace)", several=True),
    ]
    return dashboard("grokcore-cluster", "grokcore: pipelines and pods", __doc__ or "", variables, panels)
