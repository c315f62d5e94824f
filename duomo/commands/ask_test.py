from pathlib import Path

import pytest

from duomo import recipe as recipes
from duomo.checkpoint import Run
from duomo.commands.ask import Assistant, compose
from duomo.model import Model
from duomo.sample import Part, text
from duomo.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def assistant() -> Assistant:
    """An untrained reader of text alone."""
    block = {"dim": 16, "heads": 2}
    recipe = recipes.parse({"name": "x", "model": {"vocab_size": 300, "decoder_depth": 1, "block": block}}, "here")
    tokenizer = Tokenizer.learn(["a book", "一本书"], 300)
    return Assistant(Run(Path("runs/x"), recipe, tokenizer, Model(recipe.model, tokenizer.placeholders()).eval(), 0))


def test_files_stand_before_the_words_in_their_order() -> None:
    sample = compose("which is larger?", [("image", "a.png"), ("image", b"b"), ("audio", Path("c.wav"))])
    assert [message.role for message in sample.messages] == ["user"]
    assert sample.messages[0].parts == (Part("image", "a.png"), Part("image", b"b"), Part("audio", "c.wav"), text("which is larger?"))


def test_a_question_may_be_spoken_but_not_missing() -> None:
    assert compose("", [("audio", "a.wav")]).messages[0].parts == (Part("audio", "a.wav"),)
    with pytest.raises(ValueError, match="ask something"):
        compose("", [])


def test_a_sense_that_the_model_lacks_is_told(assistant: Assistant) -> None:
    with pytest.raises(ValueError, match="runs/x has no sense 'image'"):
        assistant.ask("what is this?", image=b"x")
    with pytest.raises(ValueError, match="no transcription in 'english'"):
        assistant.transcribe(b"x", "english")
