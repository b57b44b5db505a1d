"""A model's files: config.json and model.safetensors, in the format of transformers. No pickle, no remote code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from grokcore.errors import InputError, TransientError
from grokcore.runs.seal import check_model_of_run
from grokcore.storage import clear_errors, read_json, write_json
from grokcore.storage.temporary import take_usual_mode

CONFIG, WEIGHTS = "config.json", "model.safetensors"
COMPOSED = "grokcore"
"""The `model_type` of blocks that are composed to a model which transformers does not have."""


def save_model(directory: Path, config: Any, weights: Mapping[str, Tensor]) -> None:
    """Write a model that `AutoModelForCausalLM.from_pretrained` reads, or one of ours that only `load_model` does.

    Args:
        config: transformers' configuration, whose `architectures` names the class; or our own.
        weights: by the names of transformers, tied ones once.

    Raises:
        InputError: the directory cannot be written, or the disk is full.
    """
    from transformers import GenerationConfig, PretrainedConfig

    with clear_errors("write", directory):
        directory.mkdir(parents=True, exist_ok=True)
        try:
            stored = {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}
            safetensors.torch.save_file(stored, directory / WEIGHTS, metadata={"format": "pt"})
            take_usual_mode(directory / WEIGHTS)
            config.save_pretrained(directory)
            if isinstance(config, PretrainedConfig):
                # One answer, the most likely token: what `pipeline` and `generate` do by themselves with such a folder.
                GenerationConfig(
                    do_sample=False, max_new_tokens=1, eos_token_id=config.eos_token_id, use_cache=False
                ).save_pretrained(directory)
        except SafetensorError as error:
            raise TransientError(
                f"cannot write {directory}: {error}; free some space or choose another place"
            ) from None


def save_composed(directory: Path, config: Any, weights: Mapping[str, Tensor]) -> None:
    """Write blocks of transformers that are composed to a model which transformers has not.

    `AutoModelForCausalLM` refuses it, since it would leave out the composition; `load_model` reads it.

    Args:
        config: transformers' configuration of the blocks, with their `composition`.
        weights: of the blocks by the names of transformers, the others by ours.

    Raises:
        InputError: the directory cannot be written, or the disk is full.
    """
    save_model(directory, config, weights)
    with clear_errors("write", directory):
        fields = read_json(directory / CONFIG)
        fields |= {"model_type": COMPOSED, "architecture": config.model_type, "architectures": None}
        write_json(directory / CONFIG, fields)


def load_weights(directory: Path) -> dict[str, Tensor]:
    """The weights of `directory`, on the CPU, by the names of transformers.

    Raises:
        InputError: the file is absent or damaged, or, in a run, not the one that its training wrote.
    """
    file = directory / WEIGHTS
    check_model_of_run(directory, (CONFIG, WEIGHTS))
    if not file.exists():
        raise InputError(f"{file} is absent: save the model again")
    try:
        with clear_errors("read", file):
            weights: dict[str, Tensor] = safetensors.torch.load_file(file)
    except SafetensorError as error:
        raise InputError(f"{file} is damaged ({one_line(error)}): save the model again") from None
    return weights


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
