"""Kubeflow pipelines: wiring only, with the compiled package beside each."""
