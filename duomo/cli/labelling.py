"""The options of verbs that put texts under labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

Labels = Annotated[
    str | None,
    typer.Option(metavar="A,B,…", show_default=False, help="The labels, each as NAME or NAME=what it means; or a file of one a line."),
]
Examples = Annotated[
    Path | None, typer.Option(metavar="CSV", show_default=False, help="Examples: a table with the columns text and label.")
]
KeptHead = Annotated[Path | None, typer.Option(metavar="FILE", show_default=False, help="What was learned before, and kept with --save.")]
Limit = Annotated[int, typer.Option(min=1, help="Refuse more characters than these, all texts together.")]


@dataclass(frozen=True)
class Labelling:
    """How texts are labelled."""

    labels: Labels = None
    examples: Examples = None
    head: KeptHead = None
    save: Annotated[Path | None, typer.Option(metavar="FILE", show_default=False, help="Keep what was learned from the examples.")] = None
    column: Annotated[
        str | None, typer.Option(metavar="NAME", show_default=False, help="The column of a table that holds the texts.")
    ] = None
    prompt: Annotated[
        str | None, typer.Option(metavar="TEXT", show_default=False, help="How a language model is asked, with {text} in it.")
    ] = None
    unsure: Annotated[float, typer.Option(min=0, max=1, metavar="SHARE", help="Mark labels that are less likely than this.")] = 0.0
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", show_default=False, help="Where it goes: .csv or .tsv, else JSON lines.")
    ] = None
    lines: Annotated[bool, typer.Option("--json", help="As JSON lines, with the probability of every label.")] = False
    limit: Limit = 1_000_000


@dataclass(frozen=True)
class Summing:
    """How a table of comments is summed up."""

    text: Annotated[str, typer.Option(metavar="COLUMN", show_default=False, help="The column of the comments.")]
    date: Annotated[str, typer.Option(metavar="COLUMN", show_default=False, help="The column of their dates, the year first.")]
    topic: Annotated[
        str | None, typer.Option(metavar="COLUMN", show_default=False, help="The column of their topics, if there is one.")
    ] = None
    topics: Annotated[
        str | None, typer.Option(metavar="A,B,…", show_default=False, help="Topics to be found, each as NAME or NAME=what it is about.")
    ] = None
    labels: Labels = None
    examples: Examples = None
    head: KeptHead = None
    out: Annotated[Path, typer.Option(metavar="FILE", help="The page; the same as JSON goes beside it.")] = Path("comments.html")
    limit: Limit = 1_000_000
