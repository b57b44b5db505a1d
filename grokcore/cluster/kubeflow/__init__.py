"""Compiled pipelines on Kubeflow Pipelines: compile, upload, submit, wait, schedule."""
