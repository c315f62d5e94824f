"""Laws of watching and finding, on films of seconds."""

import json
import re
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from duomo.cli import main
from duomo.commands import find, watch
from duomo.commands.describe_test import lay
from duomo.commands.film import TABLE, clock, markdown, page
from duomo.generate.transcript import Piece, Transcript
from duomo.modalities.audio import to_wav
from duomo.modalities.shots_test import scene, still
from duomo.modalities.video import VIDEO, Clip

FILM = {
    "clip": "a <b>.mp4",
    "seconds": 3.0,
    "spoken": "en",
    "faults": [],
    "segments": [
        {"start": 0, "end": 2, "change": "begin", "frame": "frames/0001.jpg", "frame_second": 1, "seen": "a red | coat", "said": []},
        {"start": 2, "end": 3, "change": "cut", "frame": "frames/0002.jpg", "frame_second": 2.5, "seen": "",
         "said": [{"start": 2.1, "end": 2.9, "text": "The train is <late>."}]},
    ],
}  # fmt: skip


def film(*lengths, rate=10):
    """An MP4 of scenes of so many frames."""
    frames = np.stack([frame for seed, length in enumerate(lengths) for frame in still(seed, length)])
    return VIDEO.write(Clip(frames, np.arange(len(frames)) / rate))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    made = tmp_path_factory.mktemp("films")
    (made / "a.mp4").write_bytes(film(20, 30))
    book = BytesIO()
    pages = [Image.fromarray(scene(seed)) for seed in (1, 2)]
    pages[0].save(book, "GIF", save_all=True, append_images=pages[1:], duration=1500)
    (made / "b.gif").write_bytes(book.getvalue())
    lay(made)
    return made


def test_a_film_becomes_a_folder_of_key_frames_and_tables(shelf, tmp_path):
    report = watch.run([shelf / "a.mp4", shelf / "b.gif"], watch.Choices(tmp_path, shelf / "eyes"))
    for name, starts, end in (("a.mp4", [0, 2], 5), ("b.gif", [0, 1.5], 3)):
        folder = tmp_path / f"{name}.watch"
        told = json.loads((folder / TABLE).read_text())
        assert [part["start"] for part in told["segments"]] == pytest.approx(starts, abs=0.11)
        assert told["seconds"] == pytest.approx(end, abs=0.1)
        assert all(part["seen"] and part["start"] <= part["frame_second"] < part["end"] for part in told["segments"])
        assert all(Image.open(folder / part["frame"]).size == (96, 72) for part in told["segments"])
        assert (folder / "watch.md").read_text().count("\n| ") == 2 + 1
    assert [film["clip"] for film in report.facts["films"]] == ["a.mp4", "b.gif"]


def test_the_page_loads_nothing_and_escapes_everything(tmp_path):
    (tmp_path / "frames").mkdir()
    for part in FILM["segments"]:
        Image.fromarray(scene(1)).save(tmp_path / part["frame"])
    html = page(FILM, tmp_path)
    assert "<b>.mp4" not in html and "&lt;late&gt;" in html and "default-src 'none'" in html
    assert all(source.startswith("data:image/jpeg;base64,") for source in re.findall(r'src="([^"]*)"', html))
    assert not re.findall(r"https?://|<script", html)
    assert "a red \\| coat" in markdown(FILM) and "\\<late\\>" in markdown(FILM)


def test_words_go_to_the_part_in_which_they_begin():
    parts = [watch.Part(0, 2, 1, "", "begin"), watch.Part(2, 4, 3, "", "cut")]
    heard = Transcript((Piece(0.5, 2.5, "one"), Piece(2.5, 3, "two"), Piece(4.2, 5, "three")))
    assert [[piece.text for piece in part.said] for part in watch._spoken(parts, heard)] == [["one"], ["two", "three"]]


def test_what_is_no_film_is_refused_in_one_line_and_the_rest_goes_on(shelf, tmp_path, capsys):
    whole = film(10)
    broken = {"empty.mp4": b"", "head.mp4": whole[:40], "noise.mp4": bytes(range(256)) * 40, "sound.mp4": to_wav(np.zeros(800, np.float32))}
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
        assert main(["watch", str(tmp_path / name), "--whisper", ""]) == 2
        told = capsys.readouterr().err.strip().splitlines()[-1]
        assert name in told and not (tmp_path / f"{name}.watch").exists()
    report = watch.run([tmp_path / "head.mp4", shelf / "b.gif"], watch.Choices(tmp_path / "out"))
    assert len(report.facts["films"]) == 1 and "head.mp4" in report.facts["faults"][0]


def test_a_film_that_breaks_off_is_watched_up_to_there(tmp_path):
    file = BytesIO()
    with av.open(file, "w", format="matroska") as made:
        stream = made.add_stream("libx264", rate=10)
        stream.width, stream.height = 96, 72
        for pixels in still(1, 30) + still(2, 60):
            made.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        made.mux(stream.encode())
    whole = file.getvalue()
    (tmp_path / "half.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    report = watch.run([tmp_path / "half.mkv"], watch.Choices())
    (found,) = report.facts["films"]
    assert 0 < found["seconds"] < 9 and found["faults"]


def test_two_clips_of_one_name_are_not_written_over_each_other(tmp_path):
    with pytest.raises(ValueError, match="would both be written"):
        watch.folders([tmp_path / "a" / "x.mp4", tmp_path / "b" / "x.mp4"], tmp_path)
    assert len(watch.folders([tmp_path / "a" / "x.mp4", tmp_path / "b" / "x.mp4"], None)) == 2


def test_a_folder_of_something_else_is_never_replaced(shelf, tmp_path):
    (tmp_path / "a.mp4.watch").mkdir()
    (tmp_path / "a.mp4.watch" / "mine.txt").write_text("x")
    with pytest.raises(ValueError, match="holds something else than a watched film"):
        watch.run([shelf / "a.mp4"], watch.Choices(tmp_path))
    assert (tmp_path / "a.mp4.watch" / "mine.txt").exists()


def shelved(folder, tree=FILM):
    (folder / "a.watch").mkdir(parents=True, exist_ok=True)
    (folder / "a.watch" / TABLE).write_text(json.dumps(tree), encoding="utf-8")
    return folder


def test_words_are_found_with_their_clip_and_second(tmp_path):
    shelved(tmp_path)
    places = find.places(tmp_path)
    assert [(place.kind, place.second) for place in places] == [("seen", 1), ("said", 2.1)]
    assert find.found("the late train", places, None).argmax() == 1 and find.found("coat", places, None).argmax() == 0
    assert find.words("The TRAIN，火车晚点") == {"the", "train", "火车", "车晚", "晚点"}


def test_a_place_names_a_key_frame_inside_its_own_folder(tmp_path):
    part = dict(FILM["segments"][0]) | {"frame": "../../../etc/passwd"}
    (place,) = find.places(shelved(tmp_path, FILM | {"segments": [part]}))
    assert Path(place.frame).resolve().is_relative_to(tmp_path.resolve())
    for wrong in ({"frame": "../.."}, {"frame": "a/.."}, {"frame_second": float("inf")}):
        with pytest.raises(ValueError, match="not what `duomo watch` writes"):
            find.places(shelved(tmp_path, FILM | {"segments": [part | {"frame": "frames/1.jpg"} | wrong]}))


def test_where_nothing_was_watched_one_line_says_so(tmp_path, capsys):
    assert main(["find", "x", "--in", str(tmp_path)]) == 2
    assert "no film was watched there" in capsys.readouterr().err
    shelved(tmp_path, {"segments": 3})
    assert main(["find", "x", "--in", str(tmp_path)]) == 2
    assert "not what `duomo watch` writes" in capsys.readouterr().err


def test_times_read_as_people_write_them():
    assert [clock(second) for second in (0, 9.96, 75.25, 3723.4)] == ["0:00.0", "0:10.0", "1:15.2", "1:02:03.4"]
