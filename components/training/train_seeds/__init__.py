from components.training.train_seeds.component import train_seeds

__all__ = ["train_seeds"]
