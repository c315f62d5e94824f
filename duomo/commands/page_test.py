"""Laws of the page."""

import re
from pathlib import Path

import numpy as np
import pytest

from duomo.commands import page
from duomo.commands.board import board, scale
from duomo.commands.curves import drawings, picture
from duomo.commands.page import ROOM, Media, html
from duomo.data.lineage import Lineage, Provenance
from duomo.modalities import MODALITIES
from duomo.modalities.video import Clip
from duomo.report import Baseline, Control, Example, Report, ReportRow

ATTACK = "<script>alert(1)</script>\"' onerror=x $title"
ROW = ReportRow("digits", "test", "accuracy", True, 0.9, 0.88, 0.92, 500, 0.1, (Baseline("3-NN", 0.8),), Control(0.1, 500))
BLIND = ReportRow(
    "<b>", "test", "loss<i>", False, 2.0, 1.9, 2.1, 9, 8.0, (Baseline(ATTACK, 1.0),), Control(2.0, 9),
    (Control(2.5, 9, ATTACK, chance=3.0),), True, ATTACK,
)  # fmt: skip
LOG = [{"step": step, "loss": 9 / step, "tokens_per_second": 1000.0} for step in range(1, 101)]
LOG += [{"step": step, "valid": {"digits": 3 / step, "$x<b>": 5.0}} for step in (50, 100)]
LEARNED = [Lineage("digits", (Provenance("a<b>", "CC-BY-SA-4.0", True, 7), Provenance("c", "", False, 8)), 15, {"train": 15}, {})]
FACTS = {"about": ATTACK, "parameters": 5, "seed": 0, "training": {"seconds": 60.0, "tokens": 7, "tokens_per_second": 1}, "x": {"<y>": [1]}}


def files(root: Path) -> list[tuple[str, str]]:
    """A file of every modality."""
    moving = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    raw = {"image": moving[0, ..., 0], "audio": np.sin(np.arange(8000) / 9).astype(np.float32), "video": Clip(moving, np.arange(6) / 4)}
    for kind, value in raw.items():
        (root / f"x{MODALITIES[kind].suffix}").write_bytes(MODALITIES[kind].write(value))
    return [(kind, f"x{MODALITIES[kind].suffix}") for kind in raw]


def whole(root: Path, examples: tuple[Example, ...] = ()) -> str:
    shown = (Example("digits", ATTACK, ATTACK, "7", tuple(files(root)), right=False), *examples)
    return html(Report(ATTACK, (ROW, BLIND), shown, FACTS), LOG, LEARNED, root)


def test_it_is_one_file_without_scripts_that_asks_nobody(tmp_path):
    made = whole(tmp_path)
    assert "<script" not in made.lower() and "default-src 'none'" in made
    links = re.findall(r'(?:src|href)="([^"]*)"|url\(([^)]*)\)', made)
    assert len(links) >= 3 and all((a or b).startswith(("data:", "#")) for a, b in links)
    assert not re.findall(r"\$\w+", made.replace("$title", "").replace("$x", ""))  # nothing of the template is left


def test_what_others_wrote_is_never_markup(tmp_path):
    made = whole(tmp_path)
    assert "<b>" not in re.sub(r"<b>[\d.]+</b>", "", made) and "<i>" not in made and "<y>" not in made
    assert "onerror=x" in made and not re.search(r"<[^>]*(?<!&#x27;) onerror=x", made.replace("&quot;", "").replace("&lt;", ""))
    assert made.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5


def test_every_sense_can_be_seen_or_heard_and_its_control_has_a_name(tmp_path):
    made = whole(tmp_path)
    assert re.search(r'<img src="data:image/png;base64,[^"]+" alt="digits, image 1">', made)
    assert re.search(r'<audio controls preload="auto" src="data:audio/[^"]+" aria-label="digits, audio 1">', made)
    assert re.search(r'<video controls [^>]*src="data:video/mp4;base64,[^"]+" aria-label="digits, video 1">', made)


def test_both_languages_say_everything(tmp_path):
    made = whole(tmp_path)
    assert made.count('class="en"') == made.count('class="zh"') > 30
    assert 'id="zh"' in made and "prefers-color-scheme: dark" in made and 'name="viewport"' in made


def test_right_wrong_and_neither(tmp_path):
    def mark(answer: str, truth: str, right: bool | None) -> str:
        return re.findall(r'<article class="(\w*)">', whole(tmp_path, (Example("t", "q", answer, truth, (), right),)))[-1]

    assert (mark("a", "b", True), mark("a", "a", False)) == ("right", "wrong")
    assert (mark("a", "a ", None), mark("a", "b", None)) == ("right", "")


def test_a_large_file_is_shown_as_the_model_read_it_and_a_full_page_names_the_rest(tmp_path):
    sound = np.random.default_rng(0).normal(0, 0.1, 160_000).astype(np.float32)
    import soundfile

    soundfile.write(tmp_path / "long.wav", sound, 16_000, subtype="FLOAT")
    media = Media(tmp_path)
    assert media.show("audio", "long.wav", "x").startswith("<audio")
    assert ROOM - media.room < 400_000 < (tmp_path / "long.wav").stat().st_size
    assert Media(tmp_path, room=1000).show("audio", "long.wav", "x") == '<code class="file">long.wav</code>'
    assert media.show("image", "gone<.png", "x") == '<code class="file">gone&lt;.png</code>'
    assert media.show("smell", "long.wav", "x") == '<code class="file">long.wav</code>'


def test_bars_end_inside_their_axis():
    assert [scale([value]) for value in (0.0, 0.97, 1.0, 1.01, 2.2, 11.0, 61.0, float("nan"))] == [1, 1, 1, 1.5, 2.5, 15, 80, 1]
    drawn = board([ROW, BLIND])
    shares = [float(share) for share in re.findall(r"(?:left|width):([\d.]+)%", drawn)]
    assert len(shares) >= 8 and all(0 <= share <= 100 for share in shares)
    assert "width:90.0%" in drawn and "left:88.0%;right:calc(100% - 92.0%)" in drawn


def test_remarks_stand_where_they_belong():
    assert "did not look" not in board([ROW]) and "below" not in board([ROW]) and "synthetic" not in board([ROW])
    assert all(remark in board([BLIND]) for remark in ("did not look", "没有看输入", "below", "synthetic"))


def test_curves_take_the_readers_colours_and_are_the_same_every_time():
    (loss, drawn), (_, held_out), (_, speed) = drawings(LOG)
    assert loss.startswith("loss") and "var(--main)" in drawn and "var(--ink)" in speed and "digits 0.03" in held_out
    assert all(svg.startswith("<svg") and "<image" not in svg and "DOCTYPE" not in svg for _, svg in drawings(LOG))
    assert drawings(LOG) == drawings(LOG) and drawings([]) == []
    alone = picture(LOG)
    assert "prefers-color-scheme: dark" in alone and "xmlns" in alone and alone == picture(LOG)


def test_a_run_without_log_or_examples_still_has_a_page(tmp_path):
    made = html(Report("x", (ROW,)), [], [], tmp_path)
    assert "0.900" in made and "<svg" not in made


@pytest.mark.parametrize("field", ["<title>", "<h1>"])
def test_the_title_is_escaped(tmp_path, field):
    assert f"{field}&lt;script&gt;" in whole(tmp_path)
    assert page.SHOWN.keys() == MODALITIES.keys()
