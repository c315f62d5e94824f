"""Planning: the options of `duomo plan`."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

MACHINE = "Where: this, laptop, h100, h100x8, h100x64; several behind commas."
PRICE = "Of an hour of one device: 2.5, or h100=2.5,laptop=0.1."
SHARE = "Share of the dense peak that is reached; each machine's own if not said."
ITEMS = "What each row shows, as image=4,audio=1; one of each sense where it fits, if not said."


@dataclass(frozen=True)
class Planning:
    """What is planned for."""

    machine: Annotated[str, typer.Option(metavar="NAME[,NAME…]", help=MACHINE)] = "this,h100"
    utilisation: Annotated[float | None, typer.Option(min=0.001, max=1, show_default=False, help=SHARE)] = None
    price: Annotated[str, typer.Option(metavar="PRICE", show_default=False, help=PRICE)] = ""
    items: Annotated[str, typer.Option(metavar="SENSE=N", show_default=False, help=ITEMS)] = ""
    data: Annotated[bool, typer.Option("--data", help="Measure a step of the recipe's own data; it is prepared where it was not.")] = False
    batch: Annotated[int, typer.Option(min=1, help="Answers that the decode cache is for.")] = 1
    context: Annotated[int | None, typer.Option(min=1, show_default=False, help="Tokens of each; the most if not said.")] = None
    json: Annotated[bool, typer.Option("--json", help="As JSON, in bytes, seconds and FLOPs.")] = False

    def wanted(self) -> dict[str, Any]:
        """What the command is given. Raises ValueError for what is no number."""
        machines = tuple(name.strip() for name in self.machine.split(",") if name.strip())
        if not machines:
            raise ValueError("--machine: name one, as this or h100")
        items = {name: int(value) for name, value in pairs(self.items, "--items image=4", whole=True).items()}
        price = pairs(self.price, "--price 2.5 or --price h100=2.5")
        return {
            "machines": machines, "utilisation": self.utilisation, "price": price, "items": items if self.items else None,
            "data": self.data, "rows": self.batch, "context": self.context,
        }  # fmt: skip


def pairs(words: str, example: str, whole: bool = False) -> dict[str, float]:
    """`a=1,b=2` as numbers by name; a number alone has the name "". Raises ValueError with the example."""
    found = dict[str, float]()
    for word in filter(None, (word.strip() for word in words.split(","))):
        name, _, value = word.rpartition("=")
        try:
            number = float(int(value)) if whole else float(value)
        except ValueError:
            raise ValueError(f"{word!r} is no number; write {example}") from None
        if not 0 <= number < float("inf"):
            raise ValueError(f"{word!r} is below 0, or no number; write {example}")
        found[name] = number
    return found
