"""Decoding: the likeliest tokens, one after the other, and the time to the first."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from contest import OURS, Aim, Contest, Row, Setting, Work, needed

from duomo.generate.engine import Engine
from duomo.interchange import Outside, gguf
from duomo.model import Model
from rows.peers import drawn, exported, outside, random_ids, same_ids, say, ten_million, transformers_model, words

PROMPT, LONG = 16, 512
PEERS = {"transformers": "transformers", "CTranslate2": "ctranslate2", "llama.cpp": "llama_cpp", "ONNX Runtime": "onnxruntime_genai"}
Say = Callable[[Sequence[Sequence[int]], int], list[list[int]]]  # prompts, how many tokens -> tokens


def small(setting: Setting) -> tuple[Model, Outside]:
    """The 10 M decoder."""
    model = drawn(ten_million()).eval()
    return model, outside(model, words())


def smollm2(setting: Setting) -> tuple[Model, Outside]:
    """SmolLM2-135M-Instruct, as `duomo fetch` brings it."""
    from duomo.commands.models import open_model

    run = open_model(setting.cache / "models" / "smollm2")
    return run.model, outside(run.model, run.tokenizer, run.recipe.tokenizer.chat)


def transformers(model: Outside, name: str, setting: Setting) -> Say:
    """`generate` of transformers."""
    peer = transformers_model(exported(model, "hf", setting.folder / name))
    peer.generation_config.eos_token_id = None

    def ids(prompts: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        shown = torch.tensor(prompts)
        with torch.inference_mode():
            said = peer.generate(shown, attention_mask=torch.ones_like(shown), max_new_tokens=count, do_sample=False, pad_token_id=0)
        return said[:, shown.shape[1] :].tolist()

    return ids


def ctranslate2(model: Outside, name: str, setting: Setting, kind: str = "float32") -> Say:
    """CTranslate2's generator."""
    import ctranslate2 as peer

    folder, to = exported(model, "hf", setting.folder / name), setting.folder / f"{name}-ct2"
    if not to.exists():
        peer.converters.TransformersConverter(str(folder)).convert(str(to))
    told = json.loads((to / "config.json").read_text())  # it opens no model that lacks a token for what is unknown
    told |= {name: "" for name, value in told.items() if value is None and name.endswith("_token")}
    (to / "config.json").write_text(json.dumps(told))
    generator = peer.Generator(str(to), compute_type=kind, inter_threads=1, intra_threads=setting.threads)
    known = json.loads((to / "vocabulary.json").read_text(encoding="utf-8"))

    def ids(prompts: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        shown = [[known[id] for id in row] for row in prompts]
        wanted = {"max_length": count, "min_length": count, "beam_size": 1, "sampling_topk": 1, "include_prompt_in_result": False}
        return [list(one.sequences_ids[0]) for one in generator.generate_batch(shown, **wanted)]

    return ids


def gguf_file(model: Outside, name: str, setting: Setting, kind: str) -> Path:
    """The model as llama.cpp reads it."""
    path = setting.folder / f"{name}-{kind}.gguf"
    if not path.exists():
        gguf.write(model, path, kind)
    return path


def llama(model: Outside, name: str, setting: Setting, kind: str = "F32") -> Say:
    """llama.cpp, one prompt after the other."""
    import llama_cpp as peer

    path = gguf_file(model, name, setting, kind)
    opened = peer.Llama(str(path), n_ctx=1024, n_threads=setting.threads, n_threads_batch=setting.threads, verbose=False)

    def ids(prompts: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        found = []
        for row in prompts:
            told = opened.generate(list(row), top_k=1, temp=0.0, repeat_penalty=1.0, reset=True)
            found.append([next(told) for _ in range(count)])
            opened.reset()
        return found

    return ids


def onnx(model: Outside, name: str, setting: Setting) -> Say:
    """ONNX Runtime through its own generation library and its own export."""
    import numpy as np
    import onnxruntime_genai as peer

    folder, to = exported(model, "hf", setting.folder / name), setting.folder / f"{name}-onnx"
    if not to.exists():
        make = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", folder, "-o", to, "-p", "fp32", "-e", "cpu"]
        subprocess.run([*make, "-c", setting.folder], check=True, capture_output=True)
    config = json.loads((to / "genai_config.json").read_text())
    config["model"]["decoder"]["session_options"] |= {"intra_op_num_threads": setting.threads, "inter_op_num_threads": 1}
    (to / "genai_config.json").write_text(json.dumps(config))
    opened = peer.Model(str(to))

    def ids(prompts: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        length = len(prompts[0]) + count
        params = peer.GeneratorParams(opened)
        params.set_search_options(max_length=length, min_length=length, batch_size=len(prompts), do_sample=False)
        generator = peer.Generator(opened, params)
        generator.append_tokens(np.array(prompts, dtype=np.int32))
        for _ in range(count):
            generator.generate_next_token()
        return [list(map(int, generator.get_sequence(row)[-count:])) for row in range(len(prompts))]

    return ids


def duomo(model: Model) -> Say:
    """Ours."""
    return partial(say, model)


def by_engine(model: Model, path: Path) -> Say:
    """Ours, with llama.cpp to hold the weights (`--engine`); what it has read before is read again."""
    engine = Engine(path, model.recipe.max_positions)

    def ids(prompts: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        model.engine, engine.read = engine, []
        try:
            return say(model, prompts, count)
        finally:
            model.engine = None

    return ids


def numbers(model: Model) -> int:
    """Weights that every token is multiplied with: all but the table of an untied model."""
    count = sum(p.numel() for p in model.parameters())
    return count if model.head is None else count - model.tokens.weight.numel()


def programs(model: Model, out: Outside, name: str, setting: Setting, rows: int, absent: dict[str, str]) -> dict[str, Say]:
    """Every program that is installed and opens the model; what can not is named in `absent`."""
    made: dict[str, Callable[..., Say]] = {"transformers": transformers, "CTranslate2": ctranslate2, "ONNX Runtime": onnx}
    if rows == 1:
        made["llama.cpp"] = llama
    found = {OURS: duomo(model)}
    for peer, make in made.items():
        if peer in absent:
            continue
        try:
            found[peer] = make(out, name, setting)
        except Exception as error:  # whatever a peer's own export raises
            absent[peer] = f"{type(error).__name__}: {error}".splitlines()[0][:160]
    return found


def greedy(
    opened: Callable[[Setting], tuple[Model, Outside]], name: str, rows: int, count: int, length: int, engine: bool, setting: Setting
) -> Contest:  # fmt: skip
    """The likeliest tokens after prompts of ids drawn at random; all programs must say the same. `engine`: llama.cpp says ours."""
    model, out = opened(setting)
    absent = needed(PEERS)
    if rows > 1:
        absent["llama.cpp"] = "its Python binding answers one prompt at a time"
    prompts = random_ids(rows, length, min(model.recipe.vocab_size, 8192))
    found = programs(model, out, name, setting, rows, absent)
    if engine:
        found = {OURS: by_engine(model, gguf_file(out, name, setting, "F32")), "duomo by torch": found.pop(OURS)} | found
    said = {peer: one(prompts, count) for peer, one in found.items()}
    told = [same_ids(peer, said[OURS], ids) for peer, ids in said.items() if peer != OURS]
    units = 1.0 if count == 1 else float(rows * count)
    read = 4 * numbers(model) / rows if count > 1 else 0.0
    head = model.recipe.block.dim * model.recipe.vocab_size
    prompt = 2.0 * ((numbers(model) - head) * length + head)  # the head is asked once
    flops = prompt if count == 1 else 2.0 * numbers(model) if rows > 1 else 0.0
    works = {peer: _work(one, prompts, count, units) for peer, one in found.items()}
    return Contest(works, "; ".join(told), flops=flops, bytes=read if rows == 1 else 0.0, absent=absent)


def _work(one: Say, prompts: Sequence[Sequence[int]], count: int, units: float) -> Work:
    def work() -> float:
        one(prompts, count)
        return units

    return work


def decode(
    opened: Callable[[Setting], tuple[Model, Outside]], name: str, rows: int, count: int, engine: bool = False
) -> Callable[[Setting], Contest]:  # fmt: skip
    """A row of tokens a second."""
    return partial(greedy, opened, name, rows, count, PROMPT, engine)


def first(opened: Callable[[Setting], tuple[Model, Outside]], name: str) -> Callable[[Setting], Contest]:
    """A row of prompts of 512 tokens a second, up to the first token."""
    return partial(greedy, opened, name, 1, 1, LONG, False)


ROWS = (
    Row("decode-10m-1", "greedy decode, 10 M, batch 1", "tokens/s", decode(small, "10m", 1, 64),
        aims=(Aim("transformers", 3.5), Aim("CTranslate2", 1.0), Aim("read", 0.68))),
    Row("decode-10m-16", "greedy decode, 10 M, batch 16", "tokens/s", decode(small, "10m", 16, 48), aims=(Aim("transformers", 1.8),)),
    Row("decode-135m-1", "greedy decode, SmolLM2-135M, batch 1", "tokens/s", decode(smollm2, "smollm2", 1, 24),
        aims=(Aim("transformers", 1.7), Aim("read", 0.68))),
    Row("engine-10m", "greedy decode, 10 M, batch 1, by llama.cpp", "tokens/s", decode(small, "10m", 1, 64, engine=True),
        aims=(Aim("transformers", 3.5), Aim("CTranslate2", 1.0)), headline=False),
    Row("engine-135m", "greedy decode, SmolLM2-135M, batch 1, by llama.cpp", "tokens/s", decode(smollm2, "smollm2", 1, 24, engine=True),
        aims=(Aim("transformers", 1.7), Aim("read", 0.68)), headline=False),
    Row("decode-135m-16", "greedy decode, SmolLM2-135M, batch 16", "tokens/s", decode(smollm2, "smollm2", 16, 16),
        aims=(Aim("transformers", 1.8),)),
    Row("first-10m", "first token after 512, 10 M", "prompts/s", first(small, "10m"), headline=False),
    Row("first-135m", "first token after 512, SmolLM2-135M", "prompts/s", first(smollm2, "smollm2")),
)  # fmt: skip
