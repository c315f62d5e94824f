from pathlib import Path

import pytest

from duomo.data.gutenberg import chapters, gutenberg_rows, is_gutenberg, is_heading, joined
from duomo.data.quarantine import Quarantine

HEAD = """The Project Gutenberg eBook of The Pool

This ebook is for the use of anyone anywhere in the United States.

Title: The Pool
Author: Ann Other
Character set encoding: UTF-8

*** START OF THE PROJECT GUTENBERG EBOOK THE POOL, OR HOW WE LEARNED
TO SWIM ***



Produced by Ann Other and the Online
Distributed Proofreading Team

"""
TAIL = """

*** END OF THE PROJECT GUTENBERG EBOOK THE POOL ***

Updated editions will replace the previous one.
Section 1. General Terms of Use
"""
PROSE = """It was nine in the morning when the doors of the pool were opened, and
nobody who stood before them that day had ever seen a well-
known swimmer of that age, dripping--as she was--with melted snow."""
VERSE = """Nine in the morning,
  the doors stood ajar."""
BOOK = f"""THE POOL

CONTENTS

CHAPTER I. The Doors
CHAPTER II. Café au lait
CHAPTER III. The End

BOOK ONE: MORNING

CHAPTER I.
The Doors

{PROSE}

{VERSE}

CHAPTER II. Café au lait

Part of it was cold. Chapter two was not.
"""


def lay(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    return path


def read(path: Path, quarantine: Quarantine | None = None) -> list[tuple[int, str]]:
    return [(row.number, row.value.text) for row in gutenberg_rows(path, quarantine or Quarantine(0))]


def test_a_book_is_its_chapters_without_the_licence(tmp_path):
    path = lay(tmp_path / "pool.txt", HEAD + BOOK + TAIL)
    one = PROSE.replace("well-\n", "well-").replace("\n", " ")
    assert read(path) == [
        (17, "THE POOL\n\nCONTENTS"),
        (25, f"BOOK ONE: MORNING\n\nCHAPTER I. The Doors\n\n{one}\n\n{VERSE}"),
        (37, "CHAPTER II. Café au lait\n\nPart of it was cold. Chapter two was not."),
    ]
    lines = path.read_text().split("\n")
    assert lines[24] == "BOOK ONE: MORNING" and lines[36].startswith("CHAPTER II."), "the numbers are those of the file"


@pytest.mark.parametrize("named", ["ISO-8859-1 latin-1", "UTF-8 utf-8-sig", "Windows-1252 cp1252", " latin-1"])
def test_the_header_tells_the_encoding(tmp_path, named):
    told, encoding = named.split(" ")
    path = lay(tmp_path / "pool.txt", HEAD.replace("UTF-8", told) + BOOK + TAIL, encoding)
    assert read(path)[-1][1].startswith("CHAPTER II. Café au lait")


def test_chinese_books_have_chapters_too(tmp_path):
    lines = ("此开卷第一回也。作者自云曾历过一番梦幻之后故将真事隐去而借通灵说此石头记一书也", "故曰甄士隐云云。但书中所记何事何人？")
    text = f"红楼梦\n\n第一回　甄士隐梦幻识通灵　贾雨村风尘怀闺秀\n\n　　{lines[0]}\n{lines[1]}\n\n第二回　贾夫人仙逝扬州城\n\n{lines[1]}\n"
    path = lay(tmp_path / "dream.txt", HEAD + text + TAIL)
    assert [part for _, part in read(path)] == [
        "红楼梦",
        f"第一回 甄士隐梦幻识通灵 贾雨村风尘怀闺秀\n\n{lines[0]}{lines[1]}",
        f"第二回 贾夫人仙逝扬州城\n\n{lines[1]}",
    ]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("***START OF THE PROJECT GUTENBERG EBOOK THE POOL***", "***END OF THE PROJECT GUTENBERG EBOOK THE POOL***"),
        ("*** START OF THIS PROJECT GUTENBERG EBOOK THE POOL ***", "End of the Project Gutenberg EBook of The Pool, by Ann Other"),
        ("*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*", "End of Project Gutenberg's The Pool, by Ann Other"),
        ("*END THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*", "End of this Project Gutenberg Etext of The Pool"),
    ],
)
def test_the_marks_of_thirty_years_are_known(tmp_path, start, end):
    path = lay(tmp_path / "pool.txt", f"Licence.\n\n{start}\n\nIt was nine.\n\n{end}\n\nLicence.\n")
    assert is_gutenberg(path) and read(path) == [(5, "It was nine.")]


def test_what_is_no_whole_book_is_told_and_the_rest_goes_on(tmp_path):
    folder = tmp_path / "books"
    lay(folder / "a.txt", HEAD + BOOK)
    lay(folder / "b.txt", BOOK)
    lay(folder / "c.txt", HEAD + BOOK + TAIL)
    (folder / "d.txt").write_bytes((HEAD + TAIL).encode().replace(b"Produced", bytes(range(128, 256)) * 9))
    quarantine = Quarantine()
    rows = list(gutenberg_rows(folder, quarantine))
    assert [(row.file.name, row.value.group) for row in rows] == [("c.txt", "c.txt")] * 3
    assert [str(fault).removeprefix(f"{folder}/") for fault in quarantine.faults] == [
        "a.txt: has no line `*** END OF …`: the book was cut short; fetch it again",
        "b.txt: has no line `*** START OF …`, so it is no book of Project Gutenberg; read it as format=text",
        "d.txt: its text is no utf-8, nor anything else that is known; save it as UTF-8",
    ]
    assert is_gutenberg(folder / "a.txt") and not is_gutenberg(folder / "b.txt")


@pytest.mark.parametrize(
    "line",
    "CHAPTER IV|Chapter 12. The pool|CHAPTER THE FIRST|Book Two|ACT III. SCENE I.|IV.|IV. THE POOL AT NIGHT|STAVE ONE|Letter 4|PREFACE|"
    "Chapter one\nThe pool|第三章|第十二回 王熙鳳協理寧國府|第一百二十卷|楔子".split("|"),
)
def test_headings(line):
    assert is_heading(line)


@pytest.mark.parametrize(
    "line",
    "Chapter two was long.|Part of it.|Letter from home|I was there.|第一回合就输了。|Book a table|IV drips help|Preface to it".split("|"),
)
def test_prose_is_no_heading(line):
    assert not is_heading(line)


def test_nothing_but_headings_and_contents_is_lost():
    text = "\n\n".join(f"CHAPTER {'I' * n}\n\n{PROSE}\n\n{VERSE}" for n in (1, 2, 3))
    found = "\n\n".join(part for _, part in chapters(text))
    assert "".join(found.split()) == "".join(text.split())
    assert joined(VERSE) == VERSE and list(chapters("")) == []
