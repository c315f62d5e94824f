import os

import pytest

from duomo.commands.documents import files_in, flat, readers, spoken_sections, text_of
from duomo.commands.markup import html_sections, markdown_sections

KINDS = readers(lambda path: iter([(0.0, " Hello."), (61.5, " It opens at nine.")]), (".wav",))


def sections(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return list(KINDS[path.suffix](path))


def pdf(*pages):
    """A PDF of one line a page."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    parts = ["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>"]
    parts.append("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    for n, text in enumerate(pages):
        shown = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        parts.append(f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>/Contents {5 + 2 * n} 0 R>>")
        parts.append(f"<</Length {len(shown)}>>stream\n{shown}\nendstream")
    made, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(made))
        made += f"{number} 0 obj{part}endobj\n".encode()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(parts) + 1
    trailer = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{len(made)}\n%%EOF"
    return made + trailer.encode()


def test_text_is_read_in_the_encodings_of_its_writers(tmp_path):
    for encoding in ("utf-8", "utf-8-sig", "gb18030", "utf-16"):
        (tmp_path / "a.txt").write_bytes("图书馆九点开门。\r\nIt opens.".encode(encoding))
        assert text_of(tmp_path / "a.txt").removeprefix("\ufeff") == "图书馆九点开门。\nIt opens."
    for data in (b"\x7fELF\x00\x01\x02" * 99, bytes(range(1, 32)) * 9, os.urandom(4000)):
        (tmp_path / "a.txt").write_bytes(data)
        with pytest.raises(ValueError, match="no text"):
            text_of(tmp_path / "a.txt")


def test_markdown_stands_under_its_headings():
    text = "---\ntitle: x\n---\n# House\nWelcome to **us**, [here](http://x).\n## Hours\nNine.\n```\n# no heading\n```\n# Dogs\nYes."
    made = list(markdown_sections(text))
    assert [(one.head, one.marks[0][1]) for one in made] == [("House", 5), ("House › Hours", 7), ("Dogs", 12)]
    assert made[0].text == "Welcome to us, here." and "# no heading" in made[1].text


def test_html_shows_what_a_reader_sees():
    page = """<html><head><title>Pool</title><style>p {color: red}</style><script>var a = "<p>evil</p>";</script></head>
<body><p>Five <b>euros</b> &amp; more.</p><script>document.write("hidden")</script>
<h2>Hours</h2><table><tr><td>Monday</td><td>nine</td></tr></table><p>关门<p>六点</body></html>"""
    made = list(html_sections(page))
    assert [one.head for one in made] == ["Pool", "Hours"]
    assert made[0].text.strip() == "Five euros & more." and made[0].marks[0][1] == 2
    assert made[1].text.split() == ["Monday", "nine", "关门", "六点"]
    assert not any(word in one.text for one in made for word in ("evil", "hidden", "color"))


def test_tables_and_records_are_rows(tmp_path):
    table = "name,price\ntea,3\n\"long, one\",\n,\nbad\n"
    made = []
    with pytest.raises(ValueError, match="1 rows can not be read; the first is 5"):
        for one in KINDS[".csv"](_put(tmp_path / "a.csv", table)):
            made.append(one)
    assert [(one.text, one.marks) for one in made] == [("name: tea; price: 3", ((0, 2),)), ("name: long, one", ((0, 3),))]
    assert [one.text for one in sections(tmp_path / "b.csv", "question\nwhy?\n因为\n")] == ["why?", "因为"]
    with pytest.raises(ValueError, match="no table"):
        sections(tmp_path / "q.csv", 'text,"a"b\n1,2\n')
    with pytest.raises(ValueError, match="names no columns"):
        sections(tmp_path / "w.csv", ",".join(map(str, range(200_000))))
    assert [one.text for one in sections(tmp_path / "c.csv", "a;b\n1;2\n")] == ["a: 1; b: 2"]
    assert [one.text for one in sections(tmp_path / "d.jsonl", '{"a": {"b": [1, "x"]}, "c": ""}\n"plain"\n')] == ["a.b: 1; a.b: x", "plain"]
    assert [one.text for one in sections(tmp_path / "e.json", '{\n "a": 1,\n "b": {"c": "d"}\n}')] == ["a: 1", "b.c: d"]
    assert [one.text for one in sections(tmp_path / "f.json", '[{"a": 1}, 2]')] == ["a: 1", "2"]
    assert list(flat(_deep(100))) == []


def test_pdf_gives_its_pages(tmp_path):
    pytest.importorskip("pypdfium2")
    made = sections(tmp_path / "a.pdf", pdf("The pool closes at six.", "Dogs are welcome."))
    assert [(one.text, one.place, one.marks) for one in made] == [
        ("The pool closes at six.", "page", ((0, 1),)),
        ("Dogs are welcome.", "page", ((0, 2),)),
    ]
    with pytest.raises(ValueError, match="page 2 can not be read"):
        sections(tmp_path / "a.pdf", pdf("one", "two").replace(b"6 0 obj", b"9 0 obj"))
    for data in (b"", b"no PDF", pdf("x")[:200]):
        with pytest.raises(ValueError, match="no PDF"):
            sections(tmp_path / "a.pdf", data)


def test_what_is_said_carries_its_seconds(tmp_path):
    (one,) = sections(tmp_path / "a.wav", b"")
    assert one.text == " Hello. It opens at nine." and one.marks == ((0, 0.0), (7, 61.5)) and one.place == "second"
    assert list(spoken_sections(iter([]))) == []


def test_links_hidden_files_and_pipes_are_left_alone(tmp_path):
    folder = tmp_path / "f"
    (folder / "in").mkdir(parents=True)
    for name in ("b.txt", "in/a.txt", ".hidden", "../out.txt"):
        (folder / name).write_text("x")
    (folder / "link.txt").symlink_to(tmp_path / "out.txt")
    (folder / "away").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(folder / "pipe.txt")
    assert [path.relative_to(folder).as_posix() for path in files_in(folder)] == ["b.txt", "in/a.txt"]


def _put(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def _deep(depth):
    value = "x"
    for _ in range(depth):
        value = [value]
    return value
