"""The tokenizer inside a GGUF file, as a tokenizer.json; and back. Byte-level BPE ("gpt2") and SentencePiece BPE ("llama")."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors

from duomo.tokenizer import Tokenizer

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)  # tokenizer.ggml.token_type
WHOLE = "tokenizer.huggingface.json"  # the specification's key for a whole tokenizer.json
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORDS = r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|"
    r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPLITS = {  # by the file's `pre`: how a text falls into words before any merge
    "llama-bpe": CONTRACTIONS + WORDS % "{1,3}",
    "qwen2": CONTRACTIONS + WORDS % "",
    "tekken": TEKKEN,
}
SAME = {"llama3": "llama-bpe", "llama-v3": "llama-bpe", "smaug-bpe": "llama-bpe", "deepseek-r1-qwen": "qwen2", "gpt2": "gpt-2"}
WHOLE_WORDS_FIRST = ("llama-bpe", "tekken")  # a word that is a token stays one, whatever the merges say
KNOWN = ("smollm", "gpt-2", *SPLITS)
LONGEST = 256  # characters of a SentencePiece token, which is cut at every one of them; its trainer makes none above 16


def read(fields: Mapping[str, Any], where: str) -> tokenizers.Tokenizer:
    """The tokenizer of a file's `tokenizer.*` fields; `where` names the file in errors.

    Raises ValueError for a kind that is not known, and for lists that do not belong together.
    """
    tokens, kinds = _tokens(fields, where)
    if isinstance(whole := fields.get(WHOLE), str) and (inner := _whole(whole, tokens)) is not None:
        return inner
    kind = fields.get("tokenizer.ggml.model")
    if kind == "gpt2":
        inner = _byte_level(fields, tokens, where)
    elif kind == "llama":
        inner = _sentencepiece(fields, tokens, kinds, where)
    else:
        raise ValueError(f"{where}: its tokenizer is of the kind {kind!r}; known: 'gpt2' (byte-level BPE), 'llama' (SentencePiece BPE)")
    inner.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, k in zip(tokens, kinds, strict=True) if k == CONTROL])
    inner.add_tokens([AddedToken(t, normalized=False) for t, k in zip(tokens, kinds, strict=True) if k == USER])
    return _begun(inner, fields, tokens, where)


def fields(tokenizer: Tokenizer, vocab_size: int) -> dict[str, Any]:
    """`tokenizer.*` fields for a byte-level BPE; ids that the model has and the tokenizer lacks are filled up as unused.

    Raises ValueError for another kind, and for words that no known `pre` cuts.
    """
    whole = json.loads(tokenizer.inner.to_str())
    pre, model = _pre(whole), whole["model"]
    if model["type"] != "BPE" or pre is None:
        raise ValueError(f"GGUF holds no tokenizer of this kind ({model['type']}); known are byte-level BPE cut as {', '.join(KNOWN)}")
    ids = tokenizer.inner.get_vocab(with_added_tokens=True)
    names = {id: token for token, id in ids.items()}
    added = {token["id"]: CONTROL if token["special"] else USER for token in whole["added_tokens"]}
    found = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": [names.get(id, f"[PAD{id}]") for id in range(vocab_size)],
        "tokenizer.ggml.token_type": [added.get(id, NORMAL) if id in names else UNUSED for id in range(vocab_size)],
        "tokenizer.ggml.merges": [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]],
        "tokenizer.ggml.eos_token_id": tokenizer.stop_id,
        "tokenizer.ggml.add_bos_token": False,  # the chat template writes it
        WHOLE: tokenizer.inner.to_str(),
    }
    return found | ({"tokenizer.ggml.bos_token_id": ids[tokenizer.chat.begin[0]]} if tokenizer.chat.begin else {})


def _tokens(fields: Mapping[str, Any], where: str) -> tuple[list[str], list[int]]:
    tokens, kinds = fields.get("tokenizer.ggml.tokens"), fields.get("tokenizer.ggml.token_type")
    if not isinstance(tokens, list) or not tokens:
        raise ValueError(f"{where}: holds no tokenizer (tokenizer.ggml.tokens); get a file that was made with one")
    if len(set(tokens)) < len(tokens):
        raise ValueError(f"{where}: a token stands twice in its vocabulary; get the file again, from where you trust it")
    found = np.asarray([NORMAL] * len(tokens) if kinds is None else kinds)
    if found.shape != (len(tokens),) or found.dtype.kind not in "iu":
        raise ValueError(f"{where}: {len(tokens):,} tokens but {found.size:,} of their types; get the file again, from where you trust it")
    return tokens, found.tolist()


def _begun(inner: tokenizers.Tokenizer, fields: Mapping[str, Any], tokens: Sequence[str], where: str) -> tokenizers.Tokenizer:
    """The tokenizer, which puts the file's first token before any text where the file wants it so."""
    wanted = fields["tokenizer.ggml.model"] == "llama" or _pre_of(fields) == "llama-bpe"
    first = fields.get("tokenizer.ggml.bos_token_id")
    if not fields.get("tokenizer.ggml.add_bos_token", wanted) or type(first) is not int or not 0 <= first < len(tokens):
        return inner
    try:
        inner.post_processor = processors.TemplateProcessing(f"{tokens[first]}:0 $A:0", special_tokens=[(tokens[first], first)])
    except ValueError as error:
        told = f"the token before any text, {tokens[first][:40]!r}, is none that can stand there"
        raise ValueError(f"{where}: {told}; get the file again, from where you trust it") from error
    return inner


def _whole(text: str, tokens: Sequence[str]) -> tokenizers.Tokenizer | None:
    """The tokenizer.json that a file holds, if it is one and of the same vocabulary."""
    try:
        inner = tokenizers.Tokenizer.from_str(text)
    except Exception:  # the library raises bare Exception
        return None
    return inner if all(id < len(tokens) and tokens[id] == token for token, id in inner.get_vocab().items()) else None


def _byte_level(fields: Mapping[str, Any], tokens: Sequence[str], where: str) -> tokenizers.Tokenizer:
    pre = _pre_of(fields)
    if pre not in KNOWN:
        raise ValueError(f"{where}: its words are cut as {pre!r}; known: {', '.join(KNOWN)}")
    ids = {token: id for id, token in enumerate(tokens)}
    merges = [pair.partition(" ")[::2] for pair in _texts(fields, "tokenizer.ggml.merges", where)]
    if any(not {left, right, left + right} <= ids.keys() for left, right in merges):
        raise ValueError(f"{where}: a merge is not of two tokens into a third; get the file again, from where you trust it")
    inner = tokenizers.Tokenizer(models.BPE(ids, merges, ignore_merges=pre in WHOLE_WORDS_FIRST))
    inner.normalizer = normalizers.NFC() if pre == "qwen2" else None
    inner.pre_tokenizer = words(pre)
    inner.decoder = decoders.ByteLevel()
    return inner


def _pre_of(fields: Mapping[str, Any]) -> str:
    """What the file calls the way its texts are cut into words."""
    pre = str(fields.get("tokenizer.ggml.pre"))
    return SAME.get(pre, pre)


def words(pre: str) -> pre_tokenizers.PreTokenizer:
    """What cuts a text into words, by the name that GGUF files call it."""
    if pre in SPLITS:
        split = pre_tokenizers.Split(Regex(SPLITS[pre]), "isolated")
        return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), level]) if pre == "smollm" else level


def _sentencepiece(fields: Mapping[str, Any], tokens: Sequence[str], kinds: Sequence[int], where: str) -> tokenizers.Tokenizer:
    scores = np.asarray(fields.get("tokenizer.ggml.scores", ()))
    unknown = [token for token, kind in zip(tokens, kinds, strict=True) if kind == UNKNOWN]
    if scores.shape != (len(tokens),) or scores.dtype.kind not in "fiu" or len(unknown) != 1:
        raise ValueError(f"{where}: its SentencePiece vocabulary lacks scores or its one unknown token; get a file that was made with them")
    if long := next((token for token, kind in zip(tokens, kinds, strict=True) if kind == NORMAL and len(token) > LONGEST), ""):
        raise ValueError(f"{where}: a token of {len(long):,} characters, {long[:20]!r}…, more than the {LONGEST} that it may have")
    ids = {token: id for id, token in enumerate(tokens)}
    merges = _merges(ids, {token: float(scores[id]) for token, id in ids.items() if kinds[id] == NORMAL})
    inner = tokenizers.Tokenizer(models.BPE(ids, merges, unk_token=unknown[0], fuse_unk=True, byte_fallback=BYTE in kinds))
    prefix = bool(fields.get("tokenizer.ggml.add_space_prefix", True))
    spaces = normalizers.Replace(" ", "▁")
    inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), spaces]) if prefix else spaces
    undo = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    inner.decoder = decoders.Sequence(undo + ([decoders.Strip(" ", 1, 0)] if prefix else []))
    return inner


def _merges(ids: Mapping[str, int], scores: Mapping[str, float]) -> list[tuple[str, str]]:
    """Every way to make a token of two others, the best token first: SentencePiece's greedy search, written as merges."""
    found = [
        (-score, ids[token[:cut]], ids[token[cut:]], token[:cut], token[cut:])
        for token, score in scores.items()
        for cut in range(1, len(token))
        if token[:cut] in ids and token[cut:] in ids
    ]
    return [pair for *_, left, right in sorted(found) for pair in ((left, right),)]


def _texts(fields: Mapping[str, Any], key: str, where: str) -> list[str]:
    value = fields.get(key)
    if not isinstance(value, list):
        raise ValueError(f"{where}: has no list {key}; get a file that was made with it")
    return value


def _pre(whole: Mapping[str, Any]) -> str | None:
    """The `pre` that cuts texts as this tokenizer.json does; our own learned words are cut nearly as "smollm" cuts them."""
    cut = _plain(whole["pre_tokenizer"])
    for pre in KNOWN:
        bare = tokenizers.Tokenizer(models.BPE())
        bare.pre_tokenizer = words(pre)
        if _plain(json.loads(bare.to_str())["pre_tokenizer"]) == cut:
            return pre
    learned = json.loads(Tokenizer.learn((), 0).inner.to_str())["pre_tokenizer"]
    return "smollm" if _plain(learned) == cut else None


def _plain(cut: Any) -> Any:
    """A pre-tokenizer without what changes no token."""
    if isinstance(cut, dict):
        return {key: _plain(value) for key, value in cut.items() if key != "trim_offsets"}
    return [_plain(value) for value in cut] if isinstance(cut, list) else cut
