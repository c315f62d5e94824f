"""duomo demo on a page: the server of `duomo serve` for this machine alone, with the tour as its first tab."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from duomo.commands import serve
from duomo.commands.tour import Wanted
from duomo.commands.tour_desk import SHELF
from duomo.commands.tour_fetch import ENGLISH, MANY, VECTORS, WRITER, model_place
from duomo.report import Report
from duomo.retrieve.shelf import is_shelf

if TYPE_CHECKING:
    from duomo.commands.rooms import House

MODELS = (WRITER, VECTORS, ENGLISH, MANY)  # of which those are served that are here when the page opens
NEEDED = (*serve.PACKAGES, "gradio")


def possible() -> bool:
    """Whether what a page needs is installed."""
    return all(find_spec(name) is not None for name in NEEDED)


def run(wanted: Wanted, port: int, opened: Callable[[str], None]) -> Report:
    """Serves the page until Ctrl-C or SIGTERM; a training that is under way saves first. `opened` gets the page's address."""
    import torch

    from duomo.commands.rooms.tour import Stage, tour

    torch.set_num_threads(1)  # the training has the other cores
    stages = list[Stage]()

    def more(house: "House") -> Mapping[str, Any]:
        stages.append(Stage(wanted, house))
        return {"tour": tour(stages[0])}

    def started(address: str) -> None:
        stages[0].begin()
        opened(f"{address}?tab=tour")

    places = [place for name in MODELS if (place := model_place(name, wanted.cache)) is not None]
    settings = serve.Settings(port=port, shelf=SHELF if is_shelf(SHELF) else None, runs=wanted.lesson.runs)
    try:
        return serve.run(places, settings, serve.Beside(more, started))
    finally:
        for stage in stages:
            stage.end()
