"""Kernels for the CPU, in C; each has a twin in torch that computes wherever it does not."""

from grokcore.models.fast.kernels.library import (
    Kernels,
    inside_transform,
    kernel_choice,
    kernel_facts,
    kernels_for,
)

__all__ = ["Kernels", "inside_transform", "kernel_choice", "kernel_facts", "kernels_for"]
