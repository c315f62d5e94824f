"""SmolLM2 as it was published: its own chat template, its own words, and the time until it answers. Skipped where it was not fetched."""

import os
import runpy
from pathlib import Path

import jinja2
import pytest

from duomo.commands.ask import Assistant
from duomo.commands.fetch import lay
from duomo.commands.models import open_model
from duomo.data.render import render
from duomo.interchange.gguf_file import GGUFFile
from duomo.sample import Message, Sample, ask, text
from duomo.sources.fetch import PACKAGES
from duomo.sources.smollm2 import FILE, SMOLLM2

PACKAGE = Path("cache") / PACKAGES / FILE.name
FIRST = {"seconds": 6.0, "GiB": 1.2}  # bounds of `duomo chat FILE` until the first piece of an answer, on two cores
QUESTION = "What is the capital of France?"

pytestmark = pytest.mark.skipif(not PACKAGE.is_file(), reason="smollm2 was not fetched: duomo fetch smollm2")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay(SMOLLM2, {FILE.name: PACKAGE}, tmp_path_factory.mktemp("smollm2"))


@pytest.fixture(scope="module")
def assistant(file: Path) -> Assistant:
    return Assistant(open_model(file))


def test_a_conversation_is_written_as_the_file_s_own_template_writes_it(assistant: Assistant, file: Path) -> None:
    template = jinja2.Environment().from_string(GGUFFile(file).fields["tokenizer.chat_template"])
    inner = assistant.run.tokenizer.inner
    for talk in (
        [("user", QUESTION)],
        [("system", "Be brief."), ("user", QUESTION), ("assistant", "Paris."), ("user", "\n Why? 为什么？")],
    ):
        messages = [{"role": role, "content": words} for role, words in talk]
        sample = Sample(tuple(Message(role, (text(words),)) for role, words in talk))
        ids = prompt(assistant, sample)
        written = template.render(messages=messages, add_generation_prompt=True)
        assert inner.decode(ids, skip_special_tokens=False) == written
        inner.encode_special_tokens = False
        try:
            assert inner.encode(written, add_special_tokens=False).ids == ids  # and in the very tokens
        finally:
            inner.encode_special_tokens = True


def test_it_knows_with_and_without_its_system_message(assistant: Assistant) -> None:
    assert "named SmolLM" in assistant.run.tokenizer.chat.system
    assert "Paris" in assistant.ask(QUESTION) and "Paris" in assistant.introduced("").ask(QUESTION)
    assert len(prompt(assistant.introduced(""), ask(QUESTION))) < len(prompt(assistant, ask(QUESTION)))


@pytest.mark.skipif(os.getloadavg()[0] > (os.cpu_count() or 1), reason="the machine is busy")
def test_the_first_token_comes_soon_and_in_little_memory(file: Path) -> None:
    first_token = runpy.run_path("benchmarks/smollm2.py")["first_token"]
    found = [first_token(file) for _ in range(3)]
    assert all(min(one[what] for one in found) <= most for what, most in FIRST.items())


def prompt(assistant: Assistant, sample: Sample) -> list[int]:
    """What the model reads before it answers."""
    return render(sample, assistant.run.tokenizer, {}, Path(), answer=False).ids
