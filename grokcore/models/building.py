"""Build models from specs, and load them from files.

Architectures that transformers does not know have files of their own, marked by `"format": "grokcore"` in config.json,
which `load_model` reads and `AutoModelForCausalLM` does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from grokcore.errors import InputError, error_of_the_machine
from grokcore.models.architecture import TransformersModel
from grokcore.models.composition import Composition
from grokcore.models.configuration import NO_DEFAULTS, checked_fields, transformers_config
from grokcore.models.fast import FAST_ARCHITECTURES, FastModel
from grokcore.models.files import COMPOSED, CONFIG, load_weights, one_line
from grokcore.models.hugging_face import HuggingFaceModel
from grokcore.models.initial_scale import scale_matrices
from grokcore.models.registry import ARCHITECTURES
from grokcore.models.sequence_model import SequenceModel
from grokcore.models.sizes import built_spec, embedding_rank
from grokcore.spec.code import check_architecture
from grokcore.spec.experiment import derived_seed
from grokcore.spec.models import ModelSpec
from grokcore.spec.plugins import names
from grokcore.storage import read_json, write_json

FORMAT = "grokcore"


class OwnConfig(SimpleNamespace):
    """A model's fields as attributes, the common ones under the names that transformers gives them.

    Attributes:
        model_type: the architecture's name in the registry.
        hidden_size, num_hidden_layers, vocab_size, max_position_embeddings, tie_word_embeddings, eos_token_id: as in
            the configurations of transformers.
    """

    def save_pretrained(self, directory: Path) -> None:
        """Write config.json, under the name that the configurations of transformers have for it."""
        write_json(directory / CONFIG, {**vars(self), "format": FORMAT})


def new_model(fields: dict[str, Any], init: str) -> FastModel:
    """Return a new model with these configuration fields, its weights drawn from torch's CPU generator alone."""
    model = _empty(fields)
    own = ARCHITECTURES[model.architecture].own
    if own is None:
        raise ValueError(f"transformers draws the weights of {model.architecture}")
    with torch.no_grad():
        own.initialize(model, init)
    return model


def loaded_model(fields: dict[str, Any], weights: dict[str, Tensor], device: str = "cpu") -> FastModel:
    """Return a model from the content of its files.

    Raises:
        AttributeError: a field is missing.
        ValueError: a weight is missing, unknown, or has another shape.
    """
    model = _empty(fields, device)
    model.load_transformers(weights)
    return model


def _empty(fields: dict[str, Any], device: str = "cpu") -> FastModel:
    """Return a model without its weights; the constructors' random draws do not advance the generator in use."""
    with torch.random.fork_rng(devices=[]), torch.device(device):
        config = OwnConfig(**fields)
        return FastModel(FAST_ARCHITECTURES[config.model_type], config)


def build_model(
    spec: ModelSpec, *, vocabulary_size: int, sequence_length: int, seed: int, eos: int | None = None
) -> SequenceModel:
    """Return a new model on the CPU, in fp32, with the same weights for the same arguments in all implementations.

    The caller's random numbers are neither read nor advanced, and nothing is fetched from the network.

    Args:
        vocabulary_size: number of tokens of the dataset.
        sequence_length: longest row in tokens, answer and eos included: the number of positions.
        seed: of the weights; seeds the same generator in the same way for every architecture.
        eos: the token that ends an answer, recorded for those who generate with the saved model.
    """
    check_architecture(spec)
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
        model = _drawn(spec, architecture.transformers, configuration, seed)
        scale_matrices(model, spec)
        return model


def _drawn(
    spec: ModelSpec, layout: TransformersModel[Any] | None, configuration: dict[str, Any], seed: int
) -> SequenceModel:
    """Return a model whose weights are drawn from torch's generator of the CPU."""
    if layout is None:
        model = new_model({**configuration, "model_type": spec.architecture}, spec.init)
    else:
        network = _construct(layout, configuration | NO_DEFAULTS)
        if spec.init == "original":
            layout.initialize_original(network)
        elif spec.init == "pytorch" and layout.initialize_pytorch is not None:
            layout.initialize_pytorch(network)
        if spec.implementation == "transformers":
            return _hugging_face(network)
        model = _fast(network, drawn=True)
    # Of its own, so that memory starts the same beside every architecture.
    torch.default_generator.manual_seed(derived_seed(seed, "composition"))
    model.initialize_composed()
    if (rank := embedding_rank(spec)) is not None:
        torch.default_generator.manual_seed(derived_seed(seed, "projection of the embedding"))
        model.factorize_embedding(rank)
    return model


def load_model(directory: Path, implementation: str = "fast") -> SequenceModel:
    """Load the model that `SequenceModel.save` wrote to `directory`, on the CPU.

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
    if not isinstance(kind, str) or (kind not in ARCHITECTURES and kind not in names("architecture")):
        known = ", ".join([*ARCHITECTURES, *names("architecture")])
        raise InputError(f"{config_file}: model_type is {str(kind)[:64]!r}; allowed are {known}")
    layout = ARCHITECTURES[kind].transformers
    if (layout is None or composed) and implementation != "fast":
        what = f"a composed {kind}" if composed else f"a model of {kind}"
        raise InputError(f"{directory} holds {what}, which transformers does not know: load it as fast")
    weights = load_weights(directory)
    try:
        fields = checked_fields(document, kind, ARCHITECTURES[kind], len(weights))
        with _isolated_random_numbers(seed=0):
            # First without memory: sizes that the weights do not have are found out before any is taken.
            for device in ("meta", "cpu"):
                model = _loaded(fields, composed, weights, implementation, device)
        return model
    except Exception as error:  # whatever transformers makes of a wrong configuration
        if (cause := error_of_the_machine(error)) is not None:
            raise cause from None
        raise InputError(f"{directory} holds no whole {kind} model ({one_line(error)}): save it again") from None


def _loaded(
    fields: dict[str, Any], composed: bool, weights: dict[str, torch.Tensor], implementation: str, device: str
) -> SequenceModel:
    layout = ARCHITECTURES[fields["model_type"]].transformers
    if layout is None:
        return loaded_model(fields, weights, device)
    if composed:
        return _composed(layout, fields, weights, device)
    network = _construct(layout, fields, device)
    _assign(network, weights)
    return IMPLEMENTATIONS[implementation](network) if device == "cpu" else network


def _fast(network: Any, *, drawn: bool = False) -> FastModel:
    """Convert a network of transformers to our implementation, so that a seed gives both the same weights."""
    model = FastModel(FAST_ARCHITECTURES[network.config.model_type], network.config)
    model.load_transformers(dict(network.named_parameters()), drawn=drawn)
    return model


def _composed(
    layout: TransformersModel[Any], fields: dict[str, Any], weights: dict[str, torch.Tensor], device: str
) -> FastModel:
    """Return a model composed of blocks that transformers knows, in a way that it does not."""
    config = transformers_config(layout, fields)
    with torch.device(device):
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


def _construct(layout: TransformersModel[Any], configuration: dict[str, Any], device: str = "cpu") -> Any:
    import transformers

    model_class = getattr(transformers, layout.model_class)
    with layout.construction(), torch.device(device):
        return model_class(transformers_config(layout, configuration))


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
    """Seed torch's CPU generator inside the block and restore it afterwards; GPU generators are not touched."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
