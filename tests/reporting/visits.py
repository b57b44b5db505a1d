"""A page in a real browser, and everything that it must not do there."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image


class Visit:
    """A page in the browser, and everything that it must not do."""

    def __init__(self, browser: Any, html: str, *, width: int = 1280, embedded: bool = False) -> None:
        self.problems: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900})
        self.page.set_default_navigation_timeout(60_000)
        self.page.on("console", lambda message: self._note_if(message.type in ("error", "warning"), message.text))
        self.page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.route("**/*", self._route)
        self.content = html
        if embedded:
            self.content = '<iframe sandbox="allow-scripts" style="width:100%;height:860px"></iframe>'
            self.page.goto("http://report.test/")
            self.page.evaluate("html => { document.querySelector('iframe').srcdoc = html }", html)
            self.page.wait_for_timeout(50)
            self.frame = next(frame for frame in self.page.frames if frame != self.page.main_frame)
        else:
            self.page.goto("http://report.test/")
            self.frame = self.page.main_frame
        self.frame.wait_for_selector("html[data-charts=drawn]", timeout=60_000)
        self.page.wait_for_timeout(200)

    def _note_if(self, bad: bool, text: str) -> None:
        if bad:
            self.problems.append(f"console: {text}")

    def _dialog(self, dialog: Any) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _route(self, route: Any) -> None:
        if route.request.url == "http://report.test/":
            route.fulfill(content_type="text/html; charset=utf-8", body=self.content)
        else:
            self.problems.append(f"request: {route.request.url}")
            route.abort()

    def picture(self, selector: str) -> Image.Image:
        return Image.open(io.BytesIO(self.frame.locator(selector).screenshot())).convert("RGB")

    def hover_texts(self, selector: str, share: float = 0.3) -> list[str]:
        """The tooltips on a walk down a chart, at a share of its width, by default where its curves are still flat."""
        self.frame.locator(selector).scroll_into_view_if_needed()
        box = self.frame.locator(selector).bounding_box()
        found = []
        for part in range(20, 85, 2):
            self.page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] * part / 100)
            self.frame.evaluate("new Promise(requestAnimationFrame)")  # Bokeh answers once a frame
            text = self.frame.evaluate(TOOLTIPS)
            if text:
                found.append(text)
        return found


TOOLTIPS = """() => {
  const texts = [];
  const walk = (node) => {
    if (node.classList?.contains("bk-Tooltip") && getComputedStyle(node).display !== "none") {
      const parts = [...node.shadowRoot.children].filter((part) => !["style", "link"].includes(part.localName));
      texts.push(parts.map((part) => part.innerText).join(" "));
    }
    for (const child of [...(node.shadowRoot?.children ?? []), ...node.children]) walk(child);
  };
  walk(document.body);
  return texts.join("\\n");
}"""
DEEP_COUNT = """tag => {
  let count = 0;
  const walk = (node) => {
    if (node.localName === tag) count += 1;
    for (const child of [...(node.shadowRoot?.children ?? []), ...node.children]) walk(child);
  };
  walk(document.documentElement);
  return count;
}"""


def share_of(picture: Image.Image, color: str, *, near: int = 40) -> float:
    """The share of pixels near a color."""
    wanted = [int(color[place : place + 2], 16) for place in (1, 3, 5)]
    return float((np.abs(np.asarray(picture, dtype=int) - wanted) <= near).all(axis=-1).mean())
