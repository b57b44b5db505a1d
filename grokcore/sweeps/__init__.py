"""Many experiments that differ in chosen fields: expanded, tuned, trained as one queue of work, and recorded."""

from grokcore.sweeps.expansion import Point, expand
from grokcore.sweeps.index import SweepIndex, read_index
from grokcore.sweeps.loading import load_sweep, sweep_names
from grokcore.sweeps.run import run_sweep
from grokcore.sweeps.spec import SweepSpec, TuningSpec

__all__ = [
    "Point",
    "SweepIndex",
    "SweepSpec",
    "TuningSpec",
    "expand",
    "load_sweep",
    "read_index",
    "run_sweep",
    "sweep_names",
]
