"""The machine, its packages, and what `grokcore doctor` says of it."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

from ci.benchmarks import machine
from ci.gpuchecks.setting import Setting

PACKAGES = (
    *("torch", "transformers", "triton", "numpy", "safetensors", "pydantic", "pyarrow", "bokeh", "scipy", "pytest"),
    *("mamba-ssm", "causal-conv1d", "fla-core", "deepspeed"),
)


def describe(setting: Setting) -> None:
    import torch

    for package in PACKAGES:
        setting.add(what=package, found=_version(package))
    there = torch.cuda.is_available()
    for name, value in machine.facts("cuda" if there else "cpu").items():
        if name != "versions":
            setting.add(what=name, found=value)
    setting.add(what="CUDA of torch", found=torch.version.cuda)
    if there:
        properties = torch.cuda.get_device_properties(0)
        setting.add(
            what="driver", found=machine.first_line("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
        )
        setting.add(what="GPU memory bytes", found=properties.total_memory)
        setting.add(what="compute capability", found=f"{properties.major}.{properties.minor}")
    doctor = subprocess.run([sys.executable, "-m", "grokcore", "doctor"], capture_output=True, text=True, check=False)
    for line in doctor.stdout.splitlines():
        setting.add(what="grokcore doctor", found=line)
    if doctor.returncode:
        setting.problem(f"grokcore doctor ended with {doctor.returncode}: {doctor.stderr.strip()[-300:]}")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
