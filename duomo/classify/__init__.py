"""Classify: texts under labels, from none, a few or many examples."""

from duomo.classify.head import Head, learn, meant
from duomo.classify.labels import Label, parse

__all__ = ["Head", "Label", "learn", "meant", "parse"]
