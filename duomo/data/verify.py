"""Verify: whether a sample can be learned from."""

from pathlib import Path

from duomo.modalities import MODALITIES
from duomo.sample import Sample


def verify(sample: Sample, root: Path) -> None:
    """Raises ValueError, with the reason, for a sample without an answer or with media that its modality can not read.

    Relative media paths start from `root`.
    """
    if not sample.answer.strip():
        raise ValueError("the assistant says nothing, so there is nothing to learn; add an answer")
    for part in sample.media():
        if part.kind not in MODALITIES:
            raise ValueError(f"unknown kind of part {part.kind!r}; known: text, {', '.join(MODALITIES)}")
        modality = MODALITIES[part.kind]
        modality.read(part.value if isinstance(part.value, bytes) else root / part.value, modality.default)
