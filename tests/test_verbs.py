"""Every verb for files of one's own: it answers in both languages; what is hostile it answers or refuses in one line, soon, in bounds."""

import io
import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image

from duomo.commands.describe_test import lay
from duomo.commands.models import keep
from duomo.commands.watch_test import film
from duomo.interchange import Card
from duomo.interchange.format import Outside
from duomo.modalities.audio import to_wav
from duomo.modalities.image import to_png
from duomo.tokenizer import PLAIN
from duomo.vectors_test import RECIPE, Model, redrawn, words
from tests import hearing, own, small

for library in ("jieba", "snowballstemmer", "stopwordsiso", "pypdfium2", "rdflib", "matplotlib"):
    pytest.importorskip(library)

SECONDS, MEMORY, LARGE = 10, 2 * 2**30, 5_000_000
ENGLISH = "Oss is the capital of Norland. The pool closes at six, on Sundays at four. "
CHINESE = "云溪是一座小城，位于北岭。游泳池六点关门，星期天四点关门。"
REVIEWS = "day,text\n2026-03-02,the cat sat\n2026-03-10,a dog ran\n"
PEAK = "\nimport re,sys\nprint(re.search(r'VmHWM:\\s*(\\d+)',open('/proc/self/status').read())[1],file=sys.stderr)\nsys.exit(code)"


def claims_three_hours() -> bytes:
    """A WAV of a tenth of a second whose header says three hours."""
    sound, size = bytearray(to_wav(np.sin(np.arange(1600) / 9).astype(np.float32) / 2)), 3 * 3600 * 32_000
    sound[4:8], sound[40:44] = struct.pack("<I", size + 36), struct.pack("<I", size)
    return bytes(sound)


def frameless(form: str, **options: str) -> bytes:
    """A film that announces pictures and holds none."""
    file = BytesIO()
    with av.open(file, "w", format=form, options=options) as made:
        stream: Any = made.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        made.start_encoding()
    return file.getvalue()


def pixel(form: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", (1, 1)).save(file, form)
    return file.getvalue()


def hostile() -> Mapping[str, bytes]:
    """Small files that something is wrong with."""
    empty = {f"empty.{ending}": b"" for ending in ("txt", "csv", "jsonl", "json", "md", "html", "pdf", "png", "wav", "mp4", "ttl")}
    return empty | {
        "hours.wav": claims_three_hours(),
        "pixel.png": to_png(np.zeros((1, 1), np.uint8)),
        "pixel.gif": pixel("GIF"),
        "bare.mkv": frameless("matroska"),
        "bare.mp4": frameless("mp4", movflags="empty_moov+frag_keyframe"),
        "noise.csv": np.random.default_rng(0).bytes(20_000),
        "deep.json": b"[" * 200_000,
    }


def large() -> Mapping[str, bytes]:
    """Texts of five megabytes in both languages: lines, one line, a table, records."""
    both = [ENGLISH, CHINESE]
    count = LARGE // sum(len(one.encode()) + 1 for one in both)
    rows = "".join(f"2026-03-{1 + n % 28:02d},the cat sat on the mat,{n}\n" for n in range(LARGE // 40))
    return {
        "large.txt": "".join(f"{one}\n" for one in both * count).encode(),
        "line.txt": (("words without an end " + "没有句号的长句") * (LARGE // 42)).encode(),
        "short.txt": b"a b\n" * (LARGE // 4),
        "large.csv": f"day,text,id\n{rows}".encode(),
    }


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: small models under the names of the fetched ones, and all files of this page."""
    torch.set_num_threads(1)
    folder, cache = tmp_path_factory.mktemp("house"), Path("cache", "models")
    torch.manual_seed(0)
    card = Card("small", prefixes={"query": "query: ", "passage": "passage: "}, longest=12)
    keep(Outside(RECIPE, redrawn(Model(RECIPE, {})).state_dict(), words(), "bert", card), folder / cache / "e5")
    ears = hearing.whisper()
    keep(Outside(ears.recipe, ears.state_dict(), hearing.tokenizer(), PLAIN, Card("Whisper")), folder / cache / "whisper-base")
    lay(folder / "runs", "all", tuple(small.CUTS))
    for name, data in (hostile() | large()).items():
        (folder / name).write_bytes(data)
    for name, data in {"en.txt": ENGLISH, "中文.txt": CHINESE, "reviews.csv": REVIEWS}.items():
        (folder / name).write_text(data, encoding="utf-8")
    (folder / "评论.csv").write_text("日期,内容\n2026年3月2日,很好\n2026年3月9日,不好\n", encoding="utf-8")
    (folder / "clip.mp4").write_bytes(film(15, 15))
    (folder / "sound.wav").write_bytes(small.media("audio", 3))
    return folder


VERBS: Mapping[str, tuple[list[str], str]] = {  # what is said, and which small hostile files are answered, not refused
    "classify": (["classify", "e5", "FILE", "--labels", "a=the cat,b=a dog", "--json"], ""),
    "classify by likelihood": (["classify", "runs/all", "FILE", "--labels", "a,b", "--json"], ""),
    "classify from examples": (["classify", "e5", "the cat", "--examples", "FILE", "--json"], ""),
    "comments": (["comments", "FILE", "--text", "text", "--date", "day", "--out", "OUT/page.html"], ""),
    "index": (["index", "FILE", "--to", "OUT/shelf"], ""),  # the small Whisper hears nothing
    "answer": (["answer", "when?", "--in", "FILE"], ""),
    "extract": (["extract", "FILE", "--json", "--graph", "OUT/g.ttl", "--html", "OUT/g.html"], "deep.json"),
    "graph": (["graph", "FILE", "what is the capital of Norland?", "--json"], ""),
    "translate": (["translate", "runs/all", "FILE", "--to", "zh", "--json"], ""),
    "describe": (["describe", "runs/all", "FILE", "--json"], "pixel.png pixel.gif"),
    "watch": (["watch", "FILE", "--model", "runs/all", "--out", "OUT", "--json"], "pixel.gif"),
    "find": (["find", "the train", "--in", "FILE", "--json"], ""),
    "transcribe": (["transcribe", "FILE", "--language", "en"], "hours.wav"),
    "ask a picture": (["ask", "runs/all", "what?", "--image", "FILE"], "pixel.png pixel.gif"),
    "ask a sound": (["ask", "runs/all", "what?", "--audio", "FILE"], "hours.wav"),
    "ask a clip": (["ask", "runs/all", "what?", "--video", "FILE"], "pixel.gif"),
    "evaluate": (["evaluate", "FILE"], ""),
}


def said(words: list[str], file: str, out: Path) -> list[str]:
    return [word.replace("FILE", file).replace("OUT", str(out)) for word in words]


def one_line(err: str) -> bool:
    """Whether the last line of what was told is the only error."""
    lines = err.splitlines()
    return bool(lines) and lines[-1].startswith("error: ") and sum(line.startswith("error: ") for line in lines) == 1


@pytest.mark.parametrize("verb", VERBS)
def test_a_small_hostile_file_is_answered_or_refused_in_one_line(
    verb: str, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line, answered = VERBS[verb]
    for file in hostile():
        code = own.duomo(house, *said(line, file, tmp_path))
        out, err = capsys.readouterr()
        assert code == (0 if file in answered.split() else 2), (file, out, err)
        assert "Traceback" not in err
        if code:
            assert not out and one_line(err) and not list(tmp_path.iterdir()), (file, out, err)
        elif "--json" in line:
            assert [json.loads(row) for row in out.splitlines()], file
        else:
            assert out, file
        for made in tmp_path.iterdir():
            subprocess.run(["rm", "-r", str(made)], check=True)


WORK: Mapping[str, tuple[list[str], int]] = {
    "index large.txt": (["index", "large.txt", "--to", "OUT/shelf"], 0),
    "index line.txt": (["index", "line.txt", "--to", "OUT/shelf", "--model", "none"], 0),
    "index short.txt": (["index", "short.txt", "--to", "OUT/shelf", "--model", "none"], 0),
    "extract large.txt": (["extract", "large.txt", "--json", "--graph", "OUT/g.ttl", "--html", "OUT/g.html"], 0),
    "classify line.txt": (["classify", "runs/all", "line.txt", "--labels", "a,b", "--json"], 0),
    "comments large.csv": (["comments", "large.csv", "--text", "text", "--date", "day", "--out", "OUT/c.html"], 2),
    "transcribe hours.wav": (["transcribe", "hours.wav", "--language", "en"], 0),
}


@pytest.mark.parametrize("work", WORK)
def test_five_megabytes_and_three_hours_take_seconds_and_little_memory(work: str, house: Path, tmp_path: Path) -> None:
    line, wanted = WORK[work]
    code, out, err, seconds, memory = measured(house, said(line, "", tmp_path))
    assert code == wanted and (code == 0 or (one_line(err) and not out)), (out[-500:], err[-500:])
    assert seconds < 2 * SECONDS and memory < MEMORY, (seconds, memory)  # 9 at most on a quiet machine; others are slower


def measured(folder: Path, line: list[str]) -> tuple[int, str, str, float, int]:
    """Exit code, output, errors, processor seconds and peak bytes of one command line in a process of its own."""
    code = f"from duomo.cli import main\ncode = main({line!r}){PEAK}"
    before = os.times()
    known = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(own.ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=known, capture_output=True, text=True, timeout=200, check=False)
    after = os.times()
    *told, peak = done.stderr.splitlines()
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    return done.returncode, done.stdout, "\n".join(told), seconds, int(peak) * 1024


def answered(folder: Path, capsys: pytest.CaptureFixture[str], *line: str | Path) -> list[dict[str, Any]]:
    """What a command line prints as JSON lines."""
    assert own.duomo(folder, *map(str, line)) == 0, capsys.readouterr().err
    return [json.loads(row) for row in capsys.readouterr().out.split("\n") if row.startswith("{")]


def test_files_of_both_languages_are_quoted(house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "files").mkdir()
    for name in ("en.txt", "中文.txt"):
        (tmp_path / "files" / name).write_text(f"\n{(house / name).read_text(encoding='utf-8')}", encoding="utf-8")
    assert own.duomo(tmp_path, "index", "files", "--model", "none") == 0
    capsys.readouterr()
    for question, file, quote in (
        ("When does the pool close?", "en.txt", "The pool closes at six, on Sundays at four."),
        ("游泳池几点关门？", "中文.txt", "游泳池六点关门，星期天四点关门。"),
    ):
        (found,) = answered(tmp_path, capsys, "answer", question, "--in", "files", "--json", "--top", "1")
        assert found["quotes"] == [{"text": quote, "file": file, "line": 2, "head": ""}]
    (found,) = answered(tmp_path, capsys, "answer", "Who invented the telescope?", "--in", "files", "--json")
    assert found["answer"] is None


def test_relations_of_both_languages_meet_in_one_graph(house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = tmp_path / "g.ttl"
    rows = answered(house, capsys, "extract", "en.txt", "中文.txt", "--json", "--graph", graph)
    assert [len(row["triples"]) > 0 for row in rows] == [True, True]
    for question, found in (("what is the capital of Norland?", ("Oss", "Norland")), ("云溪在哪里？", ("云溪", "北岭"))):
        (row,) = answered(house, capsys, "graph", graph, question, "--json")
        assert (row["subject"], row["object"]) == found


@pytest.mark.parametrize(("model", "table", "column", "labels"), [("e5", "reviews.csv", "text", "a=the cat,b=a dog"),
                                                                   ("runs/all", "评论.csv", "内容", "很好,不好")])  # fmt: skip
def test_tables_of_both_languages_are_labelled_and_summed_up(
    model: str, table: str, column: str, labels: str, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = answered(house, capsys, "classify", model, table, "--column", column, "--labels", labels, "--json")
    assert [row["where"] for row in rows] == [f"{table}:2", f"{table}:3"]
    line = ["comments", table, "--text", column, "--date", "日期" if column == "内容" else "day", "--model", model, "--labels", labels]
    assert own.duomo(house, *line, "--out", str(tmp_path / "c.html")) == 0
    told = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert told["comments"] == 2 and [cell["week"] for cell in told["cells"]] == ["all", "2026-03-02", "2026-03-09"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pictures_sounds_and_films_are_told_in_both_languages(
    language: str, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (row,) = answered(house, capsys, "describe", "runs/all", "pixel.png", "--lang", language, "--json")
    assert row["language"] == language and own.duomo(house, "transcribe", "sound.wav", "--language", language) == 0
    (row,) = answered(house, capsys, "watch", "clip.mp4", "--model", "runs/all", "--lang", language, "--out", tmp_path, "--json")
    assert [part["change"] for part in row["segments"]] == ["begin", "cut"] and all(part["seen"] for part in row["segments"])
    asked = row["segments"][1]["seen"]
    places = answered(house, capsys, "find", asked, "--in", tmp_path, "--model", "nobody", "--json")
    assert places[0]["text"] in {part["seen"] for part in row["segments"]} and Path(places[0]["frame"]).is_file()


@pytest.mark.parametrize("language", ["what is this?", "这是什么？"])
def test_a_talk_goes_on_in_both_languages(
    language: str, house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{language}\n/image empty.png\n/audio hours.wav\n{language}\n{'书' * 100_000}\n"))
    assert own.duomo(house, "chat", "runs/all") == 0
    assert "empty.png: " in (told := capsys.readouterr().out) and "reads 256 at most" in told


def test_a_terminal_is_not_steered_by_what_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("The pool \x1b[31mcloses at six.\n" + ENGLISH, encoding="utf-8")
    assert own.duomo(tmp_path, "index", "a.txt", "--model", "none") == 0
    line = ("answer", "When does the pool close?", "--in", "a.txt")
    assert own.duomo(tmp_path, *line) == 0 and "The pool \x1b[31mcloses" in capsys.readouterr().out  # a program gets it as it is
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert own.duomo(tmp_path, *line) == 0 and "The pool [31mcloses at six." in capsys.readouterr().out


NAMES = ("[bold] [red", "<img src=x onerror=1>", "$title ${x}", "a**b [x]", "名" * 70, "\udcd6\udcd0", "a\nb", "\x1b[31mred", "`x` | y")
MOOD = ["--labels", "a=the cat,b=a dog"]
NAMED: Mapping[str, tuple[str, list[str]]] = {
    "index": ("en.txt", ["index", "FILE", "--to", "OUT/shelf"]),
    "extract": ("en.txt", ["extract", "FILE", "--graph", "OUT/g.ttl", "--html", "OUT/g.html"]),
    "classify": ("reviews.csv", ["classify", "e5", "FILE", *MOOD, "--out", "OUT/c.jsonl"]),
    "comments": ("reviews.csv", ["comments", "FILE", "--text", "text", "--date", "day", *MOOD, "--out", "OUT/c.html"]),
    "describe": ("pixel.png", ["describe", "runs/all", "FILE"]),
    "watch": ("clip.mp4", ["watch", "FILE", "--out", "OUT"]),
    "transcribe": ("sound.wav", ["transcribe", "FILE", "FILE", "--language", "en"]),
}


@pytest.mark.parametrize("verb", NAMED)
def test_a_name_of_a_file_is_only_a_name(verb: str, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, line = NAMED[verb]
    for number, name in enumerate(NAMES):
        (here := tmp_path / str(number)).mkdir()
        target = here / f"{name}{Path(file).suffix}"
        target.write_bytes((house / file).read_bytes())
        assert own.duomo(house, *said(line, str(target), here / "out")) == 0, (name, capsys.readouterr())
        pages = [page.read_text(encoding="utf-8") for page in here.rglob("*") if page.suffix in (".html", ".md") and page.is_file()]
        assert not any(re.search(r"(?<!\\)<img src=x", page) for page in pages)
        out, err = capsys.readouterr()
        assert (out + err).encode() and ("\x1b" not in out + err or "\x1b" in name)


def test_a_folder_of_hostile_files_is_gone_through(house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, data in {**hostile(), "a[/b] c.txt": ENGLISH.encode()}.items():
        (tmp_path / "all" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / name).write_bytes(data)
    for folder in ("a.mp4", "b.png", "c.wav", "d.txt"):
        (tmp_path / "all" / folder).mkdir()
        (tmp_path / "all" / f"gone-{folder}").symlink_to("nowhere")
    work: dict[str, Callable[[str], bool]] = {
        "index all --to shelf": lambda told: "not read: empty.txt" in told,
        "describe runs/all all": lambda told: "empty.png" in told and "pixel.png: " in told,
        "watch all --out watched": lambda told: "empty.mp4" in told and "pixel.gif: 1 parts" in told,
        "transcribe all --language en": lambda told: "empty.wav" in told,
    }
    (tmp_path / "cache").symlink_to(house / "cache")
    (tmp_path / "runs").symlink_to(house / "runs")
    for line, holds in work.items():
        code = own.duomo(tmp_path, *line.split())
        out, err = capsys.readouterr()
        assert code == 0 and holds(out + err), (line, code, out, err)


@pytest.mark.parametrize("verb", "classify comments index answer extract graph describe watch find".split())
def test_every_verb_has_help_with_its_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert own.duomo(Path(), verb, "--help") == 0
    shown = capsys.readouterr().out
    assert f"Usage: duomo {verb}" in shown and f"Example: duomo {verb}" in " ".join(shown.split())
