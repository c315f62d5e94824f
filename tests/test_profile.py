"""A run that is profiled tells where its time goes, and learns what it would have learned."""

import json

import pytest

from tests import own


@pytest.fixture(scope="module")
def profiled(tmp_path_factory):
    folder = own.lay(tmp_path_factory.mktemp("profiled"))
    assert own.duomo(folder, "train", "own.yaml", "train.steps=16", "--profile") == 0
    return folder


def test_the_page_says_where_all_the_time_went(profiled):
    page = (profiled / "runs/own/profile.txt").read_text(encoding="utf-8")
    first, second = (part.splitlines() for part in page.split("\n\n")[1:])
    shares = {line[:44].strip(): float(line.split()[-1].rstrip("%")) for line in first[1:]}
    assert sum(shares.values()) == pytest.approx(100, abs=1) and min(shares.values()) >= 0
    assert {"data wait", "forward: decoder", "backward", "optimizer", "forward: head, loss, all else"} <= shares.keys()
    assert shares["backward"] > 1 and shares["forward: decoder"] > 1
    assert any(line.startswith("aten::") for line in second[1:])
    assert "tokens/s" in page and "utilisation" in page


def test_the_trace_names_the_parts(profiled):
    events = json.loads((profiled / "runs/own/trace.json").read_text(encoding="utf-8"))["traceEvents"]
    named = [event["name"] for event in events if str(event.get("name", "")).startswith("duomo: ")]
    assert named.count("duomo: passes") == named.count("duomo: optimizer") == 5
    assert {"duomo: data wait", "duomo: forward", "duomo: decoder"} <= set(named)


def test_the_run_is_the_same_as_without(profiled, tmp_path):
    plain = own.lay(tmp_path)
    assert own.duomo(plain, "train", "own.yaml", "train.steps=16") == 0
    assert own.weights(plain) == own.weights(profiled)
    assert not (plain / "runs/own/trace.json").exists()


def test_the_log_tells_utilisation(profiled):
    assert all(0 < line["of_peak"] < 1 for line in own.log(profiled))


def test_a_run_too_short_to_be_watched_ends_well(tmp_path):
    folder = own.lay(tmp_path)
    assert own.duomo(folder, "train", "own.yaml", "train.steps=2", "--profile") == 0
    assert "backward" in (folder / "runs/own/profile.txt").read_text(encoding="utf-8")
