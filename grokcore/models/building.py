"""From a spec, or from files, to a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from grokcore.errors import InputError
from grokcore.models.accounting import resolved_layers
from grokcore.models.architecture import ATTENTION, TransformersModel
from grokcore.models.fast import FAST_ARCHITECTURES, FastModel
from grokcore.models.files import CONFIG, load_weights, one_line
from grokcore.models.hugging_face import HuggingFaceModel
from grokcore.models.registry import ARCHITECTURES
from grokcore.models.sequence_model import SequenceModel
from grokcore.spec.model import ModelSpec
from grokcore.storage import read_json


def build_model(
    spec: ModelSpec, *, vocabulary_size: int, sequence_length: int, seed: int, eos: int | None = None
) -> SequenceModel:
    """A new model on the CPU, in fp32; the same weights for the same arguments, whatever implements it.

    The caller's random numbers are neither read nor advanced, and nothing is fetched from the network.

    Args:
        vocabulary_size: number of tokens of the data set.
        sequence_length: longest row in tokens, answer and eos included: the number of positions.
        seed: of the weights; seeds the same generator in the same way for every architecture.
        eos: the token that ends an answer, recorded for those who generate with the saved model.
    """
    layout = ARCHITECTURES[spec.architecture].transformers
    configuration = {
        **layout.config(spec, resolved_layers(spec), sequence_length),
        "vocab_size": vocabulary_size,
        "tie_word_embeddings": spec.tie_embeddings,
        "use_cache": False,
        # Defaults name tokens of other vocabularies. A padding token would be left untrained in LLaMA's embedding,
        # and looked for on the device in every forward pass of GPT-2.
        "bos_token_id": None,
        "pad_token_id": None,
        "eos_token_id": eos,
    }
    with _isolated_random_numbers(seed):
        network = _construct(layout, configuration)
        if spec.init == "original":
            layout.initialise_original(network)
        return IMPLEMENTATIONS[spec.implementation](network)


def load_model(directory: Path, implementation: str = "fast") -> SequenceModel:
    """The model that `SequenceModel.save` wrote to `directory`, on the CPU.

    Reads config.json and model.safetensors alone: no pickle, no remote code, no network.

    Raises:
        InputError: a file is absent, damaged, or not of an architecture known here.
    """
    config_file = directory / CONFIG
    document = read_json(config_file)
    kind = document.get("model_type") if isinstance(document, dict) else None
    if kind not in ARCHITECTURES:
        raise InputError(f"{config_file}: model_type is {kind!r}; allowed are {', '.join(ARCHITECTURES)}")
    weights = load_weights(directory)
    try:
        with _isolated_random_numbers(seed=0):
            network = _construct(ARCHITECTURES[kind].transformers, document)
            _assign(network, weights)
            return IMPLEMENTATIONS[implementation](network)
    except Exception as error:  # whatever transformers makes of a wrong configuration
        raise InputError(f"{directory} holds no whole {kind} model ({one_line(error)}): save it again") from None


def _fast(network: Any) -> SequenceModel:
    """The same model, computed by us: drawn or loaded by transformers, so that a seed gives both the same weights."""
    model = FastModel(FAST_ARCHITECTURES[network.config.model_type], network.config)
    model.load_transformers(dict(network.named_parameters()))
    return model


def _hugging_face(network: Any) -> SequenceModel:
    return HuggingFaceModel(network, ARCHITECTURES[network.config.model_type].transformers)


IMPLEMENTATIONS: dict[str, Callable[[Any], SequenceModel]] = {"fast": _fast, "transformers": _hugging_face}
"""By the spec's `implementation`: from a network of transformers to a model."""


def _construct(layout: TransformersModel[Any], configuration: dict[str, Any]) -> Any:
    import transformers

    config_class, model_class = getattr(transformers, layout.config_class), getattr(transformers, layout.model_class)
    config = config_class.from_dict(configuration, attn_implementation=ATTENTION)
    config.architectures = [layout.model_class]
    with layout.construction(), torch.device("cpu"):
        return model_class(config)


def _assign(network: Any, weights: dict[str, torch.Tensor]) -> None:
    """Copy `weights` into `network`; tied parameters are stored once, under their first name."""
    stored = {name for name, _ in network.named_parameters()}
    if weights.keys() != stored:
        missing, unknown = sorted(stored - weights.keys()), sorted(weights.keys() - stored)
        raise ValueError(f"{len(missing)} parameters are missing and {len(unknown)} unknown: {(missing + unknown)[0]}")
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if weights[name].shape != parameter.shape:
                raise ValueError(f"{name} has the shape {list(weights[name].shape)}, not {list(parameter.shape)}")
            parameter.copy_(weights[name])


@contextmanager
def _isolated_random_numbers(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator inside the block and put it back after it; those of GPUs are not touched."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
