"""Specs and trainers that start from the weights of another run."""

from __future__ import annotations

from pathlib import Path

import torch

from grokcore.data import open_dataset
from grokcore.models import load_model
from grokcore.spec import ExperimentSpec, load_spec, resolve
from grokcore.training.attempt import make_trainer
from grokcore.training.distributed.group import ALONE
from grokcore.training.source import read_source
from grokcore.training.trainer import Trainer

ALL = "model.start_from.parts=all"


def starting(source: object, *overrides: str) -> ExperimentSpec:
    return resolve(load_spec("smoke", [f"model.start_from.model={source}", *overrides]))


def trainer_of(spec: ExperimentSpec, data: Path) -> Trainer:
    dataset = open_dataset(data)
    source = read_source(spec, dataset)
    assert source is not None
    return make_trainer(spec, dataset, torch.device("cpu"), lambda line: None, ALONE, source.weights)


def embedding(run: Path) -> torch.Tensor:
    return dict(load_model(run / "model").named_parameters())["embedding.weight"].detach()
