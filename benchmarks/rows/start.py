"""Start: how long a person waits before anything happens. Processes are started anew; their processor time is counted."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from contest import OURS, Aim, Contest, Differ, Row, Setting, Work, needed
from torch import Tensor

from duomo.commands.models import open_model
from duomo.data.collate import prompt
from duomo.data.render import Rendered
from duomo.interchange.huggingface import read
from rows.decoding import smollm2
from rows.peers import drawn, exported, outside, same, ten_million, transformers_model, words

TEXT = "The sea was calm, and the clock had stopped."


def children() -> float:
    """Processor seconds of all processes that ended."""
    times = os.times()
    return times.children_user + times.children_system


def ran(code: str) -> Work:
    """A fresh Python that runs this."""

    def work() -> float:
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        return 1.0

    return work


def imports(setting: Setting) -> Contest:
    """`import` of each package, and nothing else."""
    absent = needed({name: name for name in ("transformers", "litgpt", "ctranslate2")})
    found = {OURS: ran("import duomo"), "an empty Python": ran(""), "torch": ran("import torch")}
    found |= {name: ran(f"import {name}") for name in ("transformers", "litgpt", "ctranslate2") if name not in absent}
    return Contest(found, "each process ends well", absent=absent, clock=children)


def ready(setting: Setting) -> Contest:
    """From nothing to the first token of the 10 M model, beside transformers with the same weights, and beside torch's import alone."""
    from duomo.commands.models import keep

    model = drawn(ten_million()).eval()
    folder = exported(outside(model, words()), "hf", setting.folder / "10m")
    own = setting.folder / "10m-run"
    if not own.exists():
        keep(read(folder), own)
    ours = f"""
import torch
torch.set_num_threads({setting.threads})
from duomo.commands.models import open_model
from duomo.data.collate import prompt
from duomo.data.render import Rendered
from duomo.generate.sampling import Sampling
from duomo.generate.tokens import generate
model = open_model({str(own)!r}).model
print(int(next(generate(model, prompt([Rendered([500, 501, 502], [False] * 3, turn=3)], "decoder"), Sampling(max_tokens=1), -1))))
"""
    theirs = f"""
import torch
torch.set_num_threads({setting.threads})
import transformers
model = transformers.AutoModelForCausalLM.from_pretrained({str(folder)!r}, dtype=torch.float32)
print(int(model.generate(torch.tensor([[500, 501, 502]]), max_new_tokens=1, do_sample=False, pad_token_id=0)[0, -1]))
"""
    absent, found = needed({"transformers": "transformers"}), {OURS: ours, "torch's import alone": "import torch"}
    if not absent:
        found["transformers"] = theirs
    said = {name: told_by(code) for name, code in found.items() if "alone" not in name}
    if len(set(said.values())) != 1:
        raise Differ(f"first tokens differ: {said}")
    works = {name: ran(code) for name, code in found.items()}
    return Contest(works, f"the same first token, {said[OURS]}", absent=absent, clock=children)


def opened(setting: Setting) -> Contest:
    """SmolLM2-135M's folder opened in float32 with its tokenizer, and one text read; libraries are loaded already. Logits must agree."""
    _, held = smollm2(setting)
    folder = exported(held, "hf", setting.folder / "smollm2")
    absent, found = needed({"transformers": "transformers"}), {OURS: ours_reads(folder)}
    if not absent:
        found["transformers"] = theirs_reads(folder)
    mine = found[OURS]()
    told = [same(name, mine, read()) for name, read in found.items() if name != OURS]

    def once(read: Callable[[], object]) -> Work:
        def work() -> float:
            read()
            return 1.0

        return work

    return Contest({name: once(read) for name, read in found.items()}, "; ".join(told), absent=absent)


def ours_reads(folder: Path) -> Callable[[], Tensor]:
    """Opens, and gives the logits of a text."""

    def read() -> Tensor:
        run = open_model(folder)
        ids = run.tokenizer.encode(TEXT)
        with torch.inference_mode():
            return run.model(prompt([Rendered(ids, [False] * len(ids), turn=len(ids))], "decoder"))

    return read


def theirs_reads(folder: Path) -> Callable[[], Tensor]:
    """The same in transformers."""
    import transformers

    def read() -> Tensor:
        model, tokenizer = transformers_model(folder), transformers.AutoTokenizer.from_pretrained(folder)
        with torch.inference_mode():
            logits: Tensor = model(torch.tensor([tokenizer.encode(TEXT, add_special_tokens=False)])).logits
        return logits

    return read


def told_by(code: str) -> str:
    """The last word that a fresh Python prints."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()[-1]


ROWS = (
    Row("import", "import", "s", imports, aims=(Aim("at most", 0.15),), weight=0.3, more=False),
    Row("open", "a checkpoint of 135 M opened, a text read", "s", opened, headline=False, weight=0.3, more=False),
    Row("ready", "from nothing to a token, 10 M", "s", ready, weight=0.3, more=False),
)
