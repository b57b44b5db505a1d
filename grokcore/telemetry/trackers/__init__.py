"""Trackers that people look at anyway: MLflow and TensorBoard get what the journal holds, while a run trains or later.

The journal stays the truth. A tracker that is away, slow or refuses is one warning and a count; training goes on.
"""
