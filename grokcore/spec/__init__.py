"""The description of an experiment: pydantic models, presets, and the ids derived from them."""

from grokcore.spec.experiment import ExperimentSpec, dataset_id
from grokcore.spec.hardware import check_hardware, devices_here, resolve, resolve_device
from grokcore.spec.loading import load_spec, load_task, preset_names, read_spec
from grokcore.spec.models import (
    GLA,
    GPT2,
    RWKV,
    RWKV6,
    DeltaNet,
    LinearAttention,
    LLaMA,
    Mamba,
    Mamba2,
    ModelSpec,
    PluginModel,
    RetNet,
)
from grokcore.spec.overrides import split_overrides
from grokcore.spec.tasks import (
    ComparisonTask,
    ComplexReasoningTask,
    CompositionTask,
    InContextModularTask,
    InContextTask,
    ModularTask,
    NewEntities,
    NewFacts,
    PermutationsTask,
    PluginTask,
    Prompts,
    TaskSpec,
)
from grokcore.spec.training import EvaluationSpec, StopOnGrok, TrainingSpec
from grokcore.spec.validation import validate

__all__ = [
    "GLA",
    "GPT2",
    "RWKV",
    "RWKV6",
    "ComparisonTask",
    "ComplexReasoningTask",
    "CompositionTask",
    "DeltaNet",
    "EvaluationSpec",
    "ExperimentSpec",
    "InContextModularTask",
    "InContextTask",
    "LLaMA",
    "LinearAttention",
    "Mamba",
    "Mamba2",
    "ModelSpec",
    "ModularTask",
    "NewEntities",
    "NewFacts",
    "PermutationsTask",
    "PluginModel",
    "PluginTask",
    "Prompts",
    "RetNet",
    "StopOnGrok",
    "TaskSpec",
    "TrainingSpec",
    "check_hardware",
    "dataset_id",
    "devices_here",
    "load_spec",
    "load_task",
    "preset_names",
    "read_spec",
    "resolve",
    "resolve_device",
    "split_overrides",
    "validate",
]
