"""Telling: the words that one set of texts uses and the other does not.

Log-odds with a Dirichlet prior (Monroe, Colaresi and Quinn, "Fightin' Words", 2008), over in how many texts a word stands, so that
one writer who repeats himself does not count twice.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

SURE = 1.0  # standard deviations from which a word tells anything
LEAST = 2  # texts that it must stand in
PRIOR = 0.1  # of the prior's weight, per text


def telling(own: Iterable[Sequence[str]], others: Iterable[Sequence[str]], most: int) -> list[str]:
    """At most `most` words that stand in more of `own` than of `others`, the most telling first; none where nothing is sure."""
    here, there = _texts_with(own), _texts_with(others)
    every = here + there
    held, rest, weight = sum(here.values()), sum(there.values()), PRIOR * max(1, len(every))
    scored = []
    if len(every) < 2:  # one word alone tells nothing from nothing
        return []
    for word, count in here.items():
        prior = weight * every[word] / (held + rest)
        a, b = count + prior, there[word] + prior
        odds = math.log(a / (held + weight - a)) - math.log(b / (rest + weight - b)) if rest else 0.0
        score = odds / math.sqrt(1 / a + 1 / b) if rest else float(count)
        if count >= LEAST and score >= SURE:
            scored.append((-score, word))
    return [word for _, word in sorted(scored)[:most]]


def _texts_with(texts: Iterable[Sequence[str]]) -> Counter[str]:
    return Counter(word for words in texts for word in set(words))
