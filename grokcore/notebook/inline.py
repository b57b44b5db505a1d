"""Charts and pages that draw themselves in a notebook, in a frame of their own: nothing is fetched, nothing leaks."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

from grokcore.reporting.chart_page import ChartPage
from grokcore.storage import open_parent


@dataclass(frozen=True, repr=False)
class Inline:
    """A page that a notebook shows where it is the value of a cell.

    The frame is closed off from the notebook: its scripts reach neither the notebook's page nor the network. It is
    drawn again when the notebook is opened, exported or sent, without a running kernel.

    Attributes:
        html: the page, complete in itself.
        title: what it shows.
        height: of the frame, in pixels.
    """

    html: str
    title: str
    height: int

    def save(self, out: str | Path) -> str:
        """Write the page to a file or an `s3://` URI, and return where it lies."""
        store, name = open_parent(out)
        store.write(name, self.html.encode("utf-8", "replace"))
        return str(out)

    def _repr_html_(self) -> str:
        page = escape(self.html.encode("utf-8", "replace").decode(), quote=True)
        return (
            f'<iframe srcdoc="{page}" title="{escape(self.title, quote=True)}" sandbox="allow-scripts allow-downloads" '
            f'style="width: 100%; height: {self.height}px; border: 0; background: #fff"></iframe>'
        )

    def __repr__(self) -> str:
        return f"{self.title}: a notebook draws it; .save('page.html') writes it to a file"


def inline_charts(page: ChartPage) -> Inline:
    """Put a page of charts into a frame that is as high as they are: titles and buttons take room as well."""
    rows_of_buttons = -(-sum(len(button.label) + 8 for button in page.buttons) // 90)
    height = 60 + 34 * rows_of_buttons + sum(chart.figure.height + 56 for chart in page.charts)
    titles = list(dict.fromkeys(chart.title for chart in page.charts))
    count = len(page.charts)
    return Inline(page.html, f"{count} chart{'' if count == 1 else 's'}: {', '.join(titles)}", height)
