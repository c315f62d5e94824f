"""Memory: vectors of texts that were read before, so that no sentence is read twice. N = texts, D = width."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from duomo.retrieve.shelf import Embed

MOST = 20_000  # texts: of 384 numbers 30 MB, and the texts themselves


@dataclass(eq=False)
class Memory:
    """What embeds, and what it made of the newest `most` texts. It is itself an `Embed`, and may be called from several threads."""

    embed: Embed
    most: int = MOST
    _kept: dict[str, NDArray[np.float32]] = field(default_factory=dict, repr=False)
    _keeping: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D), as `embed` gives; only texts that are not remembered are read."""
        with self._keeping:
            known = {text: self._kept[text] for text in texts if text in self._kept}
        lacking = [text for text in dict.fromkeys(texts) if text not in known]
        if lacking or not texts:
            made_ND = self.embed(lacking)
            if not texts:
                return made_ND
            known |= zip(lacking, made_ND, strict=True)
            self._keep(lacking, known)
        return np.stack([known[text] for text in texts])

    def _keep(self, texts: Sequence[str], known: dict[str, NDArray[np.float32]]) -> None:
        with self._keeping:
            self._kept |= {text: known[text].copy() for text in texts}  # a row of its own, or it would hold the whole table
            for text in list(self._kept)[: max(0, len(self._kept) - self.most)]:
                del self._kept[text]
