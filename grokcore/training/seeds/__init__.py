"""Train several seeds of one spec at once, each as an ordinary run."""

from grokcore.training.seeds.train import directory_of, train_seeds

__all__ = ["directory_of", "train_seeds"]
