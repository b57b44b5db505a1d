"""From a spec, or from files, to a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from grokcore.errors import InputError
from grokcore.models.architecture import ATTENTION, TransformersModel
from grokcore.models.composition import Composition
from grokcore.models.fast import FAST_ARCHITECTURES, FastModel
from grokcore.models.files import COMPOSED, CONFIG, load_weights, one_line
from grokcore.models.hugging_face import HuggingFaceModel
from grokcore.models.matching import built_spec
from grokcore.models.own import loaded_model, new_model
from grokcore.models.registry import ARCHITECTURES
from grokcore.models.sequence_model import SequenceModel
from grokcore.spec.experiment import derived_seed
from grokcore.spec.model import ModelSpec
from grokcore.storage import read_json

_NO_DEFAULTS = {"use_cache": False, "bos_token_id": None, "pad_token_id": None}
"""Defaults of transformers name tokens of other vocabularies. A padding token would be left untrained in LLaMA's
embedding, and looked for on the device in every forward pass of GPT-2."""


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
    architecture, built = ARCHITECTURES[spec.architecture], built_spec(spec)
    configuration = {
        **architecture.weights.config(built, built.layers, sequence_length),
        "vocab_size": vocabulary_size,
        "tie_word_embeddings": spec.tie_embeddings,
        "eos_token_id": eos,
    }
    composition = Composition.of(spec).written()
    if composition:
        configuration["composition"] = {"blocks": built.layers, **composition}
    with _isolated_random_numbers(seed):
        layout = architecture.transformers
        if layout is None:
            model = new_model({**configuration, "model_type": spec.architecture}, spec.init)
        else:
            network = _construct(layout, configuration | _NO_DEFAULTS)
            if spec.init == "original":
                layout.initialise_original(network)
            if spec.implementation == "transformers":
                return _hugging_face(network)
            model = _fast(network, drawn=True)
        # Of its own, so that memory starts the same beside every architecture.
        torch.default_generator.manual_seed(derived_seed(seed, "composition"))
        model.initialise_composed()
        return model


def load_model(directory: Path, implementation: str = "fast") -> SequenceModel:
    """The model that `SequenceModel.save` wrote to `directory`, on the CPU.

    Reads config.json and model.safetensors alone: no pickle, no remote code, no network.

    Raises:
        InputError: a file is absent, damaged, or not of an architecture known here.
    """
    config_file = directory / CONFIG
    document = read_json(config_file)
    kind = document.get("model_type") if isinstance(document, dict) else None
    composed = kind == COMPOSED
    if composed:
        kind = document.get("architecture")
    if kind not in ARCHITECTURES:
        raise InputError(f"{config_file}: model_type is {kind!r}; allowed are {', '.join(ARCHITECTURES)}")
    layout = ARCHITECTURES[kind].transformers
    if (layout is None or composed) and implementation != "fast":
        what = f"a composed {kind}" if composed else f"a model of {kind}"
        raise InputError(f"{directory} holds {what}, which transformers does not know: load it as fast")
    weights = load_weights(directory)
    try:
        with _isolated_random_numbers(seed=0):
            if layout is None:
                return loaded_model(document, weights)
            if composed:
                return _composed(layout, {**_with_infinities(document), "model_type": kind}, weights)
            network = _construct(layout, _with_infinities(document))
            _assign(network, weights)
            return IMPLEMENTATIONS[implementation](network)
    except Exception as error:  # whatever transformers makes of a wrong configuration
        raise InputError(f"{directory} holds no whole {kind} model ({one_line(error)}): save it again") from None


def _fast(network: Any, *, drawn: bool = False) -> FastModel:
    """The same model, computed by us: drawn or loaded by transformers, so that a seed gives both the same weights."""
    model = FastModel(FAST_ARCHITECTURES[network.config.model_type], network.config)
    model.load_transformers(dict(network.named_parameters()), drawn=drawn)
    return model


def _composed(layout: TransformersModel[Any], document: dict[str, Any], weights: dict[str, torch.Tensor]) -> FastModel:
    """A model that transformers does not have, of blocks that it has."""
    config = _configuration(layout, document)
    model = FastModel(FAST_ARCHITECTURES[config.model_type], config)
    model.load_transformers(weights)
    return model


def _hugging_face(network: Any) -> SequenceModel:
    layout = ARCHITECTURES[network.config.model_type].transformers
    if layout is None:
        raise ValueError(
            f"{network.config.model_type} is a model of transformers that the registry does not know as one"
        )
    return HuggingFaceModel(network, layout)


IMPLEMENTATIONS: dict[str, Callable[[Any], SequenceModel]] = {"fast": _fast, "transformers": _hugging_face}
"""By the spec's `implementation`: from a network of transformers to a model."""


def _construct(layout: TransformersModel[Any], configuration: dict[str, Any]) -> Any:
    import transformers

    model_class = getattr(transformers, layout.model_class)
    with layout.construction(), torch.device("cpu"):
        return model_class(_configuration(layout, configuration))


def _configuration(layout: TransformersModel[Any], fields: dict[str, Any]) -> Any:
    import transformers

    config = getattr(transformers, layout.config_class).from_dict(fields, attn_implementation=ATTENTION)
    config.architectures = [layout.model_class]
    return config


def _with_infinities(value: Any) -> Any:
    """What config.json holds, with numbers in place of the objects that transformers writes for infinite ones."""
    if isinstance(value, dict):
        if value.keys() == {"__float__"}:
            return float(value["__float__"])
        return {name: _with_infinities(item) for name, item in value.items()}
    return [_with_infinities(item) for item in value] if isinstance(value, list) else value


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
