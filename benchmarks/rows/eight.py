"""Eight: decoding by weights of 8 bits, with what that costs in quality."""

import math
from collections.abc import Callable, Sequence

import torch
from contest import OURS, Aim, Contest, Differ, Row, Setting, Work, needed

from duomo.data.collate import prompt
from duomo.data.render import Rendered
from duomo.generate.engine import Engine
from duomo.generate.reader import Reader
from duomo.model import Model
from rows.decoding import Say, by_engine, ctranslate2, duomo, gguf_file, llama, smollm2, transformers
from rows.peers import random_ids
from rows.text import introductions

TEXTS, TOKENS = 8, 48  # of text by which quality is weighed
MOST_LOST = 0.02  # of bits a byte


@torch.inference_mode()
def nats(model: Model, rows: Sequence[Sequence[int]]) -> float:
    """What rows of equally many ids cost, all but the first, read one token at a time as answers are said."""
    ids_BT, total = torch.tensor(rows), 0.0
    batch = prompt([Rendered([row[0]], [False], turn=1) for row in rows], "decoder")
    reader = Reader(model, batch, ids_BT.shape[1]) if model.engine is None else model.engine.begin(batch, ids_BT.shape[1])
    for at in range(1, ids_BT.shape[1]):
        total -= float(reader.logits().log_softmax(-1).gather(1, ids_BT[:, at, None]).sum())
        reader.add(ids_BT[:, at, None])
    return total


def eight(rows: int, count: int, engine: bool = False) -> Callable[[Setting], Contest]:
    """A row of SmolLM2 by 8 bits, beside peers by 8 bits and transformers in float32. `engine`: llama.cpp says ours."""

    def make(setting: Setting) -> Contest:
        run, out = smollm2(setting)
        texts = [out.tokenizer.encode(text)[:TOKENS] for text in introductions(setting)]
        shown = [ids for ids in texts if len(ids) == TOKENS][:TEXTS]
        size = sum(len(out.tokenizer.decode(ids[1:]).encode()) for ids in shown)
        bits = {}
        for name, run.int8 in (("float32", False), ("int8", True)):
            bits[name] = round(nats(run, shown) / size / math.log(2), 4)
        if engine:
            run.engine = Engine(gguf_file(out, "smollm2", setting, "Q8_0"), run.recipe.max_positions)
            bits["int8"] = round(sum(nats(run, [row]) for row in shown) / size / math.log(2), 4)
            run.engine = None
        if bits["int8"] > bits["float32"] * (1 + MOST_LOST):
            raise Differ(f"int8 loses more than {MOST_LOST:.0%} of its bits a byte: {bits}")
        absent = needed({"transformers": "transformers", "CTranslate2, int8": "ctranslate2", "llama.cpp, q8_0": "llama_cpp"})
        found: dict[str, Say] = {OURS: duomo(run)}
        if engine:
            found = {OURS: by_engine(run, gguf_file(out, "smollm2", setting, "Q8_0")), "duomo by torch": duomo(run)}
        if "transformers" not in absent:
            found["transformers"] = transformers(out, "smollm2", setting)
        if "CTranslate2, int8" not in absent:
            found["CTranslate2, int8"] = ctranslate2(out, "smollm2", setting, "int8")
        if "llama.cpp, q8_0" not in absent and rows == 1:
            found["llama.cpp, q8_0"] = llama(out, "smollm2", setting, "Q8_0")
        prompts = random_ids(rows, 16, 8192)
        for one in found.values():
            one(prompts, 2)
        facts = {"bits a byte of Wikipedia": bits, "texts": len(shown), "tokens": len(shown) * (TOKENS - 1)}
        works = {name: _work(one, prompts, count) for name, one in found.items()}
        return Contest(works, f"bits a byte within {MOST_LOST:.0%} of float32's", absent=absent, facts=facts)

    return make


def _work(one: Say, prompts: Sequence[Sequence[int]], count: int) -> Work:
    def timed() -> float:
        one(prompts, count)
        return float(len(prompts) * count)

    return timed


ROWS = (
    Row("eight-1", "greedy decode, SmolLM2-135M, int8, batch 1", "tokens/s", eight(1, 32),
        aims=(Aim("transformers", 3.2), Aim("llama.cpp, q8_0", 0.8))),
    Row("engine-eight", "greedy decode, SmolLM2-135M, int8, batch 1, by llama.cpp", "tokens/s", eight(1, 32, engine=True),
        aims=(Aim("transformers", 3.2), Aim("llama.cpp, q8_0", 0.8)), headline=False),
    Row("eight-16", "greedy decode, SmolLM2-135M, int8, batch 16", "tokens/s", eight(16, 16), aims=(Aim("transformers", 2.7),)),
)  # fmt: skip
