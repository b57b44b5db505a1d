"""What pods use: panels that several dashboards have."""

from __future__ import annotations

from collections.abc import Callable

from ci.monitoring.panels import Json, Query, curves

RUNNING = 'container!="", container!="POD"'
"""Leaves out cAdvisor's sums over a pod, and its sandbox."""


def usage(of: Callable[..., str]) -> list[Json]:
    """Return the panels of processors, memory, and GPUs.

    Args:
        of: (expression, operation = "sum") -> the expression for the dashboard's pods, one value for each.
    """
    return [
        curves(
            "CPU",
            "Cores in use, mean of 5 minutes.",
            Query(of(f"rate(container_cpu_usage_seconds_total{{{RUNNING}}}[5m])"), "{{pod}}"),
        ),
        curves(
            "Memory",
            "Working set, and the limit at which a pod is killed.",
            Query(of(f"container_memory_working_set_bytes{{{RUNNING}}}"), "{{pod}}"),
            Query(of('kube_pod_container_resource_limits{resource="memory"}'), "{{pod}}: limit"),
            unit="bytes",
        ),
        curves(
            "GPU utilization",
            "Share of time in which a kernel runs, mean over a pod's GPUs; from the DCGM exporter.",
            Query(of("DCGM_FI_DEV_GPU_UTIL / 100", "avg"), "{{pod}}"),
            share=True,
        ),
        curves(
            "GPU memory",
            "Sum over a pod's GPUs; from the DCGM exporter.",
            Query(of("DCGM_FI_DEV_FB_USED * 1024 * 1024"), "{{pod}}"),
            unit="bytes",
        ),
    ]
