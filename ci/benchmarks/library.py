"""The library's own training step: what `grokcore train` runs between two evaluations, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ci.benchmarks.work import Work
from grokcore.data import Dataset, open_dataset
from grokcore.data.supervision import longest_row
from grokcore.models import build_model, execution_choices, parameter_count
from grokcore.spec import ExperimentSpec
from grokcore.training.distributed.group import ALONE, group_of_processes
from grokcore.training.loop import reproducible
from grokcore.training.trainer import Trainer


@contextmanager
def library(
    spec: ExperimentSpec, data: Path, device: torch.device, *, share_prefixes: bool = True, attention: str | None = None
) -> Iterator[Library]:
    """A trainer under the settings that `train_model` gives it.

    Args:
        share_prefixes: False hides from the trainer that the task declares prefixes.
        attention: what transformers computes attention with, where that is not the library's choice.
    """
    dataset = open_dataset(data, expected_id=spec.dataset_id)
    if not share_prefixes:
        dataset = replace(dataset, info=dataset.info.model_copy(update={"prefixes": ()}))
    with reproducible(spec.order_seed, device, spec.training.threads):
        yield Library(spec, dataset, device, attention)


class Library:
    """A trainer as `train_model` makes it, stepped from outside.

    Attributes:
        trainer: what `step` changes.
    """

    def __init__(self, spec: ExperimentSpec, dataset: Dataset, device: torch.device, attention: str | None) -> None:
        sizes = {
            "vocabulary_size": dataset.info.vocabulary_size,
            "sequence_length": longest_row(dataset.info.sequence_length),
        }
        model = build_model(spec.model, **sizes, seed=spec.init_seed, eos=dataset.info.eos)
        if attention is not None:
            network: Any = model.network
            network.set_attn_implementation(attention)
        self.trainer = Trainer(
            spec,
            dataset,
            model,
            device=device,
            group=group_of_processes() if spec.training.engine == "deepspeed" else ALONE,
        )
        expected = parameter_count(spec.model, **sizes)
        self._outside_blocks = expected.total - expected.without_embeddings
        self.step = self.trainer.take_step
        self.execution = {
            "prefix_sharing": self.trainer.examples.prefix_sharing,
            **execution_choices(spec.model, device.type),
            **({} if attention is None else {"attention": attention}),
        }

    def work(self) -> Work:
        trainer = self.trainer
        batch = trainer.examples[trainer.sampler(trainer.state.step - 1)]
        norm = trainer.state.gradient_norm.item()
        return Work(
            examples=len(batch.targets),
            supervised_tokens=batch.targets.numel(),
            block_parameters=sum(parameter.numel() for parameter in trainer.parameters) - self._outside_blocks,
            gradient_norm=norm if math.isfinite(norm) else None,  # in fp16 the first steps overflow and are skipped
        )
