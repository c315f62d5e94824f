"""The options of the verb that translates."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer


@dataclass(frozen=True)
class Translating:
    """How texts are translated."""

    to: Annotated[str, typer.Option(metavar="LANGUAGE", show_default=False, help="Into what: zh or en.")]
    source: Annotated[
        str | None, typer.Option("--from", metavar="LANGUAGE", show_default=False, help="Out of what; else each line is looked at.")
    ] = None
    column: Annotated[str | None, typer.Option(metavar="NAME", show_default=False, help="The column of a table that holds the texts.")] = (
        None
    )
    memory: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", show_default=False, help="Translations of your own, columns en and zh, to be shown to the model."),
    ] = None
    beams: Annotated[int, typer.Option(min=1, max=32, help="Drafts that are looked at side by side; more are slower.")] = 4
    out: Annotated[Path | None, typer.Option(metavar="FILE|FOLDER", show_default=False, help="Where it goes; the screen if not said.")] = (
        None
    )
    lines: Annotated[bool, typer.Option("--json", help="As JSON lines: source, draft, confidence.")] = False
    draft: Annotated[bool, typer.Option("--draft", help="As JSON lines, the least certain first.")] = False
    limit: Annotated[int, typer.Option(min=1, help="Refuse more characters than these.")] = 200_000
