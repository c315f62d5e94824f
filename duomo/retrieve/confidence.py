"""Confidence: how often a find like this one answered the question, where that was known. Logistic regression on how it looks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from duomo.retrieve.search import LOOKS, Search


@dataclass(frozen=True)
class Calibration:
    """Weights of how a find looks, fitted on a validation split by `benchmarks/shelf.py`; a find below `threshold` is no answer.

    `weights`: of each of LOOKS. `share`: how much vectors count in the search, chosen on the same split. `origin`: where all come from.
    """

    weights: tuple[float, ...]
    bias: float
    threshold: float
    share: float
    origin: str = ""

    def sureness(self, looks: Sequence[float]) -> float:
        """0 to 1."""
        total = sum(weight * look for weight, look in zip(self.weights, looks, strict=True)) + self.bias
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, total))))

    def confidence(self, found: Search) -> float:
        """The same of a find; 0 where nothing was found."""
        return self.sureness([getattr(found, look) for look in LOOKS]) if found.rows_K and found.scores_K[0] > 0 else 0.0


ACROSS = " across languages"
PHRASE = " of phrases"  # descriptions without a question: many passages may fit one, so less is known of a find
HERE = "fitted on 1,000 {} over 10,479 passages of encyclopedia introductions, their article there or taken out"
CALIBRATIONS: Mapping[str, Calibration] = {  # by the model of the vectors; "": words alone
    "e5": Calibration((27.38, 99.04, 1.71, 4.04), -32.46, 0.504, 0.9, HERE.format("questions by title")),
    f"e5{PHRASE}": Calibration((-4.86, 26.23, 3.27, -2.02), 2.27, 0.486, 0.9, HERE.format("descriptions")),
    f"e5{ACROSS}": Calibration((11.33, 83.6, 0.0, 0.0), -11.89, 0.447, 0.9, "fitted on 1,000 Chinese sentences over 4,202 English ones"),
    # Words alone tell little: what holds fewer of the question's words than 99 of 100 right finds do is refused, and no more.
    "": Calibration((0.0, 0.0, 6.55, 0.0), -6.09, 0.107, 0.0, HERE.format("questions by title")),
    PHRASE: Calibration((0.0, 0.0, 2.58, 0.0), -1.71, 0.234, 0.0, HERE.format("descriptions")),
}


def calibration(model: str, kind: str = "") -> Calibration:
    """How finds by this model's vectors are judged, an unknown one's as e5's; "": by words alone.

    `kind`: ACROSS of texts in another script, PHRASE of words that ask no question. Words alone never find across scripts.
    """
    known = model if model in CALIBRATIONS else "e5"
    return CALIBRATIONS.get(known + kind, CALIBRATIONS[known])
