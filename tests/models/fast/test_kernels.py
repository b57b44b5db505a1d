"""The kernels of single tokens beside what torch computes in fp64."""

import pytest
import torch
from torch.nn import functional

from grokcore.models.fast.layers import RMSNorm, gated, gelu, plain_rotary, rotary, squared_relu, swiglu
from tests.models.fast.parity import assert_each_close, needs_kernels, values_and_gradients

pytestmark = needs_kernels
precisions = pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 2e-6)])

ELEMENTWISE = {
    "gelu": (gelu, lambda x: functional.gelu(x, approximate="tanh"), 1),
    "squared_relu": (squared_relu, lambda x: x.relu() ** 2, 1),
    "swiglu": (swiglu, lambda x: functional.silu(x[:, : x.shape[1] // 2]) * x[:, x.shape[1] // 2 :], 1),
    "gated": (gated, lambda gate, x: gate.sigmoid() * x, 2),
}


@precisions
@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("scale", [1, 40])
def test_activations_equal_torch(name, scale, dtype, tolerance):
    function, expected, count = ELEMENTWISE[name]
    torch.manual_seed(0)
    inputs = [scale * torch.randn(7, 38).double() for _ in range(count)]

    ours = values_and_gradients(function, *(tensor.to(dtype) for tensor in inputs))

    assert_each_close(ours, values_and_gradients(expected, *inputs), tolerance)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_activations_show_what_is_not_a_number(name):
    function, _, count = ELEMENTWISE[name]
    inputs = [torch.full((1, 2), torch.nan) for _ in range(count)]
    assert function(*inputs).isnan().all()


@precisions
@pytest.mark.parametrize("width", [1, 37, 64])
def test_rms_norm_equals_torch(width, dtype, tolerance):
    torch.manual_seed(0)
    x, weight = torch.randn(9, width).double(), torch.randn(width).double()
    x[0] = 1e-4  # where epsilon counts

    def ours(x, weight):
        return torch.func.functional_call(RMSNorm(width, 1e-5), {"weight": weight}, x)

    kernel = values_and_gradients(ours, x.to(dtype), weight.to(dtype))

    assert_each_close(
        kernel, values_and_gradients(lambda x, w: functional.rms_norm(x, w.shape, w, 1e-5), x, weight), tolerance
    )


@precisions
@pytest.mark.parametrize("columns", [16, 24])
def test_rotary_turns_the_first_columns_and_leaves_the_rest(columns, dtype, tolerance):
    torch.manual_seed(0)
    x, positions = torch.randn(6, 24).double(), torch.tensor([0, 1, 2, 3, 7, 100])
    angles = positions[:, None].float() * 100.0 ** (torch.arange(4) / -4)
    cosines, sines = (values.to(dtype).double() for values in (angles.cos(), angles.sin()))

    ours = values_and_gradients(lambda x: rotary(x * 1, positions, columns, size=8, base=100.0), x.to(dtype))

    assert_each_close(ours, values_and_gradients(lambda x: plain_rotary(x, cosines, sines, columns), x), tolerance)
    assert torch.equal(ours[0][:, columns:], x.to(dtype)[:, columns:])
    assert torch.equal(ours[0][0], x.to(dtype)[0])


def test_rotary_leaves_the_gradient_that_it_is_given_alone():
    x = torch.randn(3, 8, requires_grad=True)
    turned = rotary(x * 1, torch.arange(3), 8, size=8, base=100.0)
    given = torch.ones(3, 8)
    turned.backward(given)
    assert torch.equal(given, torch.ones(3, 8))
