"""The compiler that may be missing, slow to answer, or wrong: the kernels are an acceleration, never a condition."""

import multiprocessing
import os

import pytest
import torch

from grokcore.errors import InputError
from grokcore.models.fast.kernels import kernel_choice, kernels_for, library
from tests.models.fast.parity import needs_kernels


@pytest.fixture(autouse=True)
def forget():
    """The kernels are loaded once a process: forget them before and after each test."""
    library.load_kernels.cache_clear()
    yield
    library.load_kernels.cache_clear()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(library.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    monkeypatch.setattr(library, "_FLAGS", (*library._FLAGS, "-O0"))  # nothing here computes much
    (tmp_path / "temporary").mkdir()
    return tmp_path / "cache" / "grokcore" / "kernels"


def libraries(folder):
    """The compiled libraries in a folder, each with its digest beside it."""
    assert {file.suffix for file in folder.iterdir()} == {".so", ".sha256"}
    return list(folder.glob("*.so"))


@needs_kernels
def test_kernels_are_compiled_once_and_found_again(cache, monkeypatch):
    assert kernel_choice() == "native"
    (built,) = libraries(cache)
    first = built.stat().st_mtime_ns

    library.load_kernels.cache_clear()
    monkeypatch.setattr(library.subprocess, "run", lambda *_, **__: pytest.fail("compiled again"))

    assert kernel_choice() == "native"
    assert built.stat().st_mtime_ns == first


@needs_kernels
def test_a_cache_that_cannot_be_written_falls_back_to_the_temporary_folder(cache, tmp_path):
    cache.parent.parent.write_text("a file where the folder should be")

    assert kernel_choice() == "native"
    assert len(libraries(tmp_path / "temporary" / f"grokcore-{os.getuid()}" / "kernels")) == 1


@needs_kernels
def test_a_user_without_a_home_has_kernels_too(cache, tmp_path, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("pathlib.Path.home", homeless)

    assert kernel_choice() == "native"
    assert (tmp_path / "temporary" / f"grokcore-{os.getuid()}").is_dir()


@needs_kernels
def test_loading_them_leaves_the_arithmetic_of_the_process_alone(cache):
    """A library linked for fast mathematics would round denormal numbers of the whole thread to zero."""
    assert kernel_choice() == "native"
    assert (torch.tensor(1e-40) * 1).item() > 0
    assert 1e-310 * 1.5 > 0


@needs_kernels
def test_in_somebody_elses_folders_a_process_compiles_for_itself_and_leaves_nothing(cache, monkeypatch, tmp_path):
    monkeypatch.setattr(library.os, "getuid", lambda: os.geteuid() + 1)

    assert kernel_choice() == "native"
    assert not list(tmp_path.rglob("*.so"))


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_without_a_compiler_that_works_torch_computes(cache, monkeypatch, compiler):
    monkeypatch.setenv("CC", compiler)

    assert kernel_choice() == "torch"
    assert kernels_for(torch.zeros(1)) is None


def test_kernels_can_be_switched_off(cache, monkeypatch):
    monkeypatch.setenv("GROKCORE_KERNELS", "off")

    assert kernel_choice() == "torch"
    assert not cache.exists()


@needs_kernels
def test_kernels_compute_in_fp32_and_fp64_on_the_cpu_only(cache):
    assert kernels_for(torch.zeros(1)) is not None
    assert kernels_for(torch.zeros(1, dtype=torch.float64)) is not None
    assert kernels_for(torch.zeros(1, dtype=torch.bfloat16)) is None
    assert kernels_for(torch.zeros(1, device="meta")) is None


@needs_kernels
def test_two_processes_may_compile_at_once(cache):
    fork = multiprocessing.get_context("fork")
    together = fork.Barrier(2)

    def compile_kernels() -> None:
        together.wait()
        os._exit(0 if kernel_choice() == "native" else 1)

    processes = [fork.Process(target=compile_kernels) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0]
    assert len(libraries(cache)) == 1


@needs_kernels
def test_kernels_compiled_ahead_serve_where_there_is_no_compiler(cache, tmp_path, monkeypatch):
    built = library.compile_ahead(tmp_path / "ahead")
    monkeypatch.setenv("GROKCORE_KERNELS", str(built.parent))
    monkeypatch.setenv("CC", "no-such-compiler")
    _, needed = library._AHEAD[library.platform.machine()]
    if not needed <= set(library._processor().split()):
        pytest.skip("this processor is older than those that kernels are compiled ahead for")

    assert kernel_choice() == built.stem.partition("-")[2].partition("-")[2]
    assert not cache.exists()


@needs_kernels
@pytest.mark.parametrize(("compiler", "choice"), [("cc", "native"), ("no-such-compiler", "torch")])
def test_kernels_compiled_ahead_for_other_processors_are_left_alone(cache, tmp_path, monkeypatch, compiler, choice):
    built = library.compile_ahead(tmp_path / "ahead")
    monkeypatch.setenv("GROKCORE_KERNELS", str(built.parent))
    monkeypatch.setenv("CC", compiler)
    machine = library.platform.machine()
    processor, _ = library._AHEAD[machine]
    monkeypatch.setattr(library, "_AHEAD", {machine: (processor, frozenset({"an-instruction-to-come"}))})

    assert kernel_choice() == choice


def test_kernels_compiled_ahead_from_other_sources_are_left_alone(cache, tmp_path, monkeypatch):
    processor, _ = library._AHEAD[library.platform.machine()]
    (tmp_path / f"kernels-{'0' * 16}-{processor}.so").write_bytes(b"")
    monkeypatch.setenv("GROKCORE_KERNELS", str(tmp_path))
    monkeypatch.setenv("CC", "no-such-compiler")

    assert kernel_choice() == "torch"


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_compiling_ahead_without_a_compiler_that_works_says_so_in_a_line(cache, tmp_path, monkeypatch, compiler):
    monkeypatch.setenv("CC", compiler)

    with pytest.raises(InputError) as raised:
        library.compile_ahead(tmp_path)
    assert len(str(raised.value).splitlines()) == 1
