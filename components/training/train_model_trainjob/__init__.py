from components.training.train_model_trainjob.component import train_model_trainjob

__all__ = ["train_model_trainjob"]
