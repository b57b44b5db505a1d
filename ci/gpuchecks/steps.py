"""The same optimizer steps as a CUDA graph, by single kernels and on a CPU; in fp16, bf16 and fp32."""

from __future__ import annotations

from collections.abc import Sequence

from ci.gpuchecks.setting import Setting
from ci.gpuchecks.trajectories import Trajectory, are_equal, distance, finite, trajectory
from grokcore.models import ARCHITECTURES
from grokcore.spec import ExperimentSpec, load_spec

STEPS = 12
"""More than the warm-ups before a step is recorded, so that most of them are replays."""
FAR_FROM_CPU = 1e-2
"""Relative distance in fp32 that another order of summation does not explain after so few steps."""
FAR_FROM_FP32 = 0.1


def compare_executions(setting: Setting) -> None:
    """Graph against single kernels, which must be equal bit for bit, and single kernels against a CPU."""
    for architecture in ARCHITECTURES:
        for precision in ("fp32", "bf16"):
            eager = _steps(setting, architecture, precision, ["training.cuda_graph=false"])
            graph = _steps(setting, architecture, precision, ["training.cuda_graph=true"])
            equal, of_cpu = are_equal(graph.tensors, eager.tensors), None
            if precision == "fp32":
                cpu = _steps(setting, architecture, precision, [], device="cpu")
                of_cpu = distance(eager.weights, cpu.weights)
                _check(setting, f"{architecture}: a CPU", of_cpu, FAR_FROM_CPU)
            setting.add(
                architecture=architecture,
                precision=precision,
                graph=graph.graph or "absent: a CPU has no CUDA graphs",
                equal=equal,
                distance_of_graph=distance(graph.weights, eager.weights),
                distance_of_cpu=of_cpu,
            )
            if not equal:
                setting.problem(f"{architecture} in {precision}: the graph does not equal single kernels")
            if graph.graph is not None and graph.graph != "on":
                setting.problem(f"{architecture} in {precision}: no CUDA graph: {graph.graph}")


def compare_precisions(setting: Setting) -> None:
    """Steps in half precision against those in fp32, on the same device."""
    for architecture in ARCHITECTURES:
        exact = _steps(setting, architecture, "fp32", [])
        for precision in ("bf16", "fp16"):
            half = _steps(setting, architecture, precision, [])
            far = distance(half.weights, exact.weights)
            setting.add(
                architecture=architecture,
                precision=precision,
                distance_of_weights=far,
                gradient_norm=finite(half.gradient_norm),
                gradient_norm_in_fp32=finite(exact.gradient_norm),
                steps_skipped=int(half.tensors["steps_skipped"]),
            )
            _check(setting, f"{architecture}: {precision}", far, FAR_FROM_FP32)


def _check(setting: Setting, what: str, far: float | None, most: float) -> None:
    if far is None or far > most:
        setting.problem(f"{what} is {'not finite' if far is None else f'{far:.2g} away'}, more than {most:g}")


def _steps(
    setting: Setting, architecture: str, precision: str, overrides: Sequence[str], *, device: str | None = None
) -> Trajectory:
    device = device or setting.device
    spec = small_spec(architecture, f"training.device={device}", f"training.precision={precision}", *overrides)
    return trajectory(spec, setting.work / "smoke", device, 4 if setting.rehearse else STEPS)


def small_spec(architecture: str, *overrides: str) -> ExperimentSpec:
    """Return the spec of two small blocks of an architecture, with the task of `smoke`."""
    return load_spec("smoke", [f"model.architecture={architecture}", "model.layers=2", *overrides])
