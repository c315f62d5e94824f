"""Laws of an engine: it says what the model says, one row at a time; whatever else is asked stays with the model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from duomo.batch import Batch
from duomo.data.collate import prompt
from duomo.data.render import Rendered
from duomo.generate import Sampling, generate
from duomo.generate.engine import Borrowed, Engine
from duomo.generate.reader import Reader
from duomo.interchange import Card, Outside, gguf
from duomo.model import Model
from duomo.recipe import BlockRecipe
from duomo.tokenizer import Tokenizer
from tests.small import model, model_recipe, redrawn

GREEDY, NEVER = Sampling(max_tokens=12), -1


def text_model() -> Model:
    return redrawn(model(model_recipe(senses=(), block=BlockRecipe(dim=48, heads=4, kv_heads=2)))).eval()


def asked(*rows: Sequence[int]) -> Batch:
    return prompt([Rendered(list(row), [False] * len(row), turn=len(row)) for row in rows], "decoder")


def said(m: Model, batch: Batch, sampling: Sampling = GREEDY) -> list[list[int]]:
    return torch.stack(list(generate(m, batch, sampling, NEVER)), 1).tolist()


@dataclass
class Counting:
    """In the place of an engine: answers by the model itself, and counts."""

    model: Any
    begun: int = 0
    asked: list[list[int]] = field(default_factory=list)

    def begin(self, batch: Batch, room: int) -> "Borrowed | None":
        if batch.target is None or len(batch.target.ids_BT) > 1:
            return None
        self.begun += 1
        return Borrowed(self, batch.target)  # type: ignore[arg-type]

    def logits(self, ids: Sequence[int]) -> Tensor:
        self.asked.append(list(ids))
        return Reader(self.model, asked(ids), 1).logits()


@torch.inference_mode()
def test_one_row_goes_by_the_engine_and_several_by_the_model() -> None:
    m = text_model()
    alone, both = said(m, asked([5, 6, 7])), said(m, asked([5, 6, 7], [8, 9, 10]))
    m.engine = engine = Counting(m)
    assert said(m, asked([5, 6, 7])) == alone and engine.begun == 1
    assert engine.asked == [[5, 6, 7, *alone[0][:n]] for n in range(12)]
    assert said(m, asked([5, 6, 7], [8, 9, 10])) == both and engine.begun == 1
    warm = Sampling(max_tokens=9, temperature=1.2, top_k=20, repetition_penalty=1.3, seed=4)
    by_engine = said(m, asked([5, 6, 7]), warm)
    m.engine = None
    assert said(m, asked([5, 6, 7]), warm) == by_engine


def test_an_engine_is_forgotten_where_weights_are_about_to_change() -> None:
    m = text_model()
    m.engine = Counting(m)
    assert m.eval().engine is not None and m.train().engine is None


@pytest.mark.skipif(find_spec("llama_cpp") is None, reason="llama-cpp-python is not installed")
@torch.inference_mode()
def test_llama_cpp_says_the_same_after_any_prompt_and_reads_only_what_is_new(tmp_path: Path) -> None:
    m = text_model()
    tokenizer = Tokenizer.learn(["the sea and the clock"], m.recipe.vocab_size)
    tokenizer.inner.add_tokens([f"<{number}>" for number in range(m.recipe.vocab_size - tokenizer.vocab_size)])
    gguf.write(Outside(m.recipe, dict(m.state_dict()), tokenizer, "duomo", Card("small")), tmp_path / "small.gguf", "F32")
    engine = Engine(tmp_path / "small.gguf", m.recipe.max_positions)
    (tmp_path / "small.gguf").unlink()
    assert "small.gguf" not in Path("/proc/self/maps").read_text(encoding="utf-8")
    for row in ([5, 6, 7], [5, 6, 7, 8, 20], [9], [5, 6], list(range(30, 90))):
        m.engine = None
        truth, logits = said(m, asked(row)), Reader(m, asked(row), 1).logits()
        m.engine = engine
        assert said(m, asked(row)) == truth
        assert torch.allclose(engine.logits(row), logits, atol=1e-3)
    kept, engine.library.llama_init_from_model = engine.library.llama_init_from_model, lambda model, told: None
    engine.room = 0
    for _ in range(2):
        with pytest.raises(ValueError, match="no memory for"):
            engine.begin(asked([5]), 4)
    engine.library.llama_init_from_model = kept
    assert engine.begin(asked([5], [6]), 4) is None and engine.begin(asked([5]), m.recipe.max_positions) is None
