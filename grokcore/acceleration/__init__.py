"""Formulas of methods that make training generalize sooner: pure functions on tensors."""
