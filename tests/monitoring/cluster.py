"""Series that rules and dashboards take from others: their names and labels, and a pod of ours in a running cluster.

From kube-state-metrics 2.15, the kubelet's cAdvisor of Kubernetes 1.30, Kueue 0.14 and the DCGM exporter 4.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily

POD = {"namespace": "lab", "pod": "train-1"}


@dataclass(frozen=True)
class Foreign:
    """A series of somebody else.

    Attributes:
        labels: with the values that a training pod of ours has.
        value: None for a counter, which grows with time.
    """

    name: str
    labels: dict[str, str]
    value: float | None = 1.0


_CONTAINER = {**POD, "container": "main"}
FOREIGN = (
    Foreign(
        "kube_pod_labels",
        {
            **POD,
            "label_app_kubernetes_io_part_of": "grokcore",
            "label_app_kubernetes_io_component": "training",
            "label_pipeline_runid": "5f0c",
        },
    ),
    Foreign("kube_pod_status_phase", {**POD, "phase": "Pending"}),
    Foreign("kube_pod_status_unschedulable", POD),
    Foreign(
        "kube_pod_container_resource_requests",
        {**_CONTAINER, "node": "", "resource": "nvidia_com_gpu", "unit": "integer"},
        8,
    ),
    Foreign(
        "kube_pod_container_resource_limits",
        {**_CONTAINER, "node": "", "resource": "memory", "unit": "byte"},
        2**34,
    ),
    Foreign("kube_pod_container_status_terminated_reason", {**_CONTAINER, "reason": "OOMKilled"}),
    Foreign("kube_pod_container_status_last_terminated_reason", {**_CONTAINER, "reason": "OOMKilled"}),
    Foreign("kube_pod_container_status_waiting_reason", {**_CONTAINER, "reason": "ImagePullBackOff"}),
    Foreign("container_cpu_usage_seconds_total", {**_CONTAINER, "image": "trainer"}, None),
    Foreign("container_memory_working_set_bytes", {**_CONTAINER, "image": "trainer"}, 2**33),
    Foreign("DCGM_FI_DEV_GPU_UTIL", {**_CONTAINER, "gpu": "0"}, 90),
    Foreign("DCGM_FI_DEV_FB_USED", {**_CONTAINER, "gpu": "0"}, 40_000),
    Foreign("kueue_pending_workloads", {"cluster_queue": "grokcore", "status": "active"}, 2),
    Foreign("kueue_admitted_active_workloads", {"cluster_queue": "grokcore"}, 1),
    Foreign(
        "grokking_pipeline_last_success_info",
        {"namespace": "lab", "pipeline": "scheduled-retraining", "schedule": "nightly", "run": "5f0c"},
    ),
    Foreign(
        "grokking_pipeline_last_success_timestamp_seconds",
        {"namespace": "lab", "pipeline": "scheduled-retraining", "schedule": "nightly"},
        None,
    ),
    Foreign(
        "grokking_pipeline_last_failure_timestamp_seconds",
        {"namespace": "lab", "pipeline": "scheduled-retraining", "schedule": "nightly"},
        None,
    ),
)
"""The last three are ours, but come from the Pushgateway."""


class _Cluster:
    def collect(self) -> Iterator[GaugeMetricFamily]:
        for series in FOREIGN:
            family = GaugeMetricFamily(series.name, "of somebody else", labels=list(series.labels))
            family.add_metric(list(series.labels.values()), time.time() if series.value is None else series.value)
            yield family


@contextmanager
def exporter() -> Iterator[str]:
    """Serve all of them, and yield HOST:PORT. Scrape it with honor_labels."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Cluster())
    server, thread = start_http_server(0, "127.0.0.1", registry)
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
