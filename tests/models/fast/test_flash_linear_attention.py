"""The kernels of flash-linear-attention: that they are given what they mean, and where they are taken."""

import sys
from types import ModuleType

import pytest
import torch

from grokcore.errors import InputError
from grokcore.models import execution_choices
from grokcore.models.fast import flash_linear_attention as library
from grokcore.models.fast import gpu_kernels, mamba
from grokcore.models.fast.decayed_attention import attend_decaying
from grokcore.models.fast.deltanet import attend_by_delta_rule
from grokcore.models.fast.layout import Layout
from grokcore.spec.models import GPT2
from grokcore.training.fake_cuda import CUDA, fake_cuda

EXAMPLES, TOKENS, HEADS, SIZE = 3, 70, 2, 16
ROWS, WIDTH = EXAMPLES * TOKENS, HEADS * SIZE


def recurrence(q, k, v, g, *, before=False):
    """Token after token, over (B, T, H, C), as the documentation of the kernels defines them."""
    state, read = 0, []
    for t in range(q.shape[1]):
        old = g[:, t, :, :, None].exp() * state
        state = old + k[:, t, :, :, None] * v[:, t, :, None]
        read.append((q[:, t, :, :, None] * state).sum(2))
    if before:  # r_t S_(t-1), without the decay of token t
        state, read = torch.zeros_like(state), []
        for t in range(q.shape[1]):
            read.append((q[:, t, :, :, None] * state).sum(2))
            state = g[:, t, :, :, None].exp() * state + k[:, t, :, :, None] * v[:, t, :, None]
    return torch.stack(read, dim=1)


def simple_gla(q, k, v, g, scale):
    assert g.shape == q.shape[:3]
    return scale * recurrence(q, k, v, g[..., None]), None


def gla(q, k, v, g, scale):
    assert g.shape == q.shape == k.shape
    return scale * recurrence(q, k, v, g), None


def rwkv6(r, k, v, w, u, scale):
    assert u.shape == r.shape[2:]
    itself = (r * u * k).sum(-1, keepdim=True) * v
    return scale * (recurrence(r, k, v, w, before=True) + itself), None


def delta_rule(q, k, v, beta, scale):
    assert beta.shape == q.shape[:3]
    state, read = q.new_zeros(*q[:, 0].shape, v.shape[-1]), []
    for t in range(q.shape[1]):
        new = v[:, t] - (k[:, t, :, :, None] * state).sum(2)
        state = state + k[:, t, :, :, None] * (beta[:, t, :, None] * new)[:, :, None]
        read.append((q[:, t, :, :, None] * state).sum(2))
    return scale * torch.stack(read, dim=1), None


KERNELS = {"simple_gla": simple_gla, "gla": gla, "rwkv6": rwkv6, "delta_rule": delta_rule}


@pytest.fixture
def stand_in(monkeypatch):
    """The kernels' definitions in their places, where the kernels themselves cannot run, and taken for everything."""
    for name, kernel in KERNELS.items():
        module = ModuleType(f"fla.ops.{name}")
        setattr(module, f"chunk_{name}", kernel)
        monkeypatch.setitem(sys.modules, f"fla.ops.{name}", module)
    for name in ("fla", "fla.ops"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))


def random_rows(width, *, seed, dtype=torch.float64):
    return torch.randn(ROWS, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def inputs(case, device="cpu", dtype=torch.float64):
    """(arguments, options) of `attend_decaying`."""
    groups = 1 if case == "grouped" else None
    keys = SIZE if groups else WIDTH
    query, key, value = (random_rows(width, seed=n, dtype=dtype) for n, width in enumerate((keys, keys, WIDTH)))
    log_decay = -random_rows(HEADS if case in ("heads", "grouped") else WIDTH, seed=4).exp() / 4
    tensors = [tensor.to(device) for tensor in (query, key, value, log_decay)]
    return tensors, {"groups": groups, "itself": case != "before"}


CASES = ["heads", "grouped", "channels", "before"]


@pytest.mark.parametrize("case", CASES)
def test_the_kernels_are_asked_for_what_our_form_computes(case, stand_in):
    tensors, options = inputs(case)
    layout = Layout(EXAMPLES, TOKENS, torch.device("cpu"))

    theirs = library.library_attend_decaying(*tensors, HEADS, layout, **options)

    torch.testing.assert_close(theirs, attend_decaying(*tensors, HEADS, layout, None, **options))


def delta_inputs(device="cpu", dtype=torch.float64):
    query, key, value = (random_rows(WIDTH, seed=n) for n in range(3))
    key = torch.nn.functional.normalize(key.unflatten(1, (HEADS, -1)), dim=2).flatten(1)
    return [x.to(device, dtype) for x in (query, key, value, random_rows(HEADS, seed=5).sigmoid())]


def test_the_kernel_of_the_delta_rule_is_asked_for_what_our_form_computes(stand_in):
    tensors, layout = delta_inputs(), Layout(EXAMPLES, TOKENS, torch.device("cpu"))

    theirs = library.library_attend_by_delta_rule(*tensors, HEADS, layout)

    torch.testing.assert_close(theirs, attend_by_delta_rule(*tensors, HEADS, layout, None))


def test_a_cpu_is_left_to_our_forms(stand_in):
    layout = Layout(EXAMPLES, TOKENS, torch.device("cpu"))
    assert not library.has_library(random_rows(WIDTH, seed=0, dtype=torch.bfloat16), layout, None)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here: try another machine")
@pytest.mark.parametrize("case", [*CASES, "delta"])
def test_the_kernels_equal_our_form(case, monkeypatch):
    pytest.importorskip("fla")
    monkeypatch.setenv(gpu_kernels.VARIABLE, "on")
    layout = Layout(EXAMPLES, TOKENS, torch.device("cuda"))
    if case == "delta":
        attend, tensors, options = attend_by_delta_rule, delta_inputs("cuda", torch.bfloat16), {}
    else:
        attend, (tensors, options) = attend_decaying, inputs(case, "cuda", torch.bfloat16)
    assert library.has_library(tensors[1], layout, None)

    theirs = attend(*tensors, HEADS, layout, None, **options)

    exact = attend(*(tensor.double() for tensor in tensors), HEADS, layout, None, **options)
    assert ((theirs - exact).square().mean() / exact.square().mean()).sqrt() < 0.02


@pytest.fixture
def installed(stand_in, monkeypatch):
    """A compiler, and the package, with the version that the manifest names."""
    monkeypatch.setattr(library, "has_compiler", lambda: True)
    monkeypatch.setattr(gpu_kernels, "find_spec", lambda module: module)
    monkeypatch.setattr(gpu_kernels, "version", lambda package: "9.9")


def test_short_shared_and_chosen_are_left_to_our_forms(installed, monkeypatch):
    monkeypatch.setenv(gpu_kernels.VARIABLE, "on")
    with fake_cuda():
        key = torch.zeros(8, 4, device=CUDA, dtype=torch.bfloat16)
        long = Layout(1, TOKENS, CUDA)
        assert library.has_library(key, long, None)
        assert not library.has_library(key, Layout(1, library.LONG - 1, CUDA), None)
        assert not library.has_library(key, Layout(1, TOKENS, CUDA, 2, 2, torch.tensor([0], device=CUDA)), None)
        assert not library.has_library(key, long, long.select(torch.tensor([[3]], device=CUDA)))
        assert not library.has_library(key.float(), long, None)


def test_kernels_of_other_packages_are_taken_only_where_they_are_asked_for(installed, monkeypatch):
    """Whatever is installed; and a run's manifest says so."""
    with fake_cuda():
        key, long = torch.zeros(8, 4, device=CUDA, dtype=torch.bfloat16), Layout(1, TOKENS, CUDA)
        for value, taken in {None: False, "": False, "off": False, "on": True}.items():
            monkeypatch.delenv(gpu_kernels.VARIABLE, raising=False)
            if value is not None:
                monkeypatch.setenv(gpu_kernels.VARIABLE, value)
            assert library.has_library(key, long, None) == mamba._has_library(long, key) == taken
            named = {"gpu_kernels": "fla-core 9.9, mamba-ssm 9.9"} if taken else {}
            assert execution_choices(GPT2(), "cuda") == {"kernels": "torch"} | named
    monkeypatch.setenv(gpu_kernels.VARIABLE, "yes")
    with pytest.raises(InputError, match="GROKCORE_GPU_KERNELS='yes' must be on or off"):
        execution_choices(GPT2(), "cuda")
    assert execution_choices(GPT2(), "cpu").keys() >= {"kernels"}


def test_without_a_compiler_for_triton_our_own_forms_compute(tmp_path, monkeypatch):
    """As in an image without a compiler, where the library's kernels would fail at the first step."""
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    library.has_compiler.cache_clear()
    assert not library.has_compiler()
    compiler = tmp_path / "gcc"
    compiler.write_text("#!/bin/sh\n")
    compiler.chmod(0o755)
    library.has_compiler.cache_clear()
    assert library.has_compiler()
    library.has_compiler.cache_clear()
