from components.training.resolve_sweep.component import resolve_sweep

__all__ = ["resolve_sweep"]
