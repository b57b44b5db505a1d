"""The site: it builds, fails on what is broken, has every page in its navigation, and loads nothing from elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(page.stem for page in DOCS.glob("*.md"))
LOADED = re.compile(
    r"""<(?:script|img|source|iframe)[^>]*\ssrc=["']([^"']+)|<link(?![^>]*rel="(?:next|prev|index|search)")[^>]*href=["']([^"']+)"""
)


def build(docs: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Run the command of ci/docs on other folders."""
    options = re.search(r"-m sphinx (.*?) \"\$@\"", (ROOT / "ci" / "docs").read_text())
    assert options
    command = [sys.executable, "-m", "sphinx", *options[1].split(), "--quiet", str(docs), str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; read only."""
    pytest.importorskip("sphinx")
    out = tmp_path_factory.mktemp("site")
    done = build(DOCS, out)
    assert done.returncode == 0, done.stderr
    return out


def test_every_page_is_built_and_in_the_navigation(site: Path) -> None:
    home = (site / "index.html").read_text("utf-8")
    assert len(PAGES) > 12
    for page in PAGES:
        assert (site / f"{page}.html").exists()
        assert page == "index" or f'class="reference internal" href="{page}.html"' in home, page


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = [
        (page.name, "".join(found))
        for page in site.rglob("*.html")
        for found in LOADED.findall(page.read_text("utf-8"))
    ]
    assert len(loaded) > 50
    assert [(page, target) for page, target in loaded if re.match(r"(\w+:)?//", target)] == []
    styles = "".join(path.read_text("utf-8") for path in site.rglob("*.css"))
    assert "@media" in styles
    assert re.findall(r"""(?:@import|url\()\s*["']?(?:https?:)?//[^)]*""", styles) == []
    for drawing in (DOCS / "drawings").glob("*.svg"):
        assert re.findall(r"(?:href|src)=|url\(", drawing.read_text("utf-8")) == []


def test_links_out_of_the_documentation_lead_to_the_repository(site: Path) -> None:
    tasks = (site / "tasks.html").read_text("utf-8")
    assert 'href="https://github.com/grokcore/grokcore/blob/main/grokcore/tasks/comparison.py"' in tasks
    assert 'href="../' not in tasks


def test_the_build_fails_on_every_kind_of_broken_link(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    docs = tmp_path / "docs"
    docs.mkdir()
    shutil.copy(DOCS / "conf.py", docs)
    shutil.copytree(DOCS / "_static", docs / "_static")
    broken = ("nowhere.md", "index.md#nothing-of-this-name", "../nowhere.py", "drawings/nowhere.svg")
    links = [f"{'!' * link.endswith('.svg')}[a link]({link})" for link in broken]
    (docs / "index.md").write_text("# Home\n\n" + "\n\n".join(links), "utf-8")
    (docs / "alone.md").write_text("# A page outside the navigation\n", "utf-8")
    done = build(docs, tmp_path / "site")
    assert done.returncode != 0
    for complaint in (*broken, "alone.md"):
        assert (complaint.partition("#")[2] or complaint) in done.stderr
