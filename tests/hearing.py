"""A small Whisper that tests share: a tokenizer.json in its form, a config, a model of random weights."""

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from duomo.interchange.families import recipe_of
from duomo.interchange.families.whisper import PLACEHOLDER, WHISPER, read_tokenizer
from duomo.model import Model
from duomo.tokenizer import Tokenizer
from tests.small import redrawn

CONTROL = "endoftext startoftranscript en zh fr translate transcribe startoflm startofprev nospeech notimestamps".split()
BYTES = 256
VOCABULARY = BYTES + len(CONTROL) + 1501
CONFIG: dict[str, Any] = dict(
    vocab_size=VOCABULARY,
    d_model=32,
    encoder_layers=2,
    decoder_layers=2,
    encoder_attention_heads=4,
    decoder_attention_heads=2,
    encoder_ffn_dim=48,
    decoder_ffn_dim=40,
    max_source_positions=12,
    max_target_positions=240,
    num_mel_bins=8,
)


def write_tokenizer(folder: Path, stamps: bool = True) -> None:
    """Bytes, control tokens, timestamps: as the multilingual models have them. Timestamps may be missing, or are no control tokens."""
    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = tokenizers.Tokenizer(models.BPE(vocab={sign: id for id, sign in enumerate(signs)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([f"<|{name}|>" for name in CONTROL])
    if stamps:
        inner.add_tokens([f"<|{0.02 * step:.2f}|>" for step in range(1501)])
    inner.save(str(folder / "tokenizer.json"))


@lru_cache(maxsize=1)
def tokenizer() -> Tokenizer:
    """The same, as it is read."""
    with TemporaryDirectory() as folder:
        write_tokenizer(Path(folder))
        return read_tokenizer(Path(folder) / "tokenizer.json", VOCABULARY)


@lru_cache(maxsize=4)
def whisper(seed: int = 0) -> Model:
    """A model of random weights that hears windows of 0.24 seconds."""
    return redrawn(Model(recipe_of(WHISPER, CONFIG, "config.json"), {"audio": tokenizer().special[PLACEHOLDER]}), seed).eval()
