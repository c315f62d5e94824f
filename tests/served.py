"""A small server that tests share: three models of random weights, in a thread of this process."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from duomo.checkpoint import Run
from duomo.commands import serve
from duomo.commands.subtitles import FORMATS
from duomo.recipe import Recipe, TokenizerRecipe
from duomo.serve.access import Door
from duomo.serve.limits import Limits
from duomo.serve.live import listening, server_of
from duomo.serve.metrics import metrics
from duomo.serve.models import Offer, Served, models
from duomo.serve.state import State
from duomo.vectors_test import embedder
from tests import hearing, small

BUDGET = 2**30


def writes() -> Served:
    """A model with every sense that writes; its answers are nonsense, and always the same."""
    model = small.redrawn(small.model(small.model_recipe()))
    recipe = Recipe(name="small", model=small.model_recipe(), tokenizer=TokenizerRecipe())
    return serve.served(Run(Path("small"), recipe, small.tokenizer(), model, 1), serve.Settings(rows=4, waiting=4))


def hears() -> Served:
    """A small Whisper."""
    model = hearing.whisper()
    recipe = Recipe(name="whisper", model=model.recipe)
    return serve.served(Run(Path("whisper"), recipe, hearing.tokenizer(), model, 0), serve.Settings())


OFFERS = (
    Offer("small", 1000, writes),
    Offer("vectors", 1000, lambda: Served(embedder=embedder())),
    Offer("whisper", 1000, hears),
)


def state(limits: Limits = Limits(), offers: Sequence[Offer] = OFFERS, budget: int = BUDGET, drain: float = 5.0) -> State:
    """A server's state that opens these."""
    return State(models(offers, budget, drain), limits, metrics(), {name: FORMATS[name] for name in ("srt", "vtt")})


@contextmanager
def serving(limits: Limits = Limits(), door: Door = Door(), offers: Sequence[Offer] = OFFERS, drain: float = 5.0) -> Iterator[int]:
    """The port at which it listens."""
    torch.set_num_threads(1)
    made, at = server_of(state(limits, offers, drain=drain), door), listening("127.0.0.1", 0)
    thread = threading.Thread(target=made.run, args=([at],), daemon=True)
    port = at.getsockname()[1]
    thread.start()
    while not made.started:
        time.sleep(0.01)
    try:
        yield port
    finally:
        made.should_exit = True
        thread.join(60)
        assert not thread.is_alive()
