"""Laws of prompts that are read together, as on a GPU: only what fits, and the answers as they are alone."""

from dataclasses import replace

import torch

from duomo.generate.running import Running
from duomo.generate.running_test import all_told, asked, told_alone
from tests.small import model, model_recipe, redrawn, tokenizer


def test_texts_that_wait_are_read_together_where_they_fit():
    torch.set_num_threads(1)
    decoder = redrawn(model(model_recipe()))
    running = Running(decoder, tokenizer(), 4, 96, 400)
    running.together = True
    texts = [asked(decoder, number, stop_ids=(-1,)) for number in (0, 4, 28, 36)]  # of several lengths, each asked for 9 tokens or more
    texts[3] = replace(texts[3], prompt=asked(decoder, 1).prompt)  # a picture
    for key, one in enumerate(texts):
        running.add(key, one)
    running.turn()
    assert [len(running.running), len(running.waiting)] == [3, 1]
    running.turn()
    assert len(running.running) == 4 and running.used == sum(one.prompt.target.ids_BT.shape[1] for one in texts)
    narrow = Running(decoder, tokenizer(), 4, 96, 2 * max(one.prompt.target.ids_BT.shape[1] for one in texts[:3]))
    narrow.together = True
    for key, one in enumerate(texts[:3]):
        narrow.add(key, one)
    narrow.turn()
    assert len(narrow.running) == 2  # with its padding the third is too much


def test_where_many_can_not_be_read_at_once_each_is_read_alone():
    torch.set_num_threads(1)
    decoder = redrawn(model(model_recipe()))
    running, texts = Running(decoder, tokenizer(), 4, 96, 400), [asked(decoder, number) for number in (0, 4)]
    truth, decode = {key: told_alone(decoder, one) for key, one in enumerate(texts)}, decoder.decode

    def narrow(target, *rest, **more):
        if len(target.ids_BT) > 1 and target.ids_BT.shape[1] > 1:
            raise RuntimeError("out of memory")
        return decode(target, *rest, **more)

    decoder.decode, running.together = narrow, True
    for key, one in enumerate(texts):
        running.add(key, one)
    assert all_told(running) == truth and not running.together
