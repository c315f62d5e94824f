"""Text: characters to ids."""

import json
import zipfile
from collections.abc import Callable, Sequence

from contest import OURS, Aim, Contest, Row, Setting, Work, needed

from duomo.sources import SOURCES
from duomo.tokenizer import Tokenizer
from rows.peers import same_ids

TEXTS, WORDS = 2000, 8192
Count = Callable[[str], int]  # tokens of a text
Encode = Callable[[Sequence[str]], list[list[int]]]


def introductions(setting: Setting) -> list[str]:
    """The first paragraphs of English Wikipedia articles, as `duomo fetch` brings them."""
    (file,) = SOURCES["wiki"].files
    with zipfile.ZipFile(setting.cache / "packages" / file.name) as archive:
        name = next(name for name in archive.namelist() if "summaries_en" in name)
        found = json.loads(archive.read(name))
    return [one["extract"] for one in list(found.values())[:TEXTS]]


def encode(setting: Setting) -> Contest:
    """Whisper's (GPT-2's) vocabulary of 50,257; every program must give the same ids."""
    path, texts = setting.cache / "models" / "whisper-tiny.en" / "tokenizer.json", introductions(setting)
    plain = Tokenizer.load(path, None)
    absent = needed({"gigatoken": "gigatoken", "tiktoken": "tiktoken"})
    quick = plain.quick()
    found: dict[str, Encode] = {OURS: lambda texts: [quick.encode(text) for text in texts]}
    found["tokenizers"] = lambda texts: [one.ids for one in plain.inner.encode_batch_fast(list(texts), add_special_tokens=False)]
    if "tiktoken" not in absent:
        found["tiktoken"] = tiktoken(plain)
    if "gigatoken" not in absent:
        found["gigatoken, a batch"] = gigatoken(plain)
    said = {name: one(texts) for name, one in found.items()}
    told = [same_ids(name, said[OURS], ids) for name, ids in said.items() if name != OURS]
    megabytes = sum(len(text.encode()) for text in texts) / 1e6

    def work(one: Encode) -> Work:
        def timed() -> float:
            one(texts)
            return megabytes

        return timed

    works = {name: work(one) for name, one in found.items()}
    return Contest(works, "; ".join(told), absent=absent, facts={"texts": len(texts), "back end of Duomo": quick.back_end})


def tiktoken(plain: Tokenizer) -> Encode:
    """The same vocabulary in tiktoken."""
    import tiktoken as peer

    from duomo.tokenizer import _bytes_of_signs

    signs, special = _bytes_of_signs(), plain.special
    table = {name: id for name, id in plain.inner.get_vocab().items() if name not in special}
    ranks = {bytes(signs[sign] for sign in name): id for name, id in table.items()}
    pattern = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
    made = peer.Encoding("benchmark", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return lambda texts: [made.encode_ordinary(text) for text in texts]


def gigatoken(plain: Tokenizer) -> Encode:
    """gigatoken over all texts at once, on one thread."""
    import gigatoken as peer

    made = peer.Tokenizer.from_json(json.dumps(json.loads(plain.inner.to_str()) | {"added_tokens": []}))
    return lambda texts: made.encode_batch_list(list(texts), parallel=False)


def learn(setting: Setting) -> Contest:
    """A vocabulary of 8,192 from the same texts; what a token then holds of texts that were not learned from tells how good it is."""
    texts = introductions(setting)
    learned, unseen = texts[: TEXTS // 2], texts[TEXTS // 2 :]
    absent = needed({"sentencepiece": "sentencepiece"})
    found: dict[str, Callable[[], Count]] = {OURS: lambda: ours(learned), "tokenizers": lambda: plain(learned)}
    if "sentencepiece" not in absent:
        found["sentencepiece"] = lambda: sentencepiece(learned)
    size, held = sum(len(text.encode()) for text in learned) / 1e6, sum(len(text.encode()) for text in unseen)
    told = [f"{name} {held / sum(map(count, unseen)):.2f}" for name, count in ((name, make()) for name, make in found.items())]

    def work(make: Callable[[], Count]) -> Work:
        def timed() -> float:
            make()
            return size

        return timed

    works = {name: work(make) for name, make in found.items()}
    return Contest(works, f"vocabularies of {WORDS:,}; bytes a token of unseen texts: {', '.join(told)}", absent=absent)


def ours(texts: Sequence[str]) -> Count:
    """Ours, whose words of Chinese are apart and whose digits stand alone."""
    made = Tokenizer.learn(texts, WORDS)
    return lambda text: len(made.encode(text))


def plain(texts: Sequence[str]) -> Count:
    """GPT-2's way by the library underneath."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=WORDS, initial_alphabet=alphabet, show_progress=False))
    return lambda text: len(made.encode(text).ids)


def sentencepiece(texts: Sequence[str]) -> Count:
    """Byte-pair encoding by sentencepiece, which falls back to bytes."""
    from io import BytesIO

    import sentencepiece as peer

    out = BytesIO()
    peer.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=out, vocab_size=WORDS, model_type="bpe", byte_fallback=True, num_threads=1,
        minloglevel=2, max_sentence_length=100_000,
    )  # fmt: skip
    made = peer.SentencePieceProcessor(model_proto=out.getvalue())
    return lambda text: len(made.encode(text))


ROWS = (
    Row("encode", "text to ids, GPT-2's vocabulary", "MB/s", encode, aims=(Aim("tokenizers", 10.0),), weight=0.5),
    Row("learn", "a vocabulary of 8,192 learned", "MB/s", learn, headline=False, weight=0.5),
)
