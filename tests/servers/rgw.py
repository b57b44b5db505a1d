"""A real object store for tests: Ceph's RGW over one monitor and one OSD that keeps its data in memory.

About three seconds and 150 MB. Nothing listens but on 127.0.0.1, and all of it dies with the process that started it.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path

PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "ceph-authtool", "monmaptool")
_PATIENCE = 60.0
"""Seconds until a part that does not start is an error."""

_CONFIGURATION = """\
[global]
fsid = {cluster}
mon host = [v2:127.0.0.1:{monitor_port}/0]
keyring = {directory}/keyring
public network = 127.0.0.0/8
ms bind msgr1 = false
run dir = {directory}
admin socket =
log file = {directory}/$name.log
# one copy of everything, in few placement groups
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
[mon]
mon data = {directory}/mon
# decide at once: there is nobody to wait for
paxos propose interval = 0.05
paxos min wait = 0.01
# a disk that is nearly full stops no test
mon data avail crit = 1
mon data avail warn = 2
[osd]
osd data = {directory}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
[client]
rgw data = {directory}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw thread pool size = 32
rgw run sync thread = false
# pages that a test can fill
rgw max listing results = 100
rgw enable usage log = false
"""


_RIGHTS = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *"},
}
"""What each part may do at the others; radosgw speaks to no monitor that asks for no key."""


class Gateway:
    """A running store.

    Attributes:
        endpoint: its URL.
        access_key, secret_key: of a user who may do anything.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._processes: list[subprocess.Popen[bytes]] = []
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.access_key = f"AK{secrets.token_hex(9).upper()}"
        self.secret_key = f"SK{secrets.token_hex(19)}"

    @staticmethod
    def missing() -> list[str]:
        """The programs that a machine would need for it and has not."""
        return [program for program in PROGRAMS if shutil.which(program) is None]

    def start(self) -> None:
        """Raises RuntimeError, with the log's last lines, if a part does not start."""
        for name in ("mon", "osd", "rgw"):
            (self._directory / name).mkdir(parents=True)
        cluster, disk, monitor_port = uuid.uuid4(), uuid.uuid4(), free_port()
        (self._directory / "ceph.conf").write_text(
            _CONFIGURATION.format(cluster=cluster, monitor_port=monitor_port, directory=self._directory, port=self.port)
        )
        try:
            monmap = self._directory / "monmap"
            address = f"[v2:127.0.0.1:{monitor_port}/0]"
            _run("monmaptool", "--create", "--fsid", str(cluster), "--addv", "a", address, str(monmap))
            keyring = self._directory / "keyring"
            for name, rights in _RIGHTS.items():
                granted = [word for service, right in rights.items() for word in ("--cap", service, right)]
                new = () if keyring.exists() else ("--create-keyring",)
                _run("ceph-authtool", *new, str(keyring), "--gen-key", "--name", name, *granted)
            self._ceph("ceph-mon", "--mkfs", "--id", "a", "--monmap", str(monmap), "--keyring", str(keyring))
            self._daemon("ceph-mon", "--id", "a")
            self._ceph("ceph", "--connect-timeout", "30", "osd", "new", str(disk))
            self._ceph("ceph-osd", "--mkfs", "--id", "0", "--osd-uuid", str(disk))
            self._daemon("ceph-osd", "--id", "0")
            self._ceph(
                *("radosgw-admin", "user", "create", "--uid", "tester", "--display-name", "tester"),
                *("--access-key", self.access_key, "--secret-key", self.secret_key),
            )
            self._daemon("radosgw", "--name", "client.admin", "--keyring", str(keyring))
            _wait_until(self._answers, "radosgw", self._directory / "client.admin.log")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.kill()  # nothing of it is to be kept
        for process in self._processes:
            process.wait()
        self._processes.clear()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _ceph(self, program: str, *arguments: str) -> None:
        _run(program, "--conf", str(self._directory / "ceph.conf"), *arguments)

    def _daemon(self, program: str, *arguments: str) -> None:
        command = [program, "--foreground", "--conf", str(self._directory / "ceph.conf"), *arguments]
        with (self._directory / f"{program}.out").open("wb") as output:
            self._processes.append(subprocess.Popen(command, stdout=output, stderr=output, preexec_fn=_die_with_parent))

    def _answers(self) -> bool:
        for process in self._processes:
            if process.poll() is not None:
                raise RuntimeError(f"{process.args} ended with {process.returncode}")
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status < 500
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False, env=_environment())
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")


def _environment() -> dict[str, str]:
    """Without what would turn the programs to another cluster."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CEPH_")}


def _wait_until(condition: Callable[[], bool], name: str, log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > end:
            said = log.read_text("utf-8", "replace")[-2000:] if log.exists() else "nothing in its log"
            raise RuntimeError(f"{name} has not started in {_PATIENCE:.0f} s: {said}")
        time.sleep(0.05)
