"""Confidence: how often a find like this one answered the question, where that was known. Logistic regression on how it looks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from duomo.retrieve.search import LOOKS, PLAIN, Search


@dataclass(frozen=True)
class Calibration:
    """Weights of how a find looks, fitted on a validation split by `benchmarks/shelf.py` and `manuals.py`; below `threshold` is no answer.

    `weights`: of the first of LOOKS, or of each. `share`: how much vectors count in the search, chosen on the same split. `origin`: where
    all come from. `limits`: the lowest and the highest of each look that were seen there but for one in a hundred on either side; a
    look beyond counts as these. `longest`: characters of a passage that was read there; beside longer ones these weights say nothing.
    0: any.
    """

    weights: tuple[float, ...]
    bias: float
    threshold: float
    share: float
    origin: str = ""
    limits: tuple[tuple[float, float], ...] = ()
    longest: int = 0

    @property
    def reads(self) -> bool:
        """Whether it weighs what comes of reading passages beside the question (`compare.py`)."""
        return len(self.weights) > len(PLAIN)

    def sureness(self, looks: Sequence[float]) -> float:
        """0 to 1."""
        seen = [min(max(look, low), high) for look, (low, high) in zip(looks, self.limits, strict=True)] if self.limits else looks
        total = sum(weight * look for weight, look in zip(self.weights, seen, strict=False)) + self.bias
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, total))))

    def confidence(self, found: Search) -> float:
        """The same of a find; 0 where nothing was found."""
        return self.sureness([getattr(found, look) for look in LOOKS]) if found.rows_K and found.scores_K[0] > 0 else 0.0


ACROSS = " across languages"
PHRASE = " of phrases"  # descriptions without a question: many passages may fit one, so less is known of a find
NAME = " by name"  # questions that hold little but the name of what they ask for: a passage has it or has it not
NAMED = 2  # words of such a question, at most, those that only ask left out
MANUALS = (
    "fitted on {} to manuals whose sections lie without their titles, their section there or taken out, and on questions to other texts"
)
HERE = "fitted on 1,000 {} over 10,479 passages of encyclopedia introductions, their article there or taken out"
CALIBRATIONS: Mapping[str, Calibration] = {  # by the model of the vectors; "": words alone
    "e5": Calibration((31.785, 56.132, 1.383, -0.284), -30.485, 0.181, 0.9, MANUALS.format("352 questions")),
    f"e5{NAME}": Calibration((27.42, 99.016, 1.712, 4.036), -32.49, 0.505, 0.9, HERE.format("questions by title")),
    f"e5{PHRASE}": Calibration((-4.857, 26.229, 3.275, -2.025), 2.271, 0.487, 0.9, HERE.format("descriptions")),
    f"e5{ACROSS}": Calibration((36.224, 26.702, 2.509, -2.396), -31.654, 0.173, 0.9, MANUALS.format("242 questions in another language")),
    # Words alone tell little: what holds fewer of the question's words than 99 of 100 right finds do is refused, and no more.
    "": Calibration((0.0, 0.0, 6.55, 0.0), -6.09, 0.107, 0.0, HERE.format("questions by title")),
    PHRASE: Calibration((0.0, 0.0, 2.536, 0.0), -1.805, 0.258, 0.0, HERE.format("descriptions")),
}


COMPARED: Mapping[str, Calibration] = {  # where the first passages are read beside the question, too
    f"e5{PHRASE}": Calibration(
        (5.873, -10.729, -0.041, 0.983, -5.73, -0.023, -0.009, 0.4, 0.097, 0.041, 0.06),
        bias=-0.001,
        threshold=0.469,
        share=0.9,
        origin=HERE.format("descriptions"),
        limits=(
            (0.8376, 0.9211),
            (0.0058, 0.0638),
            (0.145, 1.0),
            (0.1586, 0.7364),
            (0.8252, 0.9071),
            (2.0, 9.0),
            (7.9301, 43.3932),
            (-5.7789, 4.1303),
            (0.0325, 8.8861),
            (0.8778, 11.0737),
            (-9.4265, 4.1303),
        ),
        longest=0,
    ),
    f"e5{ACROSS}": Calibration(
        (1.82, 12.529, 0.0, 0.0, 4.586, -0.064, 0.008, 0.302, 0.011, 0.134, 0.041),
        bias=-6.951,
        threshold=0.479,
        share=0.9,
        origin="fitted on 1,000 Chinese sentences over 4,202 English ones, their translation there or taken out",
        limits=(
            (0.8307, 0.9269),
            (0.0041, 0.0685),
            (0.0, 0.0),
            (0.0, 0.0),
            (0.8618, 0.9657),
            (1.0, 7.0),
            (9.0367, 63.2569),
            (-12.7458, 6.3335),
            (0.0606, 14.4334),
            (1.0438, 18.5459),
            (-16.8356, 6.3335),
        ),
        longest=72,
    ),
}


def calibration(model: str, kind: str = "", compared: bool = False, longest: int = 0) -> Calibration:
    """How finds by this model's vectors are judged, an unknown one's as e5's; "": by words alone.

    `kind`: ACROSS of texts in another script, PHRASE of words that ask no question, NAME of a question that holds a name and little
    else. Words alone never find across scripts. `compared`: whether passages can be read beside the question, as phrases and
    questions in another script want. `longest`: characters of those that would be.
    """
    if compared and (judge := COMPARED.get(model + kind)) is not None and (not judge.longest or longest <= judge.longest):
        return judge
    known = model if model in CALIBRATIONS else "e5"
    return CALIBRATIONS.get(known + kind, CALIBRATIONS[known])
