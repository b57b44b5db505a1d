from pipelines.training.parameter_sweep.pipeline import parameter_sweep

__all__ = ["parameter_sweep"]
