"""Training: the loop, its schedule, sampler, optimisers, losses and checkpoints."""

import os

# OpenMP's threads spin while they wait for each other. Long spinning starves them where other work shares the cores,
# and going to sleep at once costs a small model the gain of its second thread; a short spin has neither fault. OpenMP
# reads this when torch is first loaded, so it stands before that.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
# cuBLAS gives the same sums in every run only with a workspace of fixed size, named before it is loaded.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

from grokcore.training.train import TrainResult, train_model

__all__ = ["TrainResult", "train_model"]
