"""Words: what a search by words compares: English stems, Chinese words by jieba."""

import re
from collections.abc import Callable, Collection, Iterable
from functools import cache

HAN = "㐀-䶿一-鿿豈-﫿\U00020000-\U0003134f"
RUNS = re.compile(rf"[{HAN}]+|[^\W_{HAN}]+(?:['’][^\W_{HAN}]+)?")
SIGN = re.compile(f"[{HAN}]")
Words = Callable[[str], list[str]]
SAY_NOTHING = frozenset(  # of what is asked about, in a question
    """a an the of in on at to for from by with about into and or as if then than not no
    is are was were be been being am do does did done has have had can could will would shall should may might must
    i me my you your he him his she her it its we us our they them their this that these those there here
    what which who whom whose when where why how much many any some please tell what's who's where's how's when's
    的 了 吗 呢 吧 啊 么 是 在 有 和 与 或 及 也 都 就 不 我 你 您 他 她 它 我们 你们 他们 这 那 这个 那个 哪 哪里 哪儿 哪个 哪些
    谁 什么 怎么 怎样 如何 为什么 为何 多少 几 几个 何时 时候 什么时候 多久 多长 多大 请问 请 可以 能 会 要 一个
    被 把 从 到 对 于 由 以 之 其 有没有 是否 吗""".split()
)


ASKING = re.compile(
    r"\s*(?:tell me\b|(?:(?:in|at|on|of|for|to|by|from|with|about)\s+)?(?:who|whom|whose|what|which|when|where|why|how)\b)"
    r"|\s*(?:is|are|am|was|were|do|does|did|could|would|shall|should|has|have|had)\b"
    r"|\s*(?:can|will|may)\s+(?:i|you|he|she|it|we|they|one|the|a|an|my|your|our|this|that|there|any|some)\b"  # no "May 1968", "Will Smith"
    r"|.*:\s*(?:who|whom|whose|what|which|when|where|why|how)\b"
    r"|.*(?:[?？]\s*$|[吗呢]\s*$|什么|谁|哪[里儿个些一年天国位]|怎么|怎样|如何|为何|多少|几[个时点]|何时|多久|多长|多大|是否|([会能是有要对好可行])[不没]\1)",
    re.IGNORECASE | re.DOTALL,
)


def searcher(without: Collection[str] = ()) -> Words:
    """What gives the words of a text, in order, less those of `without`; its word lists are loaded once.

    Chinese is cut as search engines do: of a compound its parts, too. Raises ValueError where jieba or snowballstemmer is missing.
    """
    try:
        import snowballstemmer
    except ImportError as error:
        raise ValueError("search by words needs snowballstemmer; install duomo[text]") from error
    stem, known = snowballstemmer.stemmer("english").stemWord, dict[str, str]()

    def words(text: str) -> list[str]:
        found = list[str]()
        for run in RUNS.findall(text.casefold()):
            for word in _segmenter()(run) if SIGN.match(run) else (run,):
                if word not in known:
                    known[word] = "" if word in without else stem(word) if word.isascii() else word
                if known[word]:
                    found.append(known[word])
        return found

    return words


def is_chinese(text: str) -> bool:
    """Whether a tenth of a text's letters are Chinese."""
    return 10 * len(SIGN.findall(text)) > sum(map(str.isalpha, text))


def is_question(text: str) -> bool:
    """Whether a text asks, by its first word or its mark, in Chinese by a word that asks; "British painter" does not."""
    return ASKING.match(text) is not None


@cache
def _segmenter() -> Callable[[str], Iterable[str]]:
    """Made once: to set a level of logging takes longer than to cut a sentence."""
    try:
        import jieba
    except ImportError as error:
        raise ValueError("Chinese words need jieba; install duomo[text]") from error
    jieba.setLogLevel("WARNING")
    return jieba.cut_for_search
