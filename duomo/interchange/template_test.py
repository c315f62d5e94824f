import jinja2
import pytest

from duomo.data.render import render
from duomo.interchange.template import jinja
from duomo.sample import Message, Sample, text
from duomo.tokenizer import CHAT_FORMATS, Tokenizer
from tests.small import tokenizer

TALKING = [name for name, chat in CHAT_FORMATS.items() if chat.open("user")]
TALKS = (
    [("user", "Who?")],
    [("system", "Be brief."), ("user", "Who?"), ("assistant", "You."), ("user", 'A "quoted"\n\\line, 谁？')],
    [("user", "  spaced "), ("assistant", "yes"), ("tool", "3")],
)


def speaking(chat):
    """A tokenizer with the control tokens of a chat format."""
    inner = Tokenizer.learn(("hello",), 300).inner
    pieces = (piece for role in ("user", "assistant") for piece in (*CHAT_FORMATS[chat].open(role), *CHAT_FORMATS[chat].close(role)))
    inner.add_special_tokens([piece for piece in (*CHAT_FORMATS[chat].begin, *pieces) if piece.startswith("<|")])
    return Tokenizer(inner, chat)


@pytest.mark.parametrize("talk", TALKS, ids=len)
@pytest.mark.parametrize("chat", TALKING)
def test_the_template_writes_what_we_render(chat, talk, tmp_path):
    own = speaking(chat)
    sample = Sample(tuple(Message(role, (text(words),)) for role, words in talk))
    ids = render(sample, own, {}, tmp_path).ids + list(own.pieces(own.chat.open("assistant")))
    messages = [{"role": role, "content": words} for role, words in talk]
    written = jinja2.Environment().from_string(jinja(own.chat)).render(messages=messages, add_generation_prompt=True)
    assert written == own.inner.decode(ids, skip_special_tokens=False)


def test_the_default_system_message_is_in_it_and_can_be_left_out():
    own = speaking("smollm2")
    assert "named SmolLM" in jinja(own.chat) and "named SmolLM" not in jinja(own.introduced("").chat)


def test_a_system_message_can_be_given_to_any_format(tmp_path):
    told = tokenizer().introduced("Be brief.")
    sample = Sample((Message("user", (text("Who?"),)),))
    assert told.decode(render(sample, told, {}, tmp_path).ids) == "Be brief.Who?"
    assert tokenizer().decode(render(sample, tokenizer(), {}, tmp_path).ids) == "Who?"
