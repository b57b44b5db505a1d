"""The whole pipeline on this machine, by Kubeflow Pipelines' local runner."""

from grokcore.local.compiled import compiled_pipeline
from grokcore.local.process import LocalPipeline

__all__ = ["LocalPipeline", "compiled_pipeline"]
