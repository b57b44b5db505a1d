"""Kubeflow Pipelines components: one folder each, thin typed wrappers around grokcore."""
