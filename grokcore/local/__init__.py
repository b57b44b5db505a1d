"""Run whole pipelines on this machine with Kubeflow Pipelines' local runner."""

from grokcore.local.pipeline import RUN_KEY, LocalExperiment, LocalPipeline, compiled_pipeline, pipeline_names

__all__ = ["RUN_KEY", "LocalExperiment", "LocalPipeline", "compiled_pipeline", "pipeline_names"]
