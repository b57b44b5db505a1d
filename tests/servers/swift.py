"""A second object store for tests, over TLS: OpenStack Swift with its S3 interface. Two seconds and 290 MB.

Unlike RGW it takes checksums in trailers and refuses content of another SHA-256; but of several writers several win.
"""

from __future__ import annotations

import getpass
import importlib.util
import secrets
import ssl
import sys
from http.client import HTTPSConnection
from pathlib import Path

from tests.servers.process import Server, answers, free_port, run

_SERVERS = ("account", "container", "object")
_FILTERS = "catch_errors gatekeeper listing_formats bulk s3api tempauth copy slo dlo versioned_writes symlink"

_COMMON = """\
[DEFAULT]
user = {user}
swift_dir = {directory}
devices = {directory}/disks
mount_check = false
workers = 0
bind_ip = 127.0.0.1
bind_port = {port}
log_name = {name}
# a log server that is not there, in place of the machine's
log_udp_host = 127.0.0.1
log_udp_port = 9
"""
_BACKEND = """\
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
_FRONT = """\
cert_file = {directory}/certificate.pem
key_file = {directory}/key.pem
[pipeline:main]
pipeline = {filters} {name}-server
[app:{name}-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
location = us-east-1
min_segment_size = 5242880
[filter:tempauth]
use = egg:swift#tempauth
user_lab_researcher = {secret_key} .admin
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
"""
_RINGS = """
import sys
from swift.common.ring import RingBuilder
directory = sys.argv[1]
for name, port in (argument.split("=") for argument in sys.argv[2:]):
    builder = RingBuilder(part_power=4, replicas=1, min_part_hours=0)
    builder.add_dev(dict(id=0, region=1, zone=1, weight=1.0, device="disk", ip="127.0.0.1", port=int(port)))
    builder.rebalance()
    builder.get_ring().save(f"{directory}/{name}.ring.gz")
"""


class Swift(Server):
    """A running store.

    Attributes:
        endpoint: its URL.
        certificate: file with the certificate that it shows, which nobody has signed.
    """

    PROGRAMS = ("openssl",)
    REMEDY = "apt-get install openssl"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.port = free_port()
        self.endpoint = f"https://127.0.0.1:{self.port}"
        self.certificate = directory / "certificate.pem"
        self.access_key = "lab:researcher"
        self.secret_key = secrets.token_hex(16)

    @classmethod
    def obstacle(cls) -> str:
        if importlib.util.find_spec("swift") is None:
            return "no swift here: pip install 'grokcore[dev]'"
        return super().obstacle()

    def start(self) -> None:
        (self.directory / "disks" / "disk").mkdir(parents=True)
        ports = {name: free_port() for name in _SERVERS}
        suffixes = f"[swift-hash]\nswift_hash_path_suffix = {secrets.token_hex()}\n"
        (self.directory / "swift.conf").write_text(suffixes + "[storage-policy:0]\nname = one\ndefault = yes\n")
        front = _FRONT + "".join(
            f"[filter:{name}]\nuse = egg:swift#{name}\n"
            for name in _FILTERS.split()
            if f"[filter:{name}]" not in _FRONT
        )
        run(sys.executable, "-c", _RINGS, str(self.directory), *(f"{name}={port}" for name, port in ports.items()))
        run(
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-out", str(self.certificate)),
            *("-keyout", str(self.directory / "key.pem")),
        )
        for name, port in ports.items():
            self._start(name, port, _BACKEND)
        self._start("proxy", self.port, front)
        trusted = ssl.create_default_context(cafile=str(self.certificate))
        self.wait_until(lambda: answers(HTTPSConnection("127.0.0.1", self.port, timeout=5, context=trusted)))

    def _start(self, name: str, port: int, configuration: str) -> None:
        text = (_COMMON + configuration).format(
            user=getpass.getuser(),
            directory=self.directory,
            port=port,
            name=name,
            secret_key=self.secret_key,
            filters=_FILTERS,
        )
        path = self.directory / f"{name}.conf"
        path.write_text(text)
        self.start_process(str(Path(sys.executable).with_name(f"swift-{name}-server")), str(path))
