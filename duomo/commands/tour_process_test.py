"""Laws of the tour's processes: they give way, and what they make is seen from outside."""

import os
import sys
import threading
import time

import pytest

from duomo.commands.tour_process import LOWEST, Making, Worker, step_back

SETS = ("letters", "tones", "clips")


def lay(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}", encoding="utf-8")


def test_how_much_is_made_grows_with_what_is_written_and_never_reaches_the_end(tmp_path):
    making = Making(tmp_path, SETS, time.time() - 5)
    assert (making.done(), making.total) == (0, 6)
    lay(tmp_path, "prepared/.ab.7.writing/letters/test.jsonl")
    assert making.done() == 0, "the first is being written"
    lay(tmp_path, "prepared/.ab.7.writing/tones/test.jsonl")
    assert making.done() == 1
    (tmp_path / "prepared/.ab.7.writing").rename(tmp_path / "prepared/ab")
    lay(tmp_path, "prepared/ab/lineage.json")
    assert making.done() == 3
    lay(tmp_path, *(f"shards/cd/{name}/{split}/shards.json" for name in SETS[:2] for split in ("train", "valid")))
    assert making.done() == 5
    lay(tmp_path, f"shards/cd/{SETS[2]}/train/shards.json")
    assert making.done() == 5, "as long as it goes on"


def test_what_was_made_before_counts_for_nothing(tmp_path):
    lay(tmp_path, "prepared/ab/lineage.json", "shards/cd/letters/train/shards.json")
    assert Making(tmp_path, SETS, time.time() + 60).done() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no rank of their own")
def test_a_thread_steps_back_alone():
    ranks = dict[str, int]()

    def work():
        step_back(3)
        ranks["after"] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ranks["after"] == min(LOWEST, before + 3)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="no ranks")
def test_a_worker_stands_behind_the_process_whichever_thread_began_it(tmp_path):
    own, ranks = os.getpriority(os.PRIO_PROCESS, os.getpid()), list[int]()

    def work():
        step_back(3)
        worker = Worker(("sources",), tmp_path / "errors.log", 4)
        worker.start()
        assert worker.process is not None
        ranks.append(os.getpriority(os.PRIO_PROCESS, worker.process.pid))
        worker.kill()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ranks == [min(LOWEST, own + 4)]
