import pytest
import torch

from tests.models.tiny_models import (
    ARCHITECTURES,
    IMPLEMENTATIONS,
    LAYERS,
    TOKENS,
    WIDTH,
    every_position,
    last_position,
    random_tokens,
    tiny_model,
)


def read(model, tokens):
    """Logits (B, T, V), and the stream by layer."""
    stream = {}
    with model.residual_stream(lambda layer, hidden: stream.update({layer: hidden})):
        logits = model(tokens, every_position(tokens))
    return logits, stream


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_reading_gives_every_layer_and_changes_nothing(architecture, implementation):
    model, tokens = tiny_model(architecture, implementation=implementation), random_tokens()
    untouched = model(tokens, every_position(tokens))

    logits, stream = read(model, tokens)

    assert list(stream) == list(range(LAYERS + 1))
    assert {tuple(hidden.shape) for hidden in stream.values()} == {(len(tokens), TOKENS, WIDTH)}
    torch.testing.assert_close(logits, untouched, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_layer_0_is_what_the_embeddings_give_and_the_last_layer_what_the_head_reads(architecture, implementation):
    model, tokens = tiny_model(architecture, implementation=implementation), random_tokens()

    logits, stream = read(model, tokens)

    network = tiny_model(architecture).network
    embedded = network.get_input_embeddings()(tokens)
    if architecture().architecture == "gpt2":
        embedded = embedded + network.base_model.wpe.weight[:TOKENS]
    assert torch.equal(stream[0], embedded)
    torch.testing.assert_close(model.unembed(stream[LAYERS]), logits)


@pytest.mark.parametrize("layer", range(LAYERS + 1))
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_replacing_the_whole_stream_of_any_layer_makes_the_other_inputs_prediction(architecture, implementation, layer):
    model, tokens, other = (
        tiny_model(architecture, implementation=implementation),
        random_tokens(),
        random_tokens(seed=1),
    )
    logits, _ = read(model, tokens)
    other_logits, other_stream = read(model, other)

    with model.residual_stream(lambda at, hidden: other_stream[layer] if at == layer else None):
        replaced = model(tokens, every_position(tokens))

    assert not torch.allclose(logits, other_logits)
    torch.testing.assert_close(replaced, other_logits)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_replacing_one_position_changes_that_and_later_ones_only(architecture, implementation):
    model, tokens = tiny_model(architecture, implementation=implementation), random_tokens()
    logits, _ = read(model, tokens)
    _, other_stream = read(model, random_tokens(seed=1))

    def patch(layer, hidden):
        if layer != 1:
            return None
        return torch.cat([hidden[:, :2], other_stream[1][:, 2:3], hidden[:, 3:]], dim=1)

    with model.residual_stream(patch):
        patched = model(tokens, every_position(tokens))

    changed = (patched - logits).abs().amax(dim=(0, 2)) > 0
    assert changed.tolist() == [False, False, True, True, True]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradients_flow_through_a_replaced_stream(architecture, implementation):
    model, tokens = tiny_model(architecture, implementation=implementation), random_tokens()
    steering = torch.zeros(WIDTH, requires_grad=True)

    with model.residual_stream(lambda layer, hidden: hidden + steering if layer == 1 else None):
        model(tokens, last_position(tokens)).square().sum().backward()

    assert steering.grad.abs().sum() > 0


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_hook_outlives_the_block_even_when_it_fails(architecture, implementation):
    model, tokens = tiny_model(architecture, implementation=implementation), random_tokens()

    def fail(layer, hidden):
        raise RuntimeError("from the hook")

    with pytest.raises(RuntimeError, match="from the hook"), model.residual_stream(fail):
        model(tokens, last_position(tokens))

    model(tokens, last_position(tokens))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable` is deprecated")  # its successor is too new
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradient_checkpointing_does_not_hide_the_stream(architecture):
    model, tokens = tiny_model(architecture).train(), random_tokens()
    logits, plain = read(model, tokens)
    model.network.gradient_checkpointing_enable()

    checkpointed_logits, stream = read(model, tokens)

    torch.testing.assert_close(checkpointed_logits, logits)
    assert list(stream) == list(plain)
    for layer, hidden in plain.items():
        torch.testing.assert_close(stream[layer], hidden)
