"""One number that outlives the pods of a pipeline: when it last ended well."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from http.client import HTTPException

from grokcore.telemetry.exposition import registry_of
from grokcore.telemetry.sinks import FAILURES

GATEWAY_VARIABLE = "GROKCORE_PUSHGATEWAY"
"""Address of a Pushgateway, as in pushgateway.monitoring:9091."""
PIPELINE_VARIABLE = "GROKCORE_PIPELINE"
"""The pipeline whose last task this is; set by the pipelines."""

METRIC = "grokking_pipeline_last_success_timestamp_seconds"

_TIMEOUT_SECONDS = 10.0


def push_success(notify: Callable[[str], None]) -> None:
    """Tell the Pushgateway, where the environment names one, that the pipeline has ended well just now.

    It takes the place of what the pipeline's last run has told. A pipeline that cannot tell has still ended well: that
    is a line for `notify`, and no error.
    """
    gateway, pipeline = os.environ.get(GATEWAY_VARIABLE), os.environ.get(PIPELINE_VARIABLE)
    if not gateway or not pipeline:
        return
    now = time.time()
    try:
        from prometheus_client import push_to_gateway

        registry = registry_of(lambda: {(METRIC, pipeline): now})
        push_to_gateway(
            gateway, job="grokcore", registry=registry, grouping_key={"pipeline": pipeline}, timeout=_TIMEOUT_SECONDS
        )
    except (OSError, ValueError, HTTPException, ModuleNotFoundError) as error:  # a bad address is one of them, too
        FAILURES.warn(
            "prometheus", f"the Pushgateway could not be told that {pipeline} has ended well: {error}", notify
        )
