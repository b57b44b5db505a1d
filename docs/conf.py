"""Configuration of the documentation site: Markdown pages, built by Sphinx. `ci/docs` builds it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx

logger = logging.getLogger(__name__)
DOCS = Path(__file__).parent
REPOSITORY = "https://github.com/grokcore/grokcore"

project = "grokcore"
author = "the authors of grokcore"
project_copyright = "the authors of grokcore, Apache-2.0"
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3  # links to headings are written as on GitHub: page.md#the-heading
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "grokcore"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = html_show_sphinx = False
pygments_style, pygments_dark_style = "friendly", "monokai"


def link_to_repository(_app: Sphinx, docname: str, source: list[str]) -> None:
    """Point links that leave docs/ at the repository, since the site holds its own pages only.

    A file or folder that does not exist is a warning, which fails the build. Images are left alone: Sphinx copies them.
    """

    def point(link: re.Match[str]) -> str:
        path, _, anchor = link["target"].partition("#")
        target = (DOCS / docname).parent / path
        if not target.exists():
            logger.warning("%s is not in the repository", path, location=docname)
        kind = "tree" if target.is_dir() else "blob"
        inside = target.resolve().relative_to(DOCS.parent.resolve())
        return f"{link['text']}]({REPOSITORY}/{kind}/main/{inside}{'#' + anchor if anchor else ''})"

    source[0] = re.sub(r"(?P<text>(?<!!)\[[^\]]*)\]\((?P<target>\.\./[^)\s]+)\)", point, source[0])


def setup(app: Sphinx) -> None:
    app.connect("source-read", link_to_repository)
