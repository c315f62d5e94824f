"""Generate: tokens, beams and texts from a trained model."""

from duomo.generate.answers import Said, Speaker
from duomo.generate.beams import beam_search
from duomo.generate.reader import Reader
from duomo.generate.sampling import Sampling
from duomo.generate.tokens import generate

__all__ = ["Reader", "Said", "Sampling", "Speaker", "beam_search", "generate"]
