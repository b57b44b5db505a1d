"""The thesis' own curves on comparison, read off its figures, for runs to stand beside.

Source: N. P. Kanaka, Comparative Investigation of Grokking in Transformers and Beyond, 2024, results at phi 12.6: one
run of 8 layers and width 768 for each architecture, at a constant learning rate. Readings by eye: accuracies are good
to about .01, steps to a tenth; of one that oscillates to the end, the middle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SOURCE = "N. P. Kanaka, Comparative Investigation of Grokking in Transformers and Beyond, 2024"
PRESET = "thesis"
"""The preset of its conditions."""


@dataclass(frozen=True)
class PublishedCurve:
    """Readings of one architecture.

    Attributes:
        memorized: step from which training accuracy is .99.
        on: what of the training set that is, where not the whole is shown.
        readings: by split, pairs of step and accuracy.
    """

    title: str
    memorized: int
    readings: Mapping[str, tuple[tuple[int, float], ...]]
    on: str = ""


CURVES: Mapping[str, PublishedCurve] = {
    "gpt2": PublishedCurve(
        "GPT-2",
        30_000,
        {
            "test_inferred_iid": ((10_000, 0.92), (37_000, 0.91), (200_000, 1.0)),
            "test_inferred_ood": (
                *((10_000, 0.87), (13_000, 0.88), (85_000, 0.80), (100_000, 0.82)),
                *((200_000, 0.93), (300_000, 0.975), (1_000_000, 0.99)),
            ),
        },
    ),
    "llama": PublishedCurve(
        "LLaMA",
        10_000,
        {
            "test_inferred_iid": ((10_000, 0.89), (100_000, 0.89), (1_450_000, 1.0)),
            "test_inferred_ood": ((100_000, 0.62), (1_200_000, 0.72), (1_600_000, 0.90), (3_000_000, 0.975)),
        },
    ),
    "rwkv": PublishedCurve(
        "RWKV",
        6_000,
        {"test_inferred_iid": ((820_000, 0.92),), "test_inferred_ood": ((200_000, 0.45), (820_000, 0.64))},
        on="atomic facts",
    ),
    "mamba": PublishedCurve(
        "Mamba",
        3_000,
        {"test_inferred_iid": ((1_500_000, 0.80),), "test_inferred_ood": ((180_000, 0.58), (1_500_000, 0.63))},
    ),
}
"""By `model.architecture`."""
