"""No library runs but one that this user has compiled, whatever others have put where the cache is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grokcore.models.fast.kernels import library
from tests.faults.dying import in_child

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here: apt-get install gcc")

ROW = "libraries planted where kernels are cached"

PLANTED = """
#include <fcntl.h>
__attribute__((constructor)) static void run(void) {{ open("{}", O_CREAT | O_WRONLY, 0600); }}
"""


class Place:
    """A cache under attack: `planted` is a library that, once loaded, leaves the file `ran`."""

    def __init__(self, folder: Path, temporary: Path) -> None:
        self.ran = folder / "ran"
        self.cache, self.temporary = folder / "cache" / "grokcore", temporary / f"grokcore-{os.getuid()}"
        source, self.planted = folder / "planted.c", folder / "planted.so"
        source.write_text(PLANTED.format(self.ran))
        subprocess.run(["cc", "-shared", "-fPIC", source, "-o", self.planted], check=True)

    def load(self) -> bool:
        """Whether a new process has kernels."""
        library.load_kernels.cache_clear()
        return in_child(lambda: os._exit(0 if library.load_kernels() is not None else 3)) == 0

    def libraries(self, top: Path) -> list[Path]:
        return sorted(top.rglob("*.so"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """With one small kernel in place of all of them, which take a while to compile."""
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "twice.c").write_text("REAL twice(REAL x) { return 2 * x; }\n")
    (tmp_path / "tmp").mkdir(mode=0o700)
    monkeypatch.setattr(library, "_sources", lambda: [sources / "twice.c"])
    monkeypatch.setattr(library, "_TYPES", {"a": "float"})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.delenv("GROKCORE_KERNELS", raising=False)
    yield Place(tmp_path, tmp_path / "tmp")
    library.load_kernels.cache_clear()


def compiled(place: Place) -> Path:
    assert place.load()
    (found,) = place.libraries(place.cache)
    return found


def test_a_library_is_compiled_once_in_a_folder_of_this_user_alone(place: Place) -> None:
    found = compiled(place)
    before = found.stat().st_ino
    assert place.load()
    assert found.stat().st_ino == before
    for folder in (place.cache, found.parent):
        assert folder.stat().st_mode & 0o777 == 0o700


ATTACKS: dict[str, Callable[[Place, Path], None]] = {}


def attack(function: Callable[[Place, Path], None]) -> Callable[[Place, Path], None]:
    ATTACKS[function.__name__] = function
    return function


@attack
def the_folder_can_be_written_by_the_group(place: Place, found: Path) -> None:
    replace(place, found)
    found.parent.chmod(0o770)


@attack
def the_folder_can_be_written_by_all(place: Place, found: Path) -> None:
    replace(place, found)
    found.parent.chmod(0o777)


@attack
def the_top_can_be_written_by_all(place: Place, found: Path) -> None:
    replace(place, found)
    place.cache.chmod(0o777)


@attack
def a_folder_on_the_way_can_be_written_by_all(place: Place, found: Path) -> None:
    replace(place, found)
    place.cache.parent.chmod(0o777)


@attack
def the_library_can_be_written_by_all(place: Place, found: Path) -> None:
    replace(place, found)
    found.chmod(0o777)


@attack
def the_library_is_a_link(place: Place, found: Path) -> None:
    replace(place, found)
    found.unlink()
    found.symlink_to(place.planted)


@attack
def the_library_is_another_one_than_was_compiled(place: Place, found: Path) -> None:
    shutil.copyfile(place.planted, found)


@attack
def the_folder_is_a_link(place: Place, found: Path) -> None:
    replace(place, found)
    found.parent.rename(place.cache.parent / "elsewhere")
    found.parent.symlink_to(place.cache.parent / "elsewhere")


@attack
def the_top_is_a_link(place: Place, found: Path) -> None:
    replace(place, found)
    place.cache.rename(place.cache.parent / "elsewhere")
    place.cache.symlink_to(place.cache.parent / "elsewhere")


@attack
def another_user_has_made_the_folder(place: Place, found: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root gives a folder to somebody else")
    replace(place, found)
    os.chown(found.parent, 12345, 12345)


@attack
def another_user_has_made_the_library(place: Place, found: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root gives a file to somebody else")
    replace(place, found)
    os.chown(found, 12345, 12345)


@attack
def only_the_temporary_folder_is_left_and_its_name_is_a_link(place: Place, found: Path) -> None:
    replace(place, found)
    place.cache.rename(place.temporary.parent / "elsewhere")
    place.temporary.symlink_to(place.temporary.parent / "elsewhere")
    place.cache.write_text("no folder")


def replace(place: Place, found: Path) -> None:
    """Put the planted library in place of the compiled one, and its digest with it."""
    shutil.copyfile(place.planted, found)
    for digest in found.parent.glob("*.sha256"):
        digest.write_text(library.sha256(found))


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize("name", ATTACKS)
def test_a_planted_library_never_runs(name: str, place: Place) -> None:
    ATTACKS[name](place, compiled(place))
    assert place.load(), "this process compiles one for itself"
    assert not place.ran.exists()
