"""Chinese sentences that define: 是, 位于, 出生于, 首都, 成立于, 创办."""

import re
from collections.abc import Iterator, Sequence

Found = tuple[str, str, str]
HAN = re.compile(r"[\u4e00-\u9fff]")
SHARE = 0.3  # of a sentence's characters from which it is Chinese: an English one may quote a name
STOP = "，。；、,;！？!?（）()《》：:\\s"
DIGITS = "〇零一二三四五六七八九"
YEARS = (
    r"(?:(?:公元前?|西元|前)?\d{1,4}年(?:\d{1,2}月(?:\d{1,2}[日号])?)?"
    rf"|[{DIGITS}]{{4}}年(?:[{DIGITS}十]{{1,2}}月(?:[{DIGITS}十]{{1,3}}日)?)?)"
)
DAY = rf"(?P<day>{YEARS})"
DAY_BEFORE = rf"(?P<before>{YEARS})"
PLACE = rf"(?!(?:公元|西元)?\d|[{DIGITS}]{{4}}年)(?P<o>[^{STOP}的]{{2,16}}?)(?=[{STOP}]|的|境内|市中心|$)"
SUBJECT = rf"(?P<s>[《“]?[^{STOP}是为位於于出的]{{1,24}}[》”]?)"
PRONOUN = re.compile(r"(?:它|他|她|其|该[市国省县校公司]|它们|他们|本[市国省校])")
NO_SUBJECT = re.compile(
    r"(?:这|那|此|我|你|您|咱|谁|什么|如果|因为|但|所以|而且|在|当|从|就|也|不|最|有|可能|只|还|又|却|正|都|更|真|尤其|特别|问题|原因|目的|关键"
    r"|重要|主要|结果|同时|其中|今天|昨天|明天|每|各|一个|许多|很多|大家|人们)"
)
PARENTHESIS = re.compile(r"[（(\[][^()（）\[\]]{0,300}[)）\]]")
LIVED = re.compile(rf"[（(][^()（）]{{0,80}}?(?P<born>{YEARS})?\s?[－—–～~-]{{1,2}}\s?(?P<died>{YEARS})[^()（）]{{0,40}}[）)]")
ALSO = "(?:又称|又名|也称|亦称|别名|俗称|简称|别称)"
IS_A = re.compile(rf"{SUBJECT}(?:，[^，。]{{0,30}}{ALSO}[^，。]{{1,20}})?，?就?[是为](?P<o>[^。；！？!?\n]+)")
PATTERNS: Sequence[tuple[str, re.Pattern[str]]] = (
    ("alias", re.compile(rf"{ALSO}[为作]?[“《]?(?P<o>[^{STOP}”是为]{{1,16}})")),
    ("located_in", re.compile(rf"(?:位于|坐落于|坐落在|地处|总部设在|总部位于){PLACE}")),
    ("born_in", re.compile(rf"(?:出生于|生于|出生在)(?:{YEARS}，?)?{PLACE}")),
    ("born_on", re.compile(rf"(?:出生于|生于){DAY}|{DAY_BEFORE}(?:出生|生于)")),
    ("died_in", re.compile(rf"(?:逝世于|病逝于|卒于|去世于)(?:{YEARS}，?)?{PLACE}")),
    ("died_on", re.compile(rf"(?:逝世于|卒于|病逝于){DAY}|{DAY_BEFORE}(?:逝世|去世|病逝)")),
    ("founded_in", re.compile(rf"(?:成立于|创立于|创办于|创建于|始建于|建于){DAY}|{DAY_BEFORE}(?:成立|创立|创办|创建)")),
    ("founded_by", re.compile(rf"由(?P<o>[^{STOP}的由]{{2,16}}?)(?:[于在]?{YEARS})?(?:创办|创立|创建|建立)")),
    ("written_by", re.compile(rf"[由是](?P<o>[^{STOP}的由是]{{2,12}}?)(?:所著|创作|撰写|所写|著的|写的)")),
)
OF_CAPITAL = re.compile(rf"[是为](?P<o>[^{STOP}的是]{{1,12}}?)的?(?:首都|省会|首府)(?!的)")
CAPITAL = re.compile(rf"(?:(?P<o>[^{STOP}的是]{{1,12}})的)?(?:首都|省会|首府)(?:是|为|位于|设在)(?P<s>[^{STOP}的]{{2,10}})")
LEADING = re.compile(
    rf"(?P<s>[^{STOP}的]{{2,16}}?)，?"
    rf"(?=位于|坐落|地处|成立于|创立于|创办于|创建于|始建于|建于|出生于|生于|由|又称|又名|简称|逝世于|卒于|病逝于|总部|{YEARS}(?:出生|成立|逝世|去世|创立|创办))"
)
NO_KIND = re.compile(
    r"(?:不|很|最|非常|我|你|他|她|它|这|那|什么|谁|怎|由|在|因为|为了|指|从|对|把|被|要|如何|否|以|有|应|会|能|比|说|可|什|哪|没)"
)
COUNTED = re.compile(r"(?:(?<!第)一[个位座种名部条家所项门款只片支组类颗本篇场台届间幅]|之一)")


def is_chinese(sentence: str) -> bool:
    """Whether a third of a sentence, or nearly, is Chinese characters."""
    return len(HAN.findall(sentence)) >= SHARE * len(sentence)


def said(sentence: str, topic: str) -> tuple[str, list[Found]]:
    """(the subject that the sentence speaks of by name, else "", what it says); a pronoun at its beginning stands for `topic`."""
    bare = PARENTHESIS.sub("", sentence)
    named = not PRONOUN.match(bare) and not NO_SUBJECT.match(bare)
    found = list(_definition(bare)) if named else []
    subject = found[0][0] if found else _leading(bare) if named else ""
    speaks_of = topic if PRONOUN.match(bare) else subject
    if speaks_of:
        found += _facts(bare, speaks_of)
    if found and (lived := LIVED.search(sentence)) and subject:
        found += [(subject, f"{part}_on", lived[part]) for part in ("born", "died") if lived[part]]
    found += _capitals(bare, speaks_of or topic)
    return subject, [(_bare(a), b, _bare(c)) for a, b, c in found]


def _definition(bare: str) -> Iterator[Found]:
    if (found := IS_A.match(bare)) and (kind := _kind(found["o"])):
        yield found["s"], "is_a", kind


def _kind(rest: str) -> str:
    """What stands last in the first clause behind 是: of "中国的一座城市，…" 城市; "" where nothing is defined."""
    clause = re.split(f"[{STOP}]", rest, maxsplit=1)[0]
    if NO_KIND.match(clause):
        return ""
    kind = COUNTED.sub("", clause.rpartition("的")[2], count=1)
    return kind if 1 < len(kind) <= 16 and not kind.endswith(("了", "吗", "呢", "吧", "着", "过")) else ""


def _facts(bare: str, subject: str) -> Iterator[Found]:
    for predicate, rule in PATTERNS:
        if found := rule.search(bare):
            groups = found.groupdict()
            yield subject, predicate, groups.get("o") or groups.get("day") or groups.get("before") or ""


def _capitals(bare: str, speaks_of: str) -> Iterator[Found]:
    cities = list(CAPITAL.finditer(bare))
    for city in cities:
        of = city["o"] if city["o"] and not PRONOUN.match(city["o"]) else speaks_of
        yield city["s"], "capital_of", of
    if not cities and speaks_of and (found := OF_CAPITAL.search(bare)):
        yield speaks_of, "capital_of", found["o"]


def _leading(bare: str) -> str:
    """What a sentence begins with whose first verb is one of ours: "清华大学位于…"."""
    found = LEADING.match(bare)
    return found["s"] if found else ""


def _bare(part: str) -> str:
    return part.strip(" 《》“”\"'，。")
