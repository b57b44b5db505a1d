"""Training as a job of Kubeflow Trainer: a launcher that asks for it, follows it and collects what it leaves."""

from grokcore.cluster.trainjobs.launch import Launch, launch_training, shared_place
from grokcore.cluster.trainjobs.request import JobRequest

__all__ = ["JobRequest", "Launch", "launch_training", "shared_place"]
