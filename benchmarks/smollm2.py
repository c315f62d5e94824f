"""SmolLM2, measured: greedy tokens beside a reference's, facts with and without its system message, seconds to the first token.

    python benchmarks/smollm2.py

Fetches smollm2 into `cache`; writes runs/smollm2-facts/report.json. With transformers installed, its own reader of GGUF files gives
the reference: weights, tokenizer and chat template all come another way than ours.
"""

import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from duomo.commands import fetch
from duomo.commands.ask import Assistant
from duomo.commands.evaluate import Answering
from duomo.commands.models import open_model
from duomo.data.collate import prompt
from duomo.data.render import Rendered, render
from duomo.data.store import Store
from duomo.evaluate import scoreboard
from duomo.evaluate.run import evaluate
from duomo.generate import Sampling
from duomo.generate.tokens import generate
from duomo.report import Report, save
from duomo.sample import ask
from duomo.sources.smollm2 import FILE, SMOLLM2
from duomo.tasks.facts import FACTS, facts

CACHE, OUT = Path("cache"), Path("runs/smollm2-facts")
STEPS = 64
# In a small process of its own: what a program has as its largest memory begins with that of whoever started it.
WATCH = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
with subprocess.Popen([sys.executable, "-m", "duomo", "chat", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as chat:
    chat.stdin.write(b"What is the capital of France?\\n")
    chat.stdin.close()
    chat.stdout.read(1)
    seconds = time.perf_counter() - began
    chat.stdout.read()
print(json.dumps([round(seconds, 2), round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20, 2)]))
"""
NEVER = -1  # a token that ends no answer: every row goes on for all steps


def prompts(assistant: Assistant) -> list[list[int]]:
    """The ids of each question as our chat format writes it."""
    return [render(ask(question), assistant.run.tokenizer, {}, Path(), answer=False).ids for question, _ in FACTS]


def ours(assistant: Assistant, rows: Sequence[list[int]]) -> list[list[int]]:
    """Greedy tokens after each row, all rows at once."""
    batch = prompt([Rendered(list(row), [False] * len(row)) for row in rows], "decoder")
    said = torch.stack(list(generate(assistant.run.model, batch, Sampling(max_tokens=STEPS), NEVER)), 1)
    return said.tolist()


def theirs(peer: Any, row: list[int]) -> list[int]:
    """Greedy tokens of the reference, one row alone."""
    said, kept, ids = list[int](), None, torch.tensor([row])
    with torch.inference_mode():
        for _ in range(STEPS):
            out = peer(input_ids=ids, past_key_values=kept, use_cache=True)
            kept, ids = out.past_key_values, out.logits[:, -1:].argmax(-1)
            said.append(int(ids))
    return said


def reference(assistant: Assistant, file: Path) -> dict[str, Any] | None:
    """How often prompts and greedy tokens are the reference's, with the system message and without; None where it is not installed."""
    try:
        transformers = importlib.import_module("transformers")
    except ImportError:
        return None
    transformers.utils.logging.disable_progress_bar()
    peer = transformers.AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32).eval()
    cut = transformers.AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    written = [
        cut.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True, return_dict=True)["input_ids"]
        for question, _ in FACTS
    ]
    rows = prompts(assistant)
    wanted, found = [theirs(peer, row) for row in rows], ours(assistant, rows)
    return {
        "prompts": len(rows),
        "prompts written the same": sum(a == list(b) for a, b in zip(rows, written, strict=True)),
        f"equal for {STEPS} greedy tokens": sum(a == b for a, b in zip(wanted, found, strict=True)),
        "tokens equal": sum(x == y for a, b in zip(wanted, found, strict=True) for x, y in zip(a, b, strict=True)),
    }


def first_token(file: Path) -> dict[str, float]:
    """Seconds from the start of `duomo chat FILE` to the first piece of an answer, and its largest memory in GiB."""
    told = subprocess.run([sys.executable, "-c", WATCH, str(file)], capture_output=True, text=True, check=True).stdout
    return dict(zip(("seconds", "GiB"), json.loads(told), strict=True))


def main() -> None:
    """Measures, prints, writes the report."""
    fetch.run(["smollm2"], CACHE)
    with TemporaryDirectory() as folder:
        file = fetch.lay(SMOLLM2, {FILE.name: CACHE / "packages" / FILE.name}, Path(folder))
        start = sorted((first_token(file) for _ in range(3)), key=lambda one: one["seconds"])[1]
        assistant = Assistant(open_model(file))
        beside = reference(assistant, file)
    ways = {"facts": assistant, "facts, no system message": assistant.introduced("")}
    found = {name: evaluate(facts(), Answering(way.speaker), Store(CACHE)) for name, way in ways.items()}
    rows = tuple(replace(row, task=name) for name, one in found.items() for row in one.rows)
    said = {name: {question: way.ask(question) for question, _ in FACTS} for name, way in ways.items()}
    report = Report("smollm2", rows, facts={"first token": start, "reference": beside, "said": said})
    OUT.mkdir(parents=True, exist_ok=True)
    save(report, OUT / "report.json")
    print(scoreboard.text(scoreboard.merge({"smollm2": report})))
    print(json.dumps(report.facts, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
