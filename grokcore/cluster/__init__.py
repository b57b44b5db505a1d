"""Pipelines and jobs on a cluster. What talks to one is imported inside functions, so that grokcore stays light."""
