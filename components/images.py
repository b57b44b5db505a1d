"""The images that components run in: the one place that names them.

Both carry grokcore of the same version. A release sets the environment variables while it compiles, to point at a
mirror of the registry or to pin an image by its digest; Kubeflow's cache goes by the image's name, so a name must
never change its content: no `latest`.
"""

import os

import grokcore

REGISTRY = os.environ.get("GROKCORE_REGISTRY", "ghcr.io/grokcore")

RUNTIME = os.environ.get("GROKCORE_RUNTIME_IMAGE", f"{REGISTRY}/grokcore-runtime:{grokcore.__version__}")
"""For a CPU: specs, data, evaluations and reports, and training where there is no GPU, on torch's CPU build."""

TRAINER = os.environ.get("GROKCORE_TRAINER_IMAGE", f"{REGISTRY}/grokcore-trainer:{grokcore.__version__}")
"""For GPUs, and several times as large: torch with CUDA, DeepSpeed and mamba-ssm, for what may be placed on one."""
