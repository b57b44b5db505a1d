"""From a template to a page that is complete in itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from grokcore.reporting import embed, formatting
from grokcore.reporting.figures import Chart
from grokcore.reporting.palette import DASH_LENGTHS


def render_page(template: str, drawn: Sequence[Chart], /, **content: Any) -> str:
    """The HTML of a page with the charts `drawn`; `content` is what the template shows."""
    bokeh, own = embed.bokeh_script(), _template_file("report.js")
    return (
        _environment()
        .get_template(template)
        .render(
            **content,
            dashes=DASH_LENGTHS,
            format=formatting,
            policy=embed.content_policy([bokeh, own]),
            bokeh=Markup(bokeh),  # noqa: S704 - the library's own code
            own=Markup(own),  # noqa: S704 - our own code
            style=Markup(_template_file("report.css")),  # noqa: S704 - our own style sheet
            data=Markup(embed.charts_json(drawn)),  # noqa: S704 - JSON without < > &
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
