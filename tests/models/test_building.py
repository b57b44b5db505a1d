import subprocess
import sys

import pytest
import torch
import transformers

from grokcore.models import ARCHITECTURES as REGISTRY
from grokcore.models import build_model, load_model
from grokcore.models.fast import FAST_ARCHITECTURES
from grokcore.models.fast.conversion import to_transformers
from tests.models.tiny_models import (
    ARCHITECTURES,
    IMPLEMENTATIONS,
    OWN,
    POSITIONS,
    SPECS,
    VOCABULARY,
    last_position,
    random_tokens,
    tiny_model,
    tiny_spec,
)


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("init", ["published", "original"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_seed_decides_the_weights_and_nothing_else_does(architecture, init):
    torch.manual_seed(1)
    first = weights(tiny_model(architecture, seed=5, init=init))
    torch.manual_seed(2)
    again = weights(tiny_model(architecture, seed=5, init=init))
    other = weights(tiny_model(architecture, seed=6, init=init))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_seed_is_that_of_torch_for_every_architecture(architecture):
    model = tiny_model(architecture, seed=2**62 + 1)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2**62 + 1)
        reference = type(model.network)(model.network.config)

    assert torch.equal(weights(model), weights(reference))


@pytest.mark.parametrize("init", ["published", "original"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_building_and_loading_leave_the_callers_random_numbers_alone(architecture, init, tmp_path):
    before = torch.get_rng_state()

    tiny_model(architecture, init=init).save(tmp_path)
    load_model(tmp_path)

    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_spec_is_what_is_built(architecture, tied):
    spec = tiny_spec(architecture, layers=3, tie_embeddings=tied)
    model = build_model(spec, vocabulary_size=VOCABULARY, sequence_length=POSITIONS, seed=0, eos=7)
    network = model.network

    assert model.layers == 3
    assert network.config.hidden_size == spec.width
    assert network.get_input_embeddings().weight.shape == (VOCABULARY, spec.width)
    assert (network.get_output_embeddings().weight is network.get_input_embeddings().weight) == tied
    assert (network.config.bos_token_id, network.config.pad_token_id, network.config.eos_token_id) == (None, None, 7)
    assert network.config.use_cache is False
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert network.config.model_type == spec.architecture


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_both_implementations_begin_with_the_same_weights(architecture):
    fast, theirs = (tiny_model(architecture, implementation=name, seed=3) for name in ("fast", "transformers"))

    expected = dict(theirs.network.named_parameters())
    converted = to_transformers(dict(fast.named_parameters()), fast.parts.names)
    assert converted.keys() == expected.keys()
    assert all(torch.equal(converted[name], expected[name]) for name in expected)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES[:2])
def test_dropout_acts_in_training_only_and_is_off_by_default(architecture, implementation):
    tokens = random_tokens()
    plain = tiny_model(architecture, implementation=implementation)
    dropped = tiny_model(architecture, implementation=implementation, dropout=0.5)

    plain_logits = plain.train()(tokens, last_position(tokens))
    assert torch.equal(plain_logits, plain.eval()(tokens, last_position(tokens)))
    assert torch.equal(plain_logits, dropped.eval()(tokens, last_position(tokens)))
    assert not torch.equal(plain_logits, dropped.train()(tokens, last_position(tokens)))


def test_no_token_is_kept_untrained_as_padding():
    for architecture in ARCHITECTURES:
        assert tiny_model(architecture).network.get_input_embeddings().padding_idx is None


def test_rwkv_never_asks_the_network_for_a_kernel(monkeypatch):
    from transformers.models.rwkv import modeling_rwkv

    asked = []
    monkeypatch.setattr(modeling_rwkv, "is_ninja_available", lambda: True)
    monkeypatch.setattr(modeling_rwkv, "is_torch_cuda_available", lambda: True)
    monkeypatch.setattr(modeling_rwkv, "load_wkv_cuda_kernel", asked.append)

    tiny_model(ARCHITECTURES[2])

    assert asked == []
    transformers.RwkvForCausalLM(transformers.RwkvConfig(vocab_size=9, hidden_size=8, num_hidden_layers=2))
    assert asked, "the guard should end with the construction"


QUIET_LIFE = """
import socket, sys, tempfile
from pathlib import Path
def no_network(*args, **kwargs): raise AssertionError("network")
socket.socket.connect = socket.getaddrinfo = no_network
import torch
from grokcore.models import build_model, load_model
from grokcore.spec import GLA, GPT2, RWKV, RWKV6, DeltaNet, LinearAttention, LLaMA, Mamba, Mamba2, RetNet
known = (GPT2, LLaMA, RWKV, Mamba, Mamba2)
specs = [kind(implementation=name) for kind in known for name in ("fast", "transformers")]
for spec in [*specs, *(kind() for kind in (LinearAttention, RetNet, GLA, DeltaNet, RWKV6))]:
    model = build_model(spec, vocabulary_size=9, sequence_length=7, seed=0)
    tokens, positions = torch.zeros(2, 5, dtype=torch.int64), torch.full((2, 1), 4)
    model.train()(tokens, positions).sum().backward()
    model.eval()(tokens, positions)
    directory = Path(tempfile.mkdtemp(dir=sys.argv[1]))
    model.save(directory)
    load_model(directory)(tokens, positions)
"""


def test_a_models_life_needs_no_network_and_leaves_the_terminal_clean(tmp_path):
    life = subprocess.run(
        [sys.executable, "-c", QUIET_LIFE, str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert (life.returncode, life.stdout, life.stderr) == (0, "", "")


def test_every_architecture_of_the_spec_is_in_the_registry():
    assert set(REGISTRY) == set(FAST_ARCHITECTURES) == set(SPECS)


def test_every_architecture_is_computed_by_transformers_or_drawn_by_us():
    assert {*ARCHITECTURES, *OWN} == set(SPECS.values())
    assert not set(ARCHITECTURES) & set(OWN)
