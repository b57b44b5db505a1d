"""The mixers of the linear-attention family as their papers define them: one token after another, a state per head.

Each takes a mixer of `grokcore.models.fast` for its weights alone, and x (B, T, D), and returns (B, T, D).
"""

import math

import torch
from torch.nn.functional import elu, sigmoid, silu, softplus


def heads_of(x, heads):
    return x.unflatten(-1, (heads, -1))


def linear(layer, x):
    return x @ layer.weight.T + (0 if layer.bias is None else layer.bias)


def unit_rms(x, epsilon):
    return x / (x.square().mean(-1, keepdim=True) + epsilon).sqrt()


def standardized(x, epsilon):
    centered = x - x.mean(-1, keepdim=True)
    return centered / (centered.square().mean(-1, keepdim=True) + epsilon).sqrt()


def over_time(step, x):
    """Outputs of `step(t)` for every t, (B, T, ...)."""
    return torch.stack([step(t) for t in range(x.shape[1])], dim=1)


def linear_attention(mixer, x):
    """arXiv 2006.16236, equations 16 to 20."""
    q, k, v = (heads_of(part, mixer.heads) for part in linear(mixer.query_key_value, x).chunk(3, dim=-1))
    q, k = elu(q) + 1, elu(k) + 1
    memory, normalizer = 0, 0

    def step(t):
        nonlocal memory, normalizer
        memory = memory + k[:, t, :, :, None] * v[:, t, :, None]
        normalizer = normalizer + k[:, t]
        read = (q[:, t, :, :, None] * memory).sum(2)
        return (read / ((q[:, t] * normalizer).sum(-1, keepdim=True) + 1e-6)).flatten(1)

    return linear(mixer.output, over_time(step, x))


def retention(mixer, x):
    """arXiv 2307.08621, equations 3, 6 and 8, with complex numbers for the rotation; angles are fp32, as LLaMA's."""
    width, heads = mixer.width, mixer.heads
    half = width // heads // 2
    q, g = linear(mixer.query_gate, x).split((width, 2 * width), dim=-1)
    k, v = linear(mixer.key_value, x).split((width, 2 * width), dim=-1)
    q, k = (torch.complex(*heads_of(part, heads).split(half, dim=-1)) for part in (q, k))
    v = heads_of(v, heads)
    theta = 10000.0 ** -(torch.arange(half, dtype=torch.float32) / max(half - 1, 1))  # from 1 to 1/10000 inclusive
    gamma = 1 - 2.0 ** (-5 - torch.arange(heads).double())
    state = 0

    def step(t):
        nonlocal state
        angle = t * theta
        turn = torch.complex(angle.cos().double(), angle.sin().double())
        state = gamma[:, None, None] * state + (k[:, t] * turn).conj()[..., None] * v[:, t, :, None]
        read = ((q[:, t] * turn)[..., None] * state).sum(2).real / math.sqrt(2 * half)
        return silu(g[:, t]) * standardized(read, mixer.epsilon).flatten(1)

    return linear(mixer.output, over_time(step, x))


def gated_linear_attention(mixer, x):
    """arXiv 2312.06635, equations 3 and 4."""
    q, r = linear(mixer.query_gate, x).split(mixer.sizes, dim=-1)
    k, v = linear(mixer.key_value, x).split(mixer.sizes, dim=-1)
    alpha = sigmoid(linear(mixer.forget, linear(mixer.forget_low_rank, x))) ** (1 / mixer.temperature)
    q, k, alpha, v = (heads_of(part, mixer.heads) for part in (q, k, alpha, v))
    state = 0

    def step(t):
        nonlocal state
        state = alpha[:, t, :, :, None] * state + k[:, t, :, :, None] * v[:, t, :, None]
        read = (q[:, t, :, :, None] * state).sum(2) / math.sqrt(q.shape[-1])
        return silu(r[:, t]) * (unit_rms(read, mixer.epsilon) * mixer.norm_weight).flatten(1)

    return linear(mixer.output, over_time(step, x))


def convolved(x, taps, bias=None):
    """silu of a causal convolution, channel by channel: x (B, T, C), taps (C, K)."""
    padded = torch.cat((x.new_zeros(len(x), taps.shape[1] - 1, x.shape[2]), x), dim=1)
    summed = sum(taps[:, k] * padded[:, k : k + x.shape[1]] for k in range(taps.shape[1]))
    return silu(summed if bias is None else summed + bias)


def delta_net(mixer, x):
    """arXiv 2406.06484, equation 3 and section 3.4."""
    qkv = convolved(linear(mixer.query_key_value, x), mixer.convolution)
    q, k, v = (heads_of(part, mixer.heads) for part in qkv.chunk(3, dim=-1))
    q, k = (part / (part.square().sum(-1, keepdim=True) + 1e-6).sqrt() for part in (q, k))
    beta = sigmoid(linear(mixer.rate, x))[..., None]
    state = x.new_zeros(len(x), mixer.heads, v.shape[-1], k.shape[-1])

    def step(t):
        nonlocal state
        old = (state * k[:, t, :, None]).sum(-1)
        state = state + (beta[:, t] * (v[:, t] - old))[..., None] * k[:, t, :, None]
        read = (state * q[:, t, :, None]).sum(-1)
        return (unit_rms(read, mixer.epsilon) * mixer.norm_weight).flatten(1)

    return linear(mixer.output, over_time(step, x))


def state_space_duality(mixer, x):
    """arXiv 2405.21060, equation 2 with a scalar A for each head; B and C belong to groups of heads."""
    z, rest = linear(mixer.input, x).split(mixer.input_sizes, dim=-1)
    u, delta = rest[..., : -mixer.heads], rest[..., -mixer.heads :]
    u = convolved(u, mixer.convolution_weight, mixer.convolution_bias)
    u, b, c = u.split(mixer.sizes, dim=-1)
    u = heads_of(u, mixer.heads)
    b, c = (heads_of(part, mixer.groups).repeat_interleave(mixer.heads // mixer.groups, dim=2) for part in (b, c))
    delta = softplus(delta + mixer.delta_bias)[..., None, None]
    a = -mixer.a_log.exp()[:, None, None]
    state = 0

    def step(t):
        nonlocal state
        state = torch.exp(a * delta[:, t]) * state + delta[:, t] * u[:, t, :, :, None] * b[:, t, :, None]
        y = (state * c[:, t, :, None]).sum(-1) + mixer.d[:, None] * u[:, t]
        gated = heads_of(y.flatten(1) * silu(z[:, t]), mixer.groups)
        return unit_rms(gated, mixer.epsilon).flatten(1) * mixer.norm_weight

    return linear(mixer.output, over_time(step, x))


def rwkv6_time_mixing(mixer, x):
    """arXiv 2404.05892, section 4.2."""
    back = torch.cat((torch.zeros_like(x[:, :1]), x[:, :-1]), dim=1) - x
    low = torch.tanh((x + back * mixer.common_shift) @ mixer.shift_down).unflatten(-1, (5, -1))
    mixed = [x + back * (mixer.shift[n] + low[..., n, :] @ mixer.shift_up[n]) for n in range(5)]
    r, k, v = (linear(layer, mixed[n]) for n, layer in ((0, mixer.receptance), (2, mixer.key), (3, mixer.value)))
    g = silu(linear(mixer.gate, mixed[1]))
    w = torch.exp(-torch.exp(mixer.decay + torch.tanh(mixed[4] @ mixer.decay_down) @ mixer.decay_up))
    r, k, v, w = (heads_of(part, mixer.heads) for part in (r, k, v, w))
    u = heads_of(mixer.bonus, mixer.heads)
    state = 0

    def step(t):
        nonlocal state
        new = k[:, t, :, :, None] * v[:, t, :, None]
        read = (r[:, t, :, :, None] * (state + u[..., None] * new)).sum(2)
        state = w[:, t, :, :, None] * state + new
        normed = standardized(read, mixer.epsilon).flatten(1) * mixer.norm_weight + mixer.norm_bias
        return g[:, t] * normed

    return linear(mixer.output, over_time(step, x))


BY_RECURRENCE = {
    "linear_attention": linear_attention,
    "retnet": retention,
    "gla": gated_linear_attention,
    "deltanet": delta_net,
    "mamba2": state_space_duality,
    "rwkv6": rwkv6_time_mixing,
}
