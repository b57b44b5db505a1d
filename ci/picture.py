"""A picture of `grokcore watch`, from what it really writes to a terminal: python ci/picture.py RUN_URI --out FILE.svg

The program runs in a pseudo-terminal of the wanted size; its last frame becomes an SVG. Block elements are drawn as
rectangles, since fonts leave gaps between them.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT, MARGIN = 8.4, 18.0, 16.0
"""Of a character, and around all, in pixels."""
BLOCKS = " ▁▂▃▄▅▆▇█"
COLORS = {"0": "#d8dee9", "2": "#7b8494", "31": "#e06c75", "32": "#98c379", "33": "#e5c07b", "36": "#56b6c2"}
FRAME = re.compile(r"\x1b\[\?2026h(.*?)\x1b\[\?2026l", re.DOTALL)
PART = re.compile(r"\x1b\[([0-9]+)m(.*?)\x1b\[0m|([^\x1b]+)", re.DOTALL)


def last_frame(run: str, columns: int, lines: int) -> list[str]:
    """The rows of the last view that `grokcore watch` draws, with the codes of their colors."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns + 1, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    command = [sys.executable, "-m", "grokcore", "watch", run]
    environment |= {"TERM": "xterm-256color", "PYTHONUTF8": "1"}
    process = subprocess.Popen(command, stdin=side, stdout=side, stderr=side, env=environment)
    os.close(side)
    written = b""
    while True:
        try:
            content = os.read(main, 65536)
        except OSError:  # the program has ended
            break
        written += content
    if process.wait() != 0:
        raise SystemExit(written.decode(errors="replace").strip())
    frame = FRAME.findall(written.decode().replace("\r\n", "\n"))[-1]
    return [row.rpartition("\r")[2] for row in re.sub(r"\x1b\[[0-9]*[AJ]", "", frame).split("\x1b[K\n")[:-1]]


def drawn(row: str, number: int) -> Iterator[str]:
    """A row's rectangles and texts."""
    column, top = 0, MARGIN + number * HEIGHT
    for part in PART.finditer(row):
        code, text = part[1] or "0", part[2] if part[1] else part[3]
        for piece in re.findall(f"[{BLOCKS[1:]}]+|[━─]+|[^{BLOCKS[1:]}━─]+", text):
            left, color = MARGIN + column * WIDTH, COLORS.get(code, COLORS["0"])
            if piece[0] in BLOCKS[1:]:
                for place, block in enumerate(piece):
                    tall = HEIGHT * BLOCKS.index(block) / 8
                    yield (
                        f'<rect x="{left + place * WIDTH:.1f}" y="{top + HEIGHT - tall:.1f}" '
                        f'width="{WIDTH + 0.2:.1f}" height="{tall + 0.2:.1f}" fill="{color}"/>'
                    )
            elif piece[0] in "━─":
                thick = 4 if piece[0] == "━" else 1
                yield (
                    f'<rect x="{left:.1f}" y="{top + (HEIGHT - thick) / 2:.1f}" width="{len(piece) * WIDTH:.1f}" '
                    f'height="{thick}" fill="{color}"/>'
                )
            elif piece.strip():
                indent = len(piece) - len(piece.lstrip())
                label = piece.strip()
                weight = ' font-weight="bold"' if code == "1" else ""
                yield (
                    f'<text x="{left + indent * WIDTH:.1f}" y="{top + 0.75 * HEIGHT:.1f}" fill="{color}"{weight} '
                    f'textLength="{len(label) * WIDTH:.1f}" xml:space="preserve">{escape(label)}</text>'
                )
            column += len(piece)


def picture(rows: list[str], columns: int) -> str:
    width, height = columns * WIDTH + 2 * MARGIN, len(rows) * HEIGHT + 2 * MARGIN
    font = 'font-family="ui-monospace, Menlo, DejaVu Sans Mono, monospace" font-size="14"'
    style = f'{font} shape-rendering="crispEdges"'
    shapes = [shape for number, row in enumerate(rows) for shape in drawn(row, number)]
    size = f'width="{width:.0f}" height="{height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" {size} {style}>'
    return "\n".join([head, f'<rect {size} rx="8" fill="#1e222a"/>', *shapes, "</svg>\n"])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", metavar="RUN_URI", help="a run that has ended")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the SVG to write")
    parser.add_argument("--columns", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--lines", type=int, default=28, help="default: %(default)s")
    options = parser.parse_args()
    rows = last_frame(options.run, options.columns, options.lines)
    options.out.write_text(picture(rows, options.columns), "utf-8")


if __name__ == "__main__":
    main()
