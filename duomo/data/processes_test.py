import time
from pathlib import Path

import pytest

from duomo.data.processes import processes
from duomo.disk import whole_file


def square(number):
    return number * number


def linger(target):
    with whole_file(target) as new:
        new.write_text("half")
        time.sleep(60)


def test_work_is_done_elsewhere():
    with processes(2) as pool:
        assert list(pool.map(square, range(5))) == [0, 1, 4, 9, 16]


def test_a_failure_stops_the_others_at_once_and_leaves_nothing_half_written(tmp_path: Path):
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), processes(1) as pool:
        pool.submit(linger, tmp_path / "a")
        while not list(tmp_path.iterdir()):
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert time.monotonic() - began < 40
    assert not list(tmp_path.iterdir())
