"""Whole pipelines on this machine, by Kubeflow Pipelines' local runner."""

from grokcore.local.compiled import compiled_pipeline, pipeline_names
from grokcore.local.experiment import LocalExperiment
from grokcore.local.process import RUN_KEY, LocalPipeline

__all__ = ["RUN_KEY", "LocalExperiment", "LocalPipeline", "compiled_pipeline", "pipeline_names"]
