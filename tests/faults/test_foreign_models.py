"""A model's files that somebody else has written: nothing they name is fetched or run, or built beyond the weights."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from grokcore.errors import InputError
from grokcore.models import load_model
from grokcore.spec import GPT2, LLaMA, RetNet
from tests.faults.dying import in_child
from tests.models.tiny_models import ARCHITECTURES, tiny_model

ROW = "config.json written by somebody else"
ROOM = 2 * 10**9
"""Bytes of address space beyond what the process has: far less than the sizes below ask for."""

SPECS = {"gpt2": GPT2, "llama": LLaMA, "retnet": RetNet}
HOSTILE: dict[str, dict[str, Any]] = {
    "a billion layers": {"n_layer": 10**9, "num_hidden_layers": 10**9},
    "many layers": {"n_layer": 4000, "num_hidden_layers": 4000},
    "a huge width": {"n_embd": 2**20, "hidden_size": 2**20},
    "a huge vocabulary": {"vocab_size": 2**24},
    "a huge MLP": {"n_inner": 2**24, "intermediate_size": 2**24, "mlp_width": 2**24},
    "a billion positions": {"n_positions": 10**9, "max_position_embeddings": 10**9, "context_length": 10**9},
    "a negative size": {"n_layer": -1, "num_hidden_layers": -1},
    "a size that is no number": {"n_layer": [2], "num_hidden_layers": [2]},
    "a size that is a truth value": {"n_layer": True, "num_hidden_layers": True},
    "kernels of a hub": {"attn_implementation": "kernels-community/flash-attn"},
    "kernels of a hub, by the inner name": {"_attn_implementation": "somebody/kernels"},
    "experts of a hub": {"experts_implementation": "somebody/kernels"},
    "code of a hub": {"auto_map": {"AutoModelForCausalLM": "somebody/model--modeling.Model"}},
    "a quantizer": {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
    "another's name": {"_name_or_path": "somebody/model"},
    "a subconfiguration": {"text_config": {"model_type": "gpt2"}},
    "an unknown field": {"planted": 1},
    "a type that cannot be looked up": {"model_type": []},
    "a composition of many": {"composition": {"blocks": 10**9}},
}


def loaded_safely(directory: Path, implementation: str = "fast") -> str:
    """What `load_model` says of a directory, without any network and with little memory."""
    reading, writing = os.pipe()

    def refuse(*arguments: object, **options: object) -> None:
        os.write(writing, b"NETWORK ")
        raise OSError("no network")

    def work() -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(60)
        os.environ.pop("HF_HUB_OFFLINE", None)
        import huggingface_hub.constants
        import transformers.utils.hub

        huggingface_hub.constants.HF_HUB_OFFLINE = False
        transformers.utils.hub.is_offline_mode = lambda: False
        socket.socket.connect = refuse  # type: ignore[method-assign, assignment]
        socket.getaddrinfo = refuse  # type: ignore[assignment]
        size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, size + ROOM))
        try:
            load_model(directory, implementation)
            os.write(writing, b"loaded")
        except InputError as error:
            os.write(writing, str(error).encode())

    code = in_child(work)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    assert code == 0, said
    return said


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("architecture", SPECS)
def test_a_hostile_configuration_is_refused_before_it_is_built(name: str, architecture: str, tmp_path: Path) -> None:
    tiny_model(SPECS[architecture], implementation="fast").save(tmp_path)
    config = tmp_path / "config.json"
    document, hostile = json.loads(config.read_text()), HOSTILE[name]
    config.write_text(json.dumps(document | {key: hostile[key] for key in hostile.keys() & document.keys() or hostile}))
    for implementation in ("fast", "transformers") if architecture != "retnet" else ("fast",):
        said = loaded_safely(tmp_path, implementation)
        assert "loaded" not in said
        assert "NETWORK" not in said
        assert len(said) < 1000
        assert str(tmp_path) in said


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_our_own_files_need_no_network(architecture: Any, tmp_path: Path) -> None:
    tiny_model(architecture).save(tmp_path)
    assert loaded_safely(tmp_path) == "loaded"
    assert loaded_safely(tmp_path, "transformers") == "loaded"
