"""Language: which one a text is written in."""

from collections.abc import Callable


def classifier(wanted_by: str) -> Callable[[str], str]:
    """What tells the language of a text as ISO 639-1. Raises ValueError, naming the key that wants it, where py3langid is missing."""
    try:
        import py3langid
    except ImportError as error:
        raise ValueError(f"{wanted_by} needs py3langid; install duomo[data] or leave it out") from error
    return lambda text: str(py3langid.classify(text)[0])
