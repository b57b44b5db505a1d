"""ci/gpu --pack and --wheels: what is carried to a machine without network, and what comes first there."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from ci.gpuchecks import pack, wheels
from ci.gpuchecks.__main__ import main
from ci.gpuchecks.runner import ROOT


def make_wheel(folder: Path, name: str, version: str, body: str = "") -> Path:
    """Write a wheel of one module."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", body or f"version = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def test_carried_wheels_come_before_other_versions(tmp_path: Path) -> None:
    carried = tmp_path / "pack"
    carried.mkdir()
    make_wheel(carried, "idna", "99.0")  # installed here in another version
    make_wheel(carried, "not_anywhere", "1.0")

    environment = wheels.install(carried, tmp_path / "site")

    code = "import idna, not_anywhere; from importlib import metadata; print(idna.version, metadata.version('idna'))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["99.0", "99.0"]
    begun = (tmp_path / "site" / "idna.py").stat().st_mtime_ns
    wheels.install(carried, tmp_path / "site")
    assert (tmp_path / "site" / "idna.py").stat().st_mtime_ns == begun, "the same wheels are not installed again"


def test_a_pack_for_another_python_or_without_wheels_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--rehearse", "--out", str(tmp_path / "out"), "--only", "environment", "--wheels", str(tmp_path)]
    assert main(options) == 2
    assert "there is no wheel in" in capsys.readouterr().err
    make_wheel(tmp_path, "not_anywhere", "1.0")
    (tmp_path / wheels.NOTES).write_text(json.dumps({"python": "3.9"}))
    assert main(options) == 2
    assert "is for Python 3.9 and this is" in capsys.readouterr().err


def test_a_pack_holds_what_is_most_important_and_says_what_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wheel(name: str, scratch: Path, python: str) -> Path:
        assert python == "3.12"
        if name == "pyarrow":
            raise wheels.WheelsError("26.0.1: no wheel")
        path = scratch / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
        path.write_bytes(bytes(2**20 if name != "bokeh" else 20 * 2**20))
        return path

    monkeypatch.setattr(pack, "_wheel", wheel)
    left_out = {one.package: one.why for one in pack.make_pack(tmp_path, limit_mib=14, there=["scipy"])}
    packed = {path.name.partition("-")[0] for path in tmp_path.glob("*.whl")}
    assert {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "pyyaml", "safetensors"} <= packed
    assert not packed & {"torch", "transformers", "numpy", "scipy", "triton", "sympy", "tokenizers", "grokcore"}
    assert sum(path.stat().st_size for path in tmp_path.glob("*.whl")) <= 14 * 2**20
    assert left_out["pyarrow"] == "26.0.1: no wheel"
    assert left_out["bokeh"] == "20.0 MiB, for report, are over the limit"
    assert "source only" in left_out["mamba-ssm"]
    assert json.loads((tmp_path / wheels.NOTES).read_text())["left_out"] == left_out


def test_all_that_grokcore_needs_is_packed_or_on_the_machine() -> None:
    optional = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    packed = {extra for _, extras, _ in pack.GROUPS for extra in extras}
    assert packed == {"train", "report", "metrics", "deepspeed"} <= optional.keys()
    assert set(pack.NEVER) == {"mamba-ssm", "causal-conv1d"} <= {text.split(">")[0] for text in optional["cuda"]}
