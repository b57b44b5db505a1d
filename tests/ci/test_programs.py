"""Programs that tests start: how they are installed, and what is said of those that are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.programs import missing_programs

ROOT = Path(__file__).parents[2]

APT = """#!/bin/bash
echo "$*" >> calls
case "$*" in
  *update) [ "$(grep -c 'update$' calls)" -gt 2 ] && exit
           echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 12 (apt-get)"; exit 100 ;;
  *radosgw*) echo "Reading package lists..."; echo "E: Unable to locate package radosgw"; exit 100 ;;
  *) for package in "$@"; do ln -s /bin/true "bin/$package" 2>/dev/null; done; exit 0 ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine without any of the programs, whose package lists are locked twice, and which has no radosgw."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "cat", "dirname", "grep", "ln", "mktemp", "rm", "tail"):
        (programs / name).symlink_to(shutil.which(name) or name)
    for name, script in {"apt-get": APT, "id": "#!/bin/bash\necho 0\n", "sleep": "#!/bin/bash\n"}.items():
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    return tmp_path


def install(machine: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `ci/programs` on that machine."""
    return subprocess.run(
        ["bash", ROOT / "ci" / "programs", *arguments],
        cwd=machine,
        env={**os.environ, "PATH": str(machine / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_installation_waits_for_the_lock_names_what_failed_and_goes_on(machine: Path) -> None:
    done = install(machine)
    assert done.returncode == 0, done.stderr
    (failed,) = [line for line in done.stderr.splitlines() if not line.startswith("installing ")]
    assert failed.startswith("radosgw could not be installed (radosgw ceph-mon ceph-osd ceph-common)")
    assert failed.endswith("will be skipped: E: Unable to locate package radosgw")
    calls = (machine / "calls").read_text().splitlines()
    assert sum(call.endswith("update") for call in calls) == 3
    assert all("DPkg::Lock::Timeout=" in call for call in calls)
    assert (machine / "bin" / "prometheus-pushgateway").exists(), "installed after the one that failed"


def test_only_the_extended_tests_need_container_engines(machine: Path) -> None:
    install(machine)
    assert "podman" not in (machine / "calls").read_text()
    install(machine, "--all")
    assert "podman runc" in (machine / "calls").read_text()


def test_what_is_there_is_not_installed_again(machine: Path) -> None:
    for name in ("chromium", "radosgw", "prometheus", "prometheus-pushgateway"):
        (machine / "bin" / name).symlink_to("/bin/true")
    assert install(machine).stderr == ""
    assert not (machine / "calls").exists()


def test_the_suite_says_what_it_runs() -> None:
    done = subprocess.run([ROOT / "ci" / "test", "--help"], capture_output=True, text=True, check=True)
    assert "--all" in done.stdout


def test_skipped_tests_are_counted_by_the_program_that_is_missing() -> None:
    reasons = ["Skipped: no buildah here: apt-get install buildah", "Skipped: Mamba's blocks have no MLP"]
    reasons += 2 * ["Skipped: no radosgw, ceph-mon here: apt-get install radosgw ceph-mon"]
    assert missing_programs(reasons) == [
        "radosgw, ceph-mon: 2 tests (apt-get install radosgw ceph-mon)",
        "buildah: 1 test (apt-get install buildah)",
    ]
