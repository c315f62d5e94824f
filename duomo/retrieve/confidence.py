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
CALIBRATIONS: Mapping[str, Calibration] = {  # by the model of the vectors; "": words alone
    "e5": Calibration((20.0, 20.0, 2.0, 2.0), -19.0, 0.5, 0.5, "chosen by hand, not fitted yet"),
    f"e5{ACROSS}": Calibration((20.0, 20.0, 0.0, 0.0), -18.0, 0.5, 0.5, "chosen by hand, not fitted yet"),
    "": Calibration((0.0, 0.0, 4.0, 4.0), -3.0, 0.5, 0.0, "chosen by hand: words alone tell little, so little is refused"),
}


def calibration(model: str, across: bool = False) -> Calibration:
    """How finds by this model's vectors are judged, an unknown one's as e5's; "": by words alone. `across`: of texts in another script."""
    known = model if model in CALIBRATIONS else "e5"
    return CALIBRATIONS[known + ACROSS if across and known else known]
