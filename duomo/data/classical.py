"""Classical: texts as bags of words, for analysis with classical methods (naive Bayes, TF-IDF, keyword graphs).

Never use it before generation, translation or any learning by the transformer. "I love to read books." without its stop words is
"love read books .": the model would learn, and say, exactly that; "not" is a stop word in most lists, so "not good" becomes "good"; and a
stem ("studi") is no word. The transformer's tokenizer keeps every byte instead.
"""

import re
from collections.abc import Callable

ENGLISH_WORDS = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*|[^\w\s]|_")
STEMMERS = {
    "ar": "arabic",
    "da": "danish",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "tr": "turkish",
}


def prepare_words(text: str, language: str, stop: bool = True, stem: bool = True, signs: bool = False) -> list[str]:
    """The words of a text in lower case, for classical analysis only.

    `language` is an ISO 639-1 code; Chinese ("zh") is segmented by jieba and has no stems. `stop` takes stop words away, `stem` cuts
    endings (Snowball), `signs` keeps punctuation as words. Raises ValueError for a language without stop words or stemmer.
    """
    return word_preparer(language, stop, stem, signs)(text)


def word_preparer(language: str, stop: bool = True, stem: bool = True, signs: bool = False) -> Callable[[str], list[str]]:
    """`prepare_words` with its word lists loaded once, for many texts."""
    segment = _chinese_words() if language == "zh" else ENGLISH_WORDS.findall
    stopped = _stop_words(language) if stop else frozenset[str]()
    stemmed = _stemmer(language) if stem and language != "zh" else None

    def words(text: str) -> list[str]:
        kept = [w for w in segment(text.lower()) if w not in stopped or (signs and not _is_word(w))]
        kept = [w for w in kept if signs or _is_word(w)]
        return stemmed(kept) if stemmed else kept

    return words


def _is_word(word: str) -> bool:
    return any(sign.isalnum() for sign in word)


def _stop_words(language: str) -> frozenset[str]:
    try:
        import stopwordsiso
    except ImportError as error:
        raise ValueError("stop words need stopwordsiso; install duomo[text] or set stop=False") from error
    if not stopwordsiso.has_lang(language):
        raise ValueError(f"no stop words for language {language!r}; known: {', '.join(sorted(stopwordsiso.langs()))}")
    return frozenset(stopwordsiso.stopwords(language))


def _stemmer(language: str) -> Callable[[list[str]], list[str]]:
    if language not in STEMMERS:
        raise ValueError(f"no stemmer for language {language!r}; known: {', '.join(STEMMERS)}; or set stem=False")
    try:
        import snowballstemmer
    except ImportError as error:
        raise ValueError("stems need snowballstemmer; install duomo[text] or set stem=False") from error
    return snowballstemmer.stemmer(STEMMERS[language]).stemWords


def _chinese_words() -> Callable[[str], list[str]]:
    try:
        import jieba
    except ImportError as error:
        raise ValueError("Chinese words need jieba; install duomo[text]") from error
    jieba.setLogLevel("WARNING")

    def segment(text: str) -> list[str]:
        return [word for word in jieba.cut(text) if word.strip()]

    return segment
