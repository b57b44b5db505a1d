"""Kubeflow pipelines: wiring only; the compiled package lies beside each."""
