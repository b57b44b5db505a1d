"""Render a template as one HTML file with its charts as data; it loads nothing and allows no other script."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from bokeh.core.json_encoder import serialize_json
from bokeh.document import Document
from bokeh.resources import Resources
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from grokcore.reporting import formatting
from grokcore.reporting.figures import Chart
from grokcore.reporting.palette import DASH_LENGTHS


@dataclass(frozen=True)
class PagePart:
    """A part that not every page has, with a style sheet and a script of its own in `templates/`, NAME.css and NAME.js.

    Attributes:
        data: JSON for the script, in the element NAME-data.
    """

    name: str
    data: Markup

    @property
    def style(self) -> Markup:
        return Markup(_template_file(f"{self.name}.css"))  # noqa: S704 - our own style sheet

    @property
    def script(self) -> Markup:
        return Markup(_template_file(f"{self.name}.js"))  # noqa: S704 - our own code


def page_part(name: str, data: Any) -> PagePart:
    return PagePart(name, Markup(json_for_script(data)))  # noqa: S704 - JSON without < > &


def render_page(template: str, drawn: Sequence[Chart], /, *, parts: Sequence[PagePart] = (), **content: Any) -> str:
    """The HTML of a page with the charts `drawn`; `content` is what the template shows."""
    bokeh, own = bokeh_script(), _template_file("report.js")
    return (
        _environment()
        .get_template(template)
        .render(
            **content,
            dashes=DASH_LENGTHS,
            format=formatting,
            parts=parts,
            policy=content_policy([bokeh, own, *(part.script for part in parts)]),
            bokeh=Markup(bokeh),  # noqa: S704 - the library's own code
            own=Markup(own),  # noqa: S704 - our own code
            style=Markup(_template_file("report.css")),  # noqa: S704 - our own style sheet
            data=Markup(charts_json(drawn)),  # noqa: S704 - JSON without < > &
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_template_file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _template_file(name: str) -> str:
    return (resources.files("grokcore.reporting") / "templates" / name).read_text("utf-8")


_DOCUMENT = "grokcore"


@cache
def bokeh_script() -> str:
    """The code of Bokeh's core bundle: no widgets, no tables, no WebGL, no MathJax."""
    code: str = Resources(mode="inline", components=["bokeh"], minified=True).js_raw[0]
    return code


def charts_json(charts: Sequence[Chart]) -> str:
    """All charts as one JSON text that can stand inside a script element.

    Keys: `documents` and `items` for Bokeh.embed.embed_items, `toggles` from a legend button's number to model ids.
    The same charts give the same text: Bokeh numbers its models anew here, not from its process-wide counter.
    """
    document = Document(title=_DOCUMENT)
    with document.models.freeze():  # else each root counts all models anew
        for chart in charts:
            document.add_root(chart.figure)
    content = json.loads(serialize_json(document.to_json()))
    names: dict[str, str] = {}
    _renumber(content, names)
    toggles: dict[int, list[str]] = {}
    for chart in charts:
        for button, models in chart.toggles.items():
            toggles.setdefault(button, []).extend(names[model.id] for model in models)
    roots = {names[chart.figure.id]: chart.element for chart in charts}
    return json_for_script(
        {
            "documents": {_DOCUMENT: content},
            "items": [{"docid": _DOCUMENT, "roots": roots, "root_ids": list(roots)}],
            "toggles": [toggles.get(button, []) for button in range(max(toggles, default=-1) + 1)],
        }
    )


def json_for_script(value: Any) -> str:
    """JSON in which no character can end the script element around it or start a comment in it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def content_policy(scripts: Sequence[str]) -> str:
    """A Content-Security-Policy under which a page runs `scripts` and nothing else, asking the network for nothing."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _renumber(value: Any, names: dict[str, str]) -> None:
    """Give models the numbers of their order in the document.

    Bokeh writes a dictionary of ours as a list of entries, so that a key `id` is always a model's.
    """
    if isinstance(value, dict):
        if isinstance(value.get("id"), str):
            value["id"] = names.setdefault(value["id"], f"m{len(names)}")
        for part in value.values():
            _renumber(part, names)
    elif isinstance(value, list):
        for part in value:
            _renumber(part, names)
