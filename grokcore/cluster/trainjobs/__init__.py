"""Train in a TrainJob of Kubeflow Trainer: create the job, follow it, collect its result."""

from grokcore.cluster.trainjobs.launch import Launch, launch_training, shared_place
from grokcore.cluster.trainjobs.request import JobRequest

__all__ = ["JobRequest", "Launch", "launch_training", "shared_place"]
