"""The tour's own files: recordings, articles, a manual in two languages, pictures and clips, laid out as a folder like anyone's."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from duomo.data.store import Store
from duomo.disk import whole_folder
from duomo.sample import Sample
from duomo.tasks import build

FILES = Path("sample-shelf")
RECORDINGS, SURE = 20, "conf-onlyperson"  # this clip is among them: the tour asks for it
ARTICLES = 300
CHAPTERS = ("ch04",)  # of the manual: passwords and rights
SHORTEST = 12  # characters of a block that says something
PICTURES, CLIPS = 20, 6
WORDS = 5  # of a recording
TRUTHS = ".truths.csv"  # hidden, so that the shelf does not hold what is to be heard


@dataclass(frozen=True)
class Part:
    """A folder of the sample: what it is, the source that it wants, and how its samples become files."""

    name: str
    what: str
    source: str
    lay: Callable[[Store, Path], None]


def recordings(store: Store, folder: Path) -> None:
    """Twenty clips of some words, as WAV files, with the truth in a hidden table."""
    spoken = [sample for sample in store.open("asterisk") if len(sample.answer.split()) >= WORDS]
    chosen = [sample for sample in spoken if _id(sample) == SURE]
    chosen += Random(0).sample([sample for sample in spoken if _id(sample) != SURE], RECORDINGS - len(chosen))
    with (folder / TRUTHS).open("w", encoding="utf-8", newline="") as table:
        for sample in sorted(chosen, key=_id):
            name = f"{_id(sample).replace('/', '-')}.wav"
            (folder / name).write_bytes(_bytes(sample))
            csv.writer(table).writerow([name, sample.answer])


def articles(store: Store, folder: Path) -> None:
    """Three hundred introductions of an encyclopedia, a file each."""
    for sample in Random(0).sample(store.open("wiki"), ARTICLES):
        title = json.loads(sample.answer)["title"]
        name = "".join(sign if sign.isalnum() else "-" for sign in title)[:80]
        (folder / f"{name}.md").write_text(f"# {title}\n\n{sample.messages[0].text}\n", encoding="utf-8")


def manual(store: Store, folder: Path) -> None:
    """A chapter of a manual in English and in Chinese, the same blocks in both."""
    for chapter in CHAPTERS:
        blocks = [sample for sample in store.open("debian_reference") if _id(sample).startswith(f"{chapter}/")]
        blocks = [sample for sample in blocks if len(sample.messages[0].text) >= SHORTEST]
        for language, texts in {"en": [one.answer for one in blocks], "zh": [one.messages[0].text for one in blocks]}.items():
            (folder / f"{chapter}.{language}.txt").write_text("\n\n".join(texts) + "\n", encoding="utf-8")


def pictures(store: Store, folder: Path) -> None:
    """Handwritten digits, two of each."""
    held = dict[str, list[Sample]]()
    for sample in store.open("digits"):
        held.setdefault(sample.answer, []).append(sample)
    for digit, samples in sorted(held.items()):
        for number, sample in enumerate(samples[: PICTURES // 10], 1):
            (folder / f"digit-{digit}-{number}.png").write_bytes(_bytes(sample))


def clips(store: Store, folder: Path) -> None:
    """Digits that move on made paths: synthetic motion."""
    for number, sample in enumerate(build("motion", clips=0, valid=0, test=CLIPS).samples("test", store), 1):
        path = str(next(sample.media()).value)
        (folder / f"clip-{number}{Path(path).suffix}").write_bytes(store.bytes(path))


PARTS: Sequence[Part] = (
    Part("recordings", "20 recordings of one English speaker", "asterisk", recordings),
    Part("manual", "a chapter of a manual in English and Chinese", "debian_reference", manual),
    Part("articles", "300 introductions of an encyclopedia, English", "wiki", articles),
    Part("pictures", "20 handwritten digits", "digits", pictures),
    Part("clips", "6 clips of digits that move, synthetic", "digits", clips),
)


def lay(part: Part, store: Store, folder: Path) -> Path:
    """The part as files in its own folder below `folder`; one that stands is kept. Raises ValueError for a source that can not be read."""
    target = folder / part.name
    if not target.is_dir():
        with whole_folder(target) as made:
            part.lay(store, made)
    return target


def truths(folder: Path) -> Mapping[Path, str]:
    """What is said in each recording of the sample; nothing in a folder of the user's."""
    return dict(_truths(folder))


def _truths(folder: Path) -> Iterator[tuple[Path, str]]:
    for table in folder.rglob(TRUTHS):
        with table.open(encoding="utf-8", newline="") as lines:
            yield from ((table.parent / name, text) for name, text in csv.reader(lines))


def _id(sample: Sample) -> str:
    return sample.origin.id if sample.origin else ""


def _bytes(sample: Sample) -> bytes:
    value = next(sample.media()).value
    assert isinstance(value, bytes)  # as its source gives it
    return value
