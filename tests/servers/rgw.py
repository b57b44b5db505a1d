"""A real object store for tests: Ceph's RGW over one monitor and one OSD that keeps its data in memory.

About three seconds and 150 MB. Nothing listens but on 127.0.0.1, and all of it dies with the process that started it.
"""

from __future__ import annotations

import os
import secrets
import uuid
from http.client import HTTPConnection
from pathlib import Path

from tests.servers.process import Server, answers, free_port, run

PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "ceph-authtool", "monmaptool")

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
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw thread pool size = 32
rgw run sync thread = false
# pages that a test can fill
rgw max listing results = {page}
rgw enable usage log = false
"""


_RIGHTS = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *"},
}
"""What each part may do at the others; radosgw speaks to no monitor that asks for no key."""


class Gateway(Server):
    """A running store.

    Attributes:
        endpoint: its URL.
        access_key, secret_key: of a user who may do anything.
        page: most keys of a listing.
    """

    PROGRAMS = PROGRAMS
    REMEDY = "apt-get install radosgw ceph-mon ceph-osd ceph-common"

    def __init__(self, directory: Path, page: int = 100) -> None:
        super().__init__(directory)
        self.page = page
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.access_key = f"AK{secrets.token_hex(9).upper()}"
        self.secret_key = f"SK{secrets.token_hex(19)}"

    def start(self) -> None:
        for name in ("mon", "osd", "rgw"):
            (self.directory / name).mkdir(parents=True)
        cluster, disk, monitor_port = str(uuid.uuid4()), str(uuid.uuid4()), free_port()
        monmap, keyring = str(self.directory / "monmap"), str(self.directory / "keyring")
        (self.directory / "ceph.conf").write_text(
            _CONFIGURATION.format(
                cluster=cluster,
                monitor_port=monitor_port,
                directory=self.directory,
                port=self.port,
                page=self.page,
            )
        )
        run("monmaptool", "--create", "--fsid", cluster, "--addv", "a", f"[v2:127.0.0.1:{monitor_port}/0]", monmap)
        run("ceph-authtool", "--create-keyring", keyring)
        for name, rights in _RIGHTS.items():
            granted = [word for service, right in rights.items() for word in ("--cap", service, right)]
            run("ceph-authtool", keyring, "--gen-key", "--name", name, *granted)
        self._run("ceph-mon", "--mkfs", "--id", "a", "--monmap", monmap, "--keyring", keyring)
        self._start("ceph-mon", "--id", "a")
        self._run("ceph", "--connect-timeout", "30", "osd", "new", disk)
        self._run("ceph-osd", "--mkfs", "--id", "0", "--osd-uuid", disk)
        self._start("ceph-osd", "--id", "0")
        self._run(
            *("radosgw-admin", "user", "create", "--uid", "tester", "--display-name", "tester"),
            *("--access-key", self.access_key, "--secret-key", self.secret_key),
        )
        self._start("radosgw", "--name", "client.admin", "--keyring", keyring)
        self.wait_until(lambda: answers(HTTPConnection("127.0.0.1", self.port, timeout=5)))

    def _run(self, program: str, *arguments: str) -> None:
        to_no_other_cluster = {name: value for name, value in os.environ.items() if not name.startswith("CEPH_")}
        run(program, "--conf", str(self.directory / "ceph.conf"), *arguments, env=to_no_other_cluster)

    def _start(self, program: str, *arguments: str) -> None:
        self.start_process(program, "--foreground", "--conf", str(self.directory / "ceph.conf"), *arguments)
