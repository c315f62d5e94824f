"""Laws of the sources of pairs: what a package holds side by side comes out side by side; damage is one line."""

import json
import struct
import zipfile

import pytest

from duomo.sources.archive_test import deb
from duomo.sources.debian_faq import DEBIAN_FAQ
from duomo.sources.debian_reference import CHINESE, DEBIAN_REFERENCE, ENGLISH
from duomo.sources.homeassistant import HOMEASSISTANT
from duomo.sources.jupyterlab_zh import FOLDER, JUPYTERLAB_ZH
from duomo.sources.libreoffice_zh import FOLDER as OFFICE
from duomo.sources.libreoffice_zh import LIBREOFFICE_ZH
from duomo.sources.pairs import catalogue, keyless
from duomo.sources.program_faqs import PROGRAM_FAQS

SAID = {"": "Language: zh", "menu\4_Open": "打开(_O)", "One row\0%1 rows": "%1 行", "Name": "名称", "OK": "OK"}
HEAD = "<html><head><title>{0}</title></head><body><div><h2>1.2. {0}</h2>"
PAGE = HEAD + "<p>{1} <code>ls</code></p><pre>ls</pre><ul><li><p>{2}</p></li></ul></div></body></html>"


def compiled(messages, order="<"):
    """A catalogue as msgfmt writes it."""
    texts = [text.encode() for pair in zip(*messages.items(), strict=True) for text in pair]
    count = len(messages)
    head, at, rows = 28, 28 + 16 * count, b""
    for text in texts:
        rows += struct.pack(f"{order}2I", len(text), at)
        at += len(text) + 1
    return struct.pack(f"{order}7I", 0x950412DE, 0, count, head, head + 8 * count, 0, at) + rows + b"\0".join(texts) + b"\0"


def opened(source, folder, *packages):
    for file, members in zip(source.files, packages, strict=True):
        if file.registry == "debian":
            (folder / file.name).write_bytes(deb(members))
        else:
            with zipfile.ZipFile(folder / file.name, "w") as out:
                for name, data in members.items():
                    out.writestr(name, data)
    samples = list(source.open({file.name: folder / file.name for file in source.files}))
    assert all((s.origin.source, s.origin.licence) == (source.name, source.licence) for s in samples)
    return [(s.messages[0].text, s.answer, s.origin.id) for s in samples]


@pytest.mark.parametrize("order", "<>")
def test_a_catalogue_gives_its_messages_in_either_order_of_bytes(order):
    assert dict(catalogue(compiled(SAID, order), "x")) == {
        "": "Language: zh",
        "_Open": "打开(_O)",
        "%1 rows": "%1 行",
        "Name": "名称",
        "OK": "OK",
    }


@pytest.mark.parametrize("data", [b"", b"PK\3\4 nothing", compiled(SAID)[:60], compiled(SAID)[:-40], b"\xde\x12\x04\x95" + b"\xff" * 40])
def test_what_is_no_catalogue_is_one_line(data):
    with pytest.raises(ValueError, match="x.mo: no gettext catalogue .*fetch it again") as error:
        list(catalogue(data, "x.mo"))
    assert "\n" not in str(error.value)


def test_keys_of_menus_are_left_out_where_both_sides_have_them():
    assert keyless("Se_ries", "系列(_R)") == ("Series", "系列")
    assert keyless("~File...", "文件(~F)...") == ("File...", "文件...")
    for pair in (("SQL_NAME", "SQL_NAME 名称"), ("File", "文件(_F)"), ("_a _b", "甲(_A)"), ("Open (_x)", "打开(_O)")):
        assert keyless(*pair) == pair


@pytest.mark.parametrize(("source", "folder"), [(JUPYTERLAB_ZH, FOLDER), (LIBREOFFICE_ZH, OFFICE)])
def test_catalogues_of_a_package_are_read_and_copies_left_out(source, folder, tmp_path):
    members = {f"{folder}a.mo": compiled(SAID), f"{folder}b.mo": compiled({"Name": "名称"}), f"{folder}c.json": b"{}", "other/d.mo": b""}
    assert opened(source, tmp_path, members) == [("打开", "Open", "a/1"), ("%1 行", "%1 rows", "a/2"), ("名称", "Name", "a/3")]


def test_a_component_is_paired_by_its_keys(tmp_path):
    place = "homeassistant/components/{}/translations/{}.json"
    english = {"title": "Lamp", "state": {"on": "On", "off": "Off"}, "only": "Here"}
    chinese = {"title": "灯", "state": {"on": "开", "off": "Off"}, "more": "这里"}
    members = {
        place.format("lamp", "en"): english,
        place.format("lamp", "zh-Hans"): chinese,
        place.format("lamp", "de"): {"title": "Lampe"},
    }
    found = opened(
        HOMEASSISTANT, tmp_path, {name: json.dumps(tree).encode() for name, tree in members.items()} | {place.format("a", "en"): b"{}"}
    )
    assert found == [("灯", "Lamp", "lamp/title"), ("开", "On", "lamp/state/on")]


def chapter(language, *texts):
    return {f"./usr/share/debian-reference/ch01.{language}.html": PAGE.format(*texts).encode(), f"./x.{language}.html": b"<p>"}


def test_blocks_of_a_manual_are_paired_in_order(tmp_path):
    english, chinese = chapter("en", "The shell", "List by", "A point"), chapter("zh-cn", "命令行", "列出用", "一点")
    found = opened(DEBIAN_REFERENCE, tmp_path, english, chinese)
    assert found == [("命令行", "The shell", "ch01/0"), ("列出用 ls", "List by ls", "ch01/1"), ("一点", "A point", "ch01/3")]


def test_a_manual_with_other_blocks_is_refused(tmp_path):
    files = {
        ENGLISH.name: chapter("en", "a", "b", "c"),
        CHINESE.name: {"./usr/share/debian-reference/ch01.zh-cn.html": "<p>甲</p>".encode()},
    }
    for name, members in files.items():
        (tmp_path / name).write_bytes(deb(members))
    with pytest.raises(ValueError, match="ch01 has other blocks than in English"):
        list(DEBIAN_REFERENCE.open({name: tmp_path / name for name in files}))


def faq(folder, language, *sections):
    page = "<h1>Chapter 2. All</h1><div class='toc'><dt>2.1. Where?</dt></div>" + "".join(
        f"<h2>{number}. <a id='x'></a>{title}</h2>{''.join(f'<p>{text}</p>' for text in texts)}" for number, title, *texts in sections
    )
    foot = '<div class="navfooter"><table><tr><td>Next</td></tr></table></div>'
    place = f"./usr/share/doc/debian/FAQ/{folder}"
    return {f"{place}all.{language}.html": (page + foot).encode(), f"{place}index.{language}.html": b"<h2>9.9. What?</h2><p>No</p>"}


def test_questions_of_a_faq_come_with_the_paragraphs_below_them_where_both_languages_answer(tmp_path):
    english = faq(
        "", "en", ("2.1", "Where?", "Here,", "<pre>ls</pre>there."), ("2.2", "A list", "One"), ("2.10", "Why?!", "So"), ("2.9", "Who?", "I")
    )
    chinese = faq(
        "zh-cn/", "zh-cn", ("2.1", "哪里？", "这里，", "那里。"), ("2.2", "列表", "一"), ("2.10", "为什么？！", "因此"), ("2.9", "谁？")
    )
    assert opened(DEBIAN_FAQ, tmp_path, english, chinese) == [
        ("Where?", "Here,\nthere.", "en/2.1"),
        ("Why?!", "So", "en/2.10"),
        ("哪里？", "这里，\n那里。", "zh/2.1"),
        ("为什么？！", "因此", "zh/2.10"),
    ]


def test_questions_of_programs_come_with_the_paragraphs_below_them(tmp_path):
    long, page = "So it is, for reasons that are told here at some length.", "./usr/share/doc/python3.11/html/faq/{}.html"
    python = (
        f"<h3>Contents</h3><li>Why?</li><h2>2 Why?<a>¶</a></h2><p>{long}</p><pre>1</pre><h3>How?</h3><p>Short.</p><h3>All</h3><p>{long}</p>"
    )
    r = f"<h3>2.1 What?</h3><p>Next: <a>R</a>, Up: <a>R</a> [<a>Contents</a>]</p><p>{long}</p><h3>2.2 What?</h3><p>Again: {long}</p>"
    zsh, privoxy = f"<h2>3.1: Where?</h2><p>{long}</p>", f"<h3>1.1. Who?</h3><p>{long}</p><ul><li>A point</li></ul>"
    found = opened(
        PROGRAM_FAQS,
        tmp_path,
        {page.format("design"): python.encode(), page.format("index"): f"<h2>No?</h2><p>{long}</p>".encode()},
        {"./usr/share/R/doc/manual/R-FAQ.html": r.encode()},
        {"./usr/share/doc/zsh-common/html/FAQ03.html": zsh.encode(), "./usr/share/doc/zsh-common/html/FAQ.html": b"<h2>No?</h2>"},
        {"./usr/share/doc/privoxy/faq/misc.html": privoxy.encode()},
    )
    assert found == [
        ("Why?", long, "python/0"),
        ("What?", long, "r/0"),
        ("Where?", long, "zsh/0"),
        ("Who?", f"{long}\nA point", "privoxy/0"),
    ]
