"""Known: which contents have been seen, in 8 bytes each, so that a million samples stream by in a few megabytes."""

import numpy as np

NEWEST = 2**15  # keys that are held as they are, before they are sorted in


class Known:
    """A set of hashes that only grows. Keys are their first 64 bits: of a million, two differ only beyond them once in 30 million sets.

    Sorted runs, each more than twice as long as the next (O'Neil et al., "The Log-Structured Merge-Tree", 1996).
    """

    def __init__(self) -> None:
        self._newest, self._runs = set[int](), list[np.ndarray]()

    def add(self, key: bytes) -> bool:
        """Whether a hash is new; from now on it is known."""
        number = int.from_bytes(key[:8], "little")
        if number in self._newest or any(_holds(run, number) for run in self._runs):
            return False
        self._newest.add(number)
        if len(self._newest) == NEWEST:
            self._sort_in()
        return True

    def __len__(self) -> int:
        return len(self._newest) + sum(map(len, self._runs))

    def _sort_in(self) -> None:
        run = np.sort(np.fromiter(self._newest, np.uint64, len(self._newest)))
        self._newest.clear()
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        self._runs.append(run)


def _holds(run: np.ndarray, number: int) -> bool:
    place = int(run.searchsorted(np.uint64(number)))
    return place < len(run) and int(run[place]) == number
