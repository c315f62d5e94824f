"""The page at /: one tab a file, all in one table. To add a tab: a file with a `build` function, its texts in `words`, its row here.

`build(jobs)` is called inside the tab, with Gradio's context open; what it needs of the rest of Duomo it finds in `jobs`. Models and
files give no HTML: a tab escapes what they say (`parts.shown`, `words.both`), and wraps every function with `parts.safe`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from duomo.page import chat, comments, describe, graph, hear, runs, shelf, tour, watch
from duomo.page.jobs import Jobs
from duomo.page.words import TEXTS


@dataclass(frozen=True)
class Tab:
    """One tab: its name in addresses (`/?tab=name`), its title in each language, what fills it, what it wants in `jobs.more`."""

    name: str
    title: tuple[str, str]
    build: Callable[[Jobs], None]
    wants: str = ""


TABS: tuple[Tab, ...] = (
    Tab("tour", TEXTS["tour.title"], tour.build, wants=tour.NAME),
    Tab("chat", TEXTS["chat.title"], chat.build),
    Tab("shelf", TEXTS["shelf.title"], shelf.build),
    Tab("transcribe", TEXTS["hear.title"], hear.build),
    Tab("describe", TEXTS["see.title"], describe.build),
    Tab("watch", TEXTS["film.title"], watch.build),
    Tab("comments", TEXTS["table.title"], comments.build),
    Tab("graph", TEXTS["graph.title"], graph.build),
    Tab("runs", TEXTS["runs.title"], runs.build),
)
