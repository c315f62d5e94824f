"""Draw: tables and pictures as the lines of a report."""

import shutil
import sys
from io import StringIO

from rich.console import Console, RenderableType


def drawn(what: RenderableType, width: int | None = None, colour: bool | None = None) -> tuple[str, ...]:
    """The lines that a terminal shows. By default as wide as the terminal (at least 100), and in colour only on one."""
    width = width or max(shutil.get_terminal_size((120, 40)).columns, 100)
    colour = sys.stdout.isatty() if colour is None else colour
    out = StringIO()
    Console(file=out, width=width, force_terminal=colour, color_system="truecolor" if colour else None, highlight=False).print(what)
    return tuple(line.rstrip() for line in out.getvalue().splitlines())
