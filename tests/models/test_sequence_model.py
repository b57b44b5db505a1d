import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from grokcore.models import SharedPrefixes
from tests.models.tiny_models import (
    ARCHITECTURES,
    IMPLEMENTATIONS,
    POSITIONS,
    TOKENS,
    VOCABULARY,
    every_position,
    last_position,
    random_tokens,
    tiny_model,
)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_are_those_of_the_plain_network_at_the_chosen_positions(architecture, implementation, training):
    model, tokens = tiny_model(architecture, implementation=implementation).train(training), random_tokens()
    network = tiny_model(architecture, implementation="transformers").network
    positions = torch.tensor([[4, 0], [3, 4], [1, 1], [2, 3]])

    logits = model(tokens, positions)

    reference = network(tokens).logits[torch.arange(len(tokens))[:, None], positions]
    assert logits.shape == (4, 2, VOCABULARY)
    torch.testing.assert_close(logits, reference, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_stands_after_the_supervised_position_changes_nothing(architecture, implementation):
    model, tokens = tiny_model(architecture, implementation=implementation), random_tokens()
    positions = torch.tensor([[1], [2], [4], [0]])
    padded, noisy = tokens.clone(), tokens.clone()
    for row, (position,) in enumerate(positions.tolist()):
        padded[row, position + 1 :] = 0
        noisy[row, position + 1 :] = random_tokens(seed=1)[row, position + 1 :]

    assert torch.equal(model(padded, positions), model(noisy, positions))
    alone = model(padded[1:2, :3], positions[1:2])
    torch.testing.assert_close(model(padded, positions)[1:2], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_stands_before_it_matters(architecture, implementation):
    model, tokens = tiny_model(architecture, implementation=implementation), random_tokens()
    changed = tokens.clone()
    changed[:, 0] = (changed[:, 0] + 1) % VOCABULARY

    difference = model(tokens, last_position(tokens)) - model(changed, last_position(tokens))

    assert difference.abs().amax(dim=(1, 2)).min() > 0


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES[:2])
def test_a_sequence_longer_than_the_positions_is_refused(architecture, implementation):
    tokens = torch.zeros(1, POSITIONS + 1, dtype=torch.int64)

    with pytest.raises(ValueError, match="8 tokens do not fit in 7 positions"):
        tiny_model(architecture, implementation=implementation)(tokens, last_position(tokens))


@pytest.mark.parametrize("init", ["published", "original"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_training_lowers_the_loss_and_reaches_every_parameter(architecture, implementation, tied, init):
    model, tokens = (
        tiny_model(architecture, implementation=implementation, tie_embeddings=tied, init=init).train(),
        random_tokens(batch=32),
    )
    answers = torch.randint(0, VOCABULARY, (32,), generator=torch.Generator().manual_seed(2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)

    losses = []
    for _ in range(20):
        loss = cross_entropy(model(tokens, last_position(tokens))[:, 0], answers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    assert losses[-1] < 0.5 * losses[0]
    # Checked at the end: RWKV's original zeros keep a block silent in the first steps.
    silent = [name for name, parameter in model.named_parameters() if not parameter.grad.any()]
    assert silent == []


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_evaluating_between_training_steps_leaves_the_weights_alone(architecture, implementation):
    model, tokens = tiny_model(architecture, implementation=implementation, layers=7), random_tokens()
    before = [parameter.clone() for parameter in model.parameters()]

    training = model.train()(tokens, last_position(tokens))
    evaluation = model.eval()(tokens, last_position(tokens))

    assert torch.equal(training, evaluation)
    assert all(map(torch.equal, before, model.parameters()))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_bf16_autocast_trains(architecture, implementation):
    model, tokens = tiny_model(architecture, implementation=implementation).train(), random_tokens()

    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(tokens, last_position(tokens))
    cross_entropy(logits[:, 0].float(), tokens[:, 0]).backward()

    exact = model(tokens, last_position(tokens))
    torch.testing.assert_close(logits.float(), exact, rtol=0.1, atol=0.05)
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_head_is_applied_at_the_supervised_positions_only(architecture, implementation):
    model, tokens = tiny_model(architecture, implementation=implementation), random_tokens()
    rows = []
    head = model.head if implementation == "fast" else model.network.get_output_embeddings()
    head.register_forward_hook(lambda module, args, output: rows.append(math.prod(args[0].shape[:-1])))

    model(tokens, last_position(tokens))
    model(tokens, every_position(tokens))

    assert rows == [4, 4 * TOKENS]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_transformers_shares_no_prefixes_and_says_so(architecture):
    model, tokens = tiny_model(architecture), random_tokens()
    prefixes = SharedPrefixes(torch.zeros(1, 2, dtype=torch.int64), torch.zeros(4, dtype=torch.int64))

    assert not model.shares_prefixes
    with pytest.raises(ValueError, match="shares no prefixes"):
        model(tokens, last_position(tokens), prefixes)
