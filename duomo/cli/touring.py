"""What `duomo demo` may be told, as options that become one record."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer


@dataclass(frozen=True)
class Touring:
    """What the tour shows, and where."""

    folder: Annotated[Path | None, typer.Option(metavar="FOLDER", show_default=False, help="Your own files, no sample.")] = None
    minutes: Annotated[float | None, typer.Option(min=0.1, show_default=False, help="To train; else as the recipe says.")] = None
    teach: Annotated[str, typer.Option(metavar="RECIPE", help="What is trained on the tour.")] = "four-senses"
    page: Annotated[bool, typer.Option(help="On a terminal: show the tour as a page, and open the browser.")] = True
    browser: Annotated[bool, typer.Option(help="Open the browser; else the page's address is printed.")] = True
    port: Annotated[int, typer.Option(min=0, max=65535, help="The page's port; 0 takes any that is free.")] = 0
