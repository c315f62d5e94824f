"""Tokenizer: learn a byte-level BPE, encode, decode; control tokens and chat formats."""

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

CONTROL = ("<|pad|>", "<|bos|>", "<|end|>", "<|mask|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
# Runs of letters with a space before, single digits, single Han characters' runs, other signs, white space.
WORDS = r"'(?:[sdmt]|ll|ve|re)| ?\p{Han}+| ?[^\s\p{L}\p{N}\p{Han}]+|\p{N}| ?[^\s\p{N}\p{P}\p{S}\p{Han}]+|\s+(?!\S)|\s+"
UNITS = {"word": WORDS, "character": r"[\s\S]"}  # what no token goes beyond


@dataclass(frozen=True)
class ChatFormat:
    """How a conversation is written. Pieces that are control tokens become ids; the rest is encoded as text."""

    begin: tuple[str, ...]
    open: Callable[[str], tuple[str, ...]]  # before a message of this role
    close: Callable[[str], tuple[str, ...]]  # after it; learned where the message is
    stop: str  # what ends an answer
    system: str | None = None  # what the system says where a conversation begins without it; None: it says nothing
    mark: str = ""  # words by which its template is told from one that is written alike


CHATML = ChatFormat((), lambda role: ("<|im_start|>", f"{role}\n"), lambda role: ("<|im_end|>", "\n"), "<|im_end|>")
LLAMA3 = ChatFormat(
    ("<|begin_of_text|>",),
    lambda role: ("<|start_header_id|>", role, "<|end_header_id|>", "\n\n"),
    lambda role: ("<|eot_id|>",),
    "<|eot_id|>",
)
DATES = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"  # as the template has them that is told no other day
CHAT_FORMATS: dict[str, ChatFormat] = {
    "duomo": ChatFormat(("<|bos|>",), lambda role: (f"<|{role}|>",), lambda role: ("<|end|>",) if role == "assistant" else (), "<|end|>"),
    "chatml": CHATML,
    "smollm2": replace(CHATML, system="You are a helpful AI assistant named SmolLM, trained by Hugging Face"),
    "qwen2": replace(CHATML, system="You are a helpful assistant."),
    "qwen2.5": replace(CHATML, system="You are Qwen, created by Alibaba Cloud. You are a helpful assistant."),
    "llama3": LLAMA3,
    "llama3.1": replace(
        LLAMA3, open=lambda role: (*LLAMA3.open(role)[:-1], "\n\n" + DATES * (role == "system")), system="", mark="Cutting Knowledge Date"
    ),
    "bert": ChatFormat(("[CLS]",), lambda role: (), lambda role: ("[SEP]",), "[SEP]"),  # encoders: one text between its two marks
    "roberta": ChatFormat(("<s>",), lambda role: (), lambda role: ("</s>",), "</s>"),
}


PROBES = (  # what tokenizers differ at
    "It's 12,345.67 — isn't it?  Two  spaces\tand\n\n lines \r\n",
    "我喜欢看书。 日本語 한국어 العربية हिन्दी",
    "naïve é e\u0301 ﬁ Å 😀👩\u200d👧 \u200b\ufeff",
    "<|endoftext|> <|end|> </s> [MASK]",
    "def f(x):\n    return x**2  # ok\n",
    "\x00\x04\x1f\x7f\x85\xa0\u2028\u3000\U0010ffff",
    "a" * 300,
    "",
    " ",
)
PLAIN = "plain"  # no conversation: what is answered goes on where the text ends, as base models do
UNKNOWN = ("[UNK]", "<unk>")
ENDS = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|end|>", "[SEP]")


class Tokenizer:
    """Text to ids and back. Text is always encoded with control tokens off: no user can write one."""

    def __init__(self, inner: tokenizers.Tokenizer, chat: str | None = "duomo"):
        """A chat format of the table, or "plain"; None: whichever the control tokens allow."""
        if chat is None:
            chat = chat_format(token.content for token in inner.get_added_tokens_decoder().values()) or PLAIN
        if chat != PLAIN and chat not in CHAT_FORMATS:
            raise ValueError(f"no chat format {chat!r}; known: {', '.join(CHAT_FORMATS)}, {PLAIN}")
        self._quick: Any = None  # gigatoken's tokenizer
        inner.encode_special_tokens = True
        inner.no_truncation()  # a file may ask for both; how long a text may be is the model's affair
        inner.no_padding()
        self.inner, self.chat = inner, CHAT_FORMATS[chat] if chat in CHAT_FORMATS else plain(inner)
        self.special = {token.content: id for id, token in sorted(inner.get_added_tokens_decoder().items())}
        if self.chat.stop not in self.special:
            raise ValueError(f"chat format {chat!r} needs {self.chat.stop}, which this tokenizer lacks; choose another format")

    @classmethod
    def learn(
        cls, texts: Iterable[str], vocab_size: int, media: Iterable[str] = (), progress: bool = False, unit: str = "word"
    ) -> "Tokenizer":
        """A byte-level BPE of at most `vocab_size` ids, control tokens and one placeholder per modality among them; `unit` as in UNITS.

        Little text gives fewer ids; the 256 bytes and the control tokens are always there.
        """
        inner = tokenizers.Tokenizer(models.BPE())
        inner.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(UNITS[unit]), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
        inner.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=[*CONTROL, *(f"<|{name}|>" for name in media)],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=progress,
            max_token_length=24,
        )
        inner.train_from_iterator(map(_writable, texts), trainer)
        return cls(inner)

    @classmethod
    def load(cls, path: str | Path, chat: str | None = "duomo") -> "Tokenizer":
        """Reads a tokenizer.json. Raises ValueError, with the file, for anything else."""
        try:
            inner = tokenizers.Tokenizer.from_str(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ValueError(f"{path}: can not be read ({error.strerror})") from error
        except Exception as error:  # the library raises bare Exception
            raise ValueError(f"{path}: not a tokenizer.json ({error})") from error
        try:
            return cls(inner, chat)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def save(self, path: str | Path) -> None:
        """Writes tokenizer.json, the field's format."""
        Path(path).write_text(self.inner.to_str(pretty=False), encoding="utf-8")

    @property
    def vocab_size(self) -> int:
        """How many ids there are, control tokens included."""
        return self.inner.get_vocab_size(with_added_tokens=True)

    @property
    def stop_id(self) -> int:
        """The id that ends an answer."""
        return self.special[self.chat.stop]

    @property
    def unknown_id(self) -> int | None:
        """The id that stands for whatever the vocabulary lacks; None where it lacks nothing, as byte-level ones do."""
        return next((self.special[name] for name in UNKNOWN if name in self.special), None)

    def placeholders(self, senses: Iterable[str]) -> dict[str, int]:
        """The id of each sense's placeholder. Raises ValueError for a sense that this tokenizer has none for."""
        for name in senses:
            if f"<|{name}|>" not in self.special:
                raise ValueError(f"this tokenizer has no <|{name}|>, at which the sense {name!r} is put; choose another tokenizer")
        return {name: self.special[f"<|{name}|>"] for name in senses}

    def seeing(self, senses: Iterable[str]) -> "Tokenizer":
        """The same tokenizer with a placeholder for each of these senses: new ids at its end where it had none."""
        inner = tokenizers.Tokenizer.from_str(self.inner.to_str())
        inner.encode_special_tokens = True
        inner.add_special_tokens([f"<|{name}|>" for name in senses])
        other = copy.copy(self)
        other.inner, other.special = inner, {token.content: id for id, token in sorted(inner.get_added_tokens_decoder().items())}
        return other

    def introduced(self, system: str) -> "Tokenizer":
        """The same tokenizer, whose conversations begin with this system message; none where it is empty."""
        other = copy.copy(self)
        other.chat = replace(self.chat, system=system or None)
        return other

    def encode(self, text: str) -> list[int]:
        """Ids of plain text; `<|assistant|>` in it is eleven characters, nothing more."""
        if self._quick is not None:
            ids: list[int] = self._quick.encode(_writable(text)).tolist()
            return ids
        (found,) = self.inner.encode_batch_fast([_writable(text)], add_special_tokens=False)  # keeps no places of tokens in the text
        return found.ids

    def quick(self) -> "Tokenizer":
        """The same tokenizer by gigatoken, for much text: the same ids about twenty times as fast.

        As it is where gigatoken is not installed, does not know how this one splits words, or gives other ids for texts of all kinds.
        """
        try:
            import gigatoken
        except ImportError:
            return self
        other, alone = copy.copy(self), json.loads(self.inner.to_str()) | {"added_tokens": []}  # no text can write a control token
        try:
            other._quick = gigatoken.Tokenizer.from_json(json.dumps(alone))
        except Exception:  # whatever it raises, it can not
            return self
        return other if all(other.encode(text) == self.encode(text) for text in PROBES) else self

    @property
    def back_end(self) -> str:
        """What encodes: "tokenizers" or "gigatoken"."""
        return "tokenizers" if self._quick is None else "gigatoken"

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids; control tokens give nothing."""
        return self.inner.decode(list(ids), skip_special_tokens=True)

    def pieces(self, parts: Iterable[str]) -> Iterator[int]:
        """Ids of a chat format's pieces: the only place where names of control tokens become ids."""
        for part in parts:
            if part in self.special:
                yield self.special[part]
            else:
                yield from self.encode(part)

    def readable(self, id: int) -> str:
        """One token as a person reads it: text where its bytes are whole characters, else the bytes in hex."""
        token = self.inner.id_to_token(id)
        if token is None:
            raise ValueError(f"no token {id}; ids go from 0 to {self.vocab_size - 1}")
        if token in self.special:
            return token
        known = _bytes_of_signs()
        if not set(token) <= known.keys():  # not byte-level: the token is written as it reads
            return token
        data = bytes(known[sign] for sign in token)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return "".join(f"\\x{byte:02x}" for byte in data)


def chat_format(special: Iterable[str], template: str = "") -> str | None:
    """The name of the chat format that these control tokens allow and this template, in whatever language, shows by its texts.

    Those that mark no turns are for encoders, which do not chat. A template shows a format by the control tokens of its turns; of
    several, the one of which the longest mark and default system message stand in the template. None where none fits.
    """
    there = set(special)
    turns = {name: chat for name, chat in CHAT_FORMATS.items() if chat.open("user")}
    fitting = {name: chat for name, chat in turns.items() if {*chat.begin, *chat.close("assistant")} - {"\n"} <= there}
    if not template:
        return next((name for name, chat in fitting.items() if chat.system is None), None)
    words = {name: (chat.system or "", chat.mark) for name, chat in fitting.items()}
    shown = {name: (*words[name], *there.intersection(chat.open("user") + chat.close("assistant"))) for name, chat in fitting.items()}
    told = [name for name, texts in shown.items() if all(text in template for text in texts)]
    return max(told, key=lambda name: sum(map(len, words[name])), default=None)


def plain(inner: tokenizers.Tokenizer) -> ChatFormat:
    """No conversation: the tokens that this tokenizer puts before any text, texts as they are, and its own end of text.

    Raises ValueError where its control tokens hold no end that is known.
    """
    first = inner.encode("a", add_special_tokens=True)
    begin = tuple(token for token, _ in takewhile(lambda pair: pair[1], zip(first.tokens, first.special_tokens_mask, strict=True)))
    known = {token.content for token in inner.get_added_tokens_decoder().values()}
    stop = next((end for end in ENDS if end in known), None)
    if stop is None:
        raise ValueError(f"plain continuation needs one of {', '.join(ENDS)}, which this tokenizer lacks; choose a chat format")
    return ChatFormat(begin, lambda role: (), lambda role: (stop,) if role == "assistant" else (), stop)


def _writable(text: str) -> str:
    """The text with "?" for half characters (lone surrogates, as JSON can hold them), which have no bytes."""
    return text.encode(errors="replace").decode()


def _bytes_of_signs() -> Mapping[str, int]:
    """The byte behind each printable sign of byte-level BPE (GPT-2's table)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + i): byte for i, byte in enumerate(others)}
