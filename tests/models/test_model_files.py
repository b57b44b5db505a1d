import json

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from grokcore.errors import InputError, TransientError
from grokcore.models import load_model
from tests.models.tiny_models import ARCHITECTURES, IMPLEMENTATIONS, every_position, random_tokens, tiny_model


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_saved_model_comes_back_the_same(architecture, implementation, tied, tmp_path):
    fields = {"implementation": implementation, "tie_embeddings": tied, "init": "original"}
    model, tokens = tiny_model(architecture, **fields), random_tokens()
    logits = model(tokens, every_position(tokens))

    model.save(tmp_path)
    loaded = load_model(tmp_path, implementation)

    assert torch.equal(loaded(tokens, every_position(tokens)), logits)
    assert [name for name, _ in loaded.named_parameters()] == [name for name, _ in model.named_parameters()]


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_implementations_write_the_same_files(architecture, tied, tmp_path):
    for implementation in IMPLEMENTATIONS:
        tiny_model(architecture, implementation=implementation, tie_embeddings=tied).save(tmp_path / implementation)

    one, other = (tmp_path / implementation for implementation in IMPLEMENTATIONS)
    assert {file.name: file.read_bytes() for file in one.iterdir()} == {
        file.name: file.read_bytes() for file in other.iterdir()
    }


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_transformers_loads_a_saved_model_with_equal_logits(architecture, implementation, tied, tmp_path):
    model, tokens = tiny_model(architecture, implementation=implementation, tie_embeddings=tied), random_tokens()
    model.save(tmp_path)

    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, local_files_only=True).eval()

    torch.testing.assert_close(theirs(tokens).logits, model(tokens, every_position(tokens)), rtol=1e-5, atol=1e-6)


def test_no_pickle_is_written(tmp_path):
    tiny_model(ARCHITECTURES[0]).save(tmp_path)

    assert {file.name for file in tmp_path.iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
    }


def truncate_weights(directory):
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def remove_weights(directory):
    (directory / "model.safetensors").unlink()


def offer_a_pickle_instead(directory):
    remove_weights(directory)
    torch.save({}, directory / "pytorch_model.bin")


def drop_a_parameter(directory):
    weights = load_file(directory / "model.safetensors")
    del weights["transformer.ln_f.bias"]
    save_file(weights, directory / "model.safetensors")


def add_a_parameter(directory):
    weights = load_file(directory / "model.safetensors")
    save_file({**weights, "unknown": torch.zeros(1)}, directory / "model.safetensors")


def remove_config(directory):
    (directory / "config.json").unlink()


def truncate_config(directory):
    config = directory / "config.json"
    config.write_text(config.read_text()[:50])


def config_with(**fields):
    def change(directory):
        config = directory / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | fields))

    return change


def config_is_a_list(directory):
    (directory / "config.json").write_text("[]")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (truncate_weights, "model.safetensors"),
        (remove_weights, "model.safetensors"),
        (offer_a_pickle_instead, "model.safetensors"),
        (drop_a_parameter, "transformer.ln_f.bias"),
        (add_a_parameter, "unknown"),
        (remove_config, "config.json"),
        (truncate_config, "config.json"),
        (config_is_a_list, "config.json"),
        (config_with(model_type="bert"), "gpt2, llama, rwkv, mamba"),
        (config_with(n_embd=64), "shape"),
        (config_with(n_embd="wide"), "n_embd"),
        (config_with(n_head=5), "no whole gpt2 model"),
    ],
)
def test_a_damaged_model_is_one_line_that_names_the_damage(damage, named, tmp_path):
    tiny_model(ARCHITECTURES[0]).save(tmp_path)
    damage(tmp_path)

    with pytest.raises(InputError) as raised:
        load_model(tmp_path)

    assert named in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unwritable_place_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError) as raised:
        tiny_model(ARCHITECTURES[0]).save(tmp_path / "file")

    assert "\n" not in str(raised.value)


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    model = tiny_model(ARCHITECTURES[0])

    def fail(*arguments, **options):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", fail)

    with pytest.raises(TransientError, match=r"No space left on device.*free some space"):
        model.save(tmp_path)
