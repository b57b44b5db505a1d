"""Sweeps that come with grokcore, as YAML files."""
