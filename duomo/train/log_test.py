import json

from duomo.train.log import Log, read
from duomo.train.step import Step


def step(number, loss=1.0):
    return Step(number, loss, 10.0, 100, 0.5, 1.0, 0.25, 0.0)


def test_what_is_logged_is_read(tmp_path):
    log = Log(tmp_path)
    log.step(step(1), {"of_peak": 0.25})
    log.validation(1, {"digits": 2.5})
    log.close()
    first, second = read(tmp_path)
    assert first["step"] == 1 and first["of_peak"] == 0.25 and first["tokens"] == 100
    assert second == {"step": 1, "valid": {"digits": 2.5}}


def test_a_resumed_log_forgets_what_is_done_again(tmp_path):
    log = Log(tmp_path)
    for number in range(1, 6):
        log.step(step(number), {})
    log.close()
    log = Log(tmp_path, first=3)
    log.step(step(4, loss=9.0), {})
    log.close()
    assert [(line["step"], line["loss"]) for line in read(tmp_path)] == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 9.0)]


def test_a_line_cut_off_by_a_kill_is_passed_over(tmp_path):
    (tmp_path / "log.jsonl").write_text(json.dumps({"step": 1}) + '\n{"step": 2, "lo')
    assert read(tmp_path) == [{"step": 1}]
    assert read(tmp_path / "none") == []
