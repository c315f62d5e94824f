"""What `duomo serve` may be told, as options that become one record."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

SPIN = "20000"  # turns of an empty loop, about 0.1 ms; libgomp's own choice is many times as long


def wait_briefly() -> None:
    """Lets torch's threads sleep soon when they wait for each other; to be called before torch is imported.

    A thread that waits by spinning keeps the server's own thread off its core, and the other threads of a product wait for it in turn:
    on two cores sixteen answers are written at two thirds of the speed. Whoever sets the variable is left alone.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN)


@dataclass(frozen=True)
class Serving:
    """Where a server listens, whom it lets in, how much it holds."""

    host: Annotated[str, typer.Option(help="The address to listen at; any but this machine's own wants a key.")] = "127.0.0.1"
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes any that is free.")] = 8000
    key: Annotated[list[str] | None, typer.Option(show_default=False, help="A key that clients must send; may be repeated.")] = None
    key_file: Annotated[Path | None, typer.Option(metavar="FILE", show_default=False, help="Keys, one a line; better than --key.")] = None
    host_name: Annotated[list[str] | None, typer.Option(show_default=False, help="A name that this server goes by.")] = None
    origin: Annotated[list[str] | None, typer.Option(metavar="URL", show_default=False, help="A site whose pages may ask.")] = None
    memory: Annotated[float | None, typer.Option(min=0, show_default=False, help="GiB of open models; half the machine's.")] = None
    rows: Annotated[int, typer.Option(min=1, max=256, help="How many answers of a model are written at once.")] = 16
    waiting: Annotated[int, typer.Option(min=1, max=10_000, help="How many requests of a model may wait.")] = 64
    tokens: Annotated[int, typer.Option(min=256, help="How many tokens a model holds, the same share for each row.")] = 32_768
    drain: Annotated[float, typer.Option(min=0, help="Seconds that running answers have left when the server ends.")] = 10.0
    page: Annotated[bool, typer.Option(help="Build the page at /, where its package is installed: pip install 'duomo\\[page]'.")] = True
    shelf: Annotated[Path | None, typer.Option(metavar="FOLDER", show_default=False, help="Files that the page answers from.")] = None
    runs: Annotated[Path, typer.Option(metavar="FOLDER", help="Runs whose curves and figures the page shows.")] = Path("runs")
