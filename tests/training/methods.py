"""Every method that makes training generalize sooner, as overrides of a spec: what holds for one holds for all."""

from __future__ import annotations

METHODS: dict[str, list[str]] = {
    "muon": ["training.optimizer=muon"],
    "momentum": ["training.optimizer=muon", "training.muon_iterations=0"],
    "lion": ["training.optimizer=lion", "training.learning_rate=3e-4"],
    "grokfast": ["training.gradient_filter=grokfast"],
    "grokfast with muon": ["training.gradient_filter=grokfast", "training.optimizer=muon"],
    "orthograd": ["training.gradient_filter=orthograd"],
    "normalize": ["training.gradient_filter=normalize"],
    "row norm": ["training.projection=row_norm", "training.projection_bound=0.2"],
    "row norm, norms too": [
        "training.projection=row_norm",
        "training.projection_bound=0.2",
        "training.projection_on=matrices_and_norms",
    ],
    "rates by role": ["training.learning_rate_of={embedding: .1, matrix: 2, vector: 0}"],
    "stablemax at a temperature": ["training.loss=stablemax", "training.loss_temperature=2"],
}
WHOLE = {"muon", "momentum", "grokfast with muon", "orthograd", "normalize", "row norm", "row norm, norms too"}
"""Those that need whole weights in one place."""
