"""English sentences that define: who or what is what, where, since when, by whom."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

Found = tuple[str, str, str]
WORDS = 8  # of a subject: a longer one is a clause
UP = "A-ZÀ-ÖØ-ÞĀĂĄĆČĐĒĖĘĚĞĢĪĮİĶĽŁŃŅŇŌŐŘŚŞŠŢŤŪŮŰŲŹŻŽ"
WORD = rf"[{UP}][\w’'.-]*"
OF = "(?: (?:of|the|de|del|da|dan|di|du|dos|la|le|van|von|der|al|ben|bin|ibn|y)){0,2}"  # between the words of a name
NAME = rf"(?:[Tt]he )?{WORD}(?:{OF} {WORD})*"
NAMES = rf"{NAME}(?:, {NAME})*(?:,? and {NAME})?"
PLACE = (  # a name that no noun follows: "Greek plays" are in no place
    rf"{NAME}(?:, {NAME}){{0,2}}(?=$|[,.;:—–]|\s(?:and|with|in|on|of|to|at|by|between|bordered|bordering|that|which|where|whose|about|near"
    r"|along|from|for|around|as|consisting|off|after|before|until|during|since|named|is|was)\b)"
)
MONTHS = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
DAY = rf"(?:c\. ?)?(?:\d{{1,2}} {MONTHS} |{MONTHS} \d{{1,2}}, |{MONTHS} )?\d{{3,4}}(?: (?:BC|BCE|AD|CE))?"
ON = rf"(?:(?:on|in) {DAY},? )?"
KINDS = (
    "(?:city|town|capital|village|municipality|country|state|province|region|river|lake|island|mountain|peninsula|sea|desert|county|district"
    "|area|territory|republic|kingdom|nation|port|commune|university|archipelago|volcano|range|bay|gulf|monument|building|museum|park)"
)
WORKS = "(?:novel|book|play|poem|story|epic|treatise|opera|song|symphony|essay|comedy|tragedy|painting|film|sculpture|ballet)"
PATTERNS: Sequence[tuple[str, re.Pattern[str]]] = (  # of a sentence whose subject is known
    ("located_in", re.compile(rf"\b(?:located|situated|headquartered|based) (?:in|on|at) (?P<o>{PLACE})")),
    (
        "located_in",
        re.compile(
            rf"\b(?:is|are) (?:an?|the)[^,.;]{{0,80}}?\b{KINDS}\b[^,.;]{{0,30}}? in "
            rf"(?:(?:(?:north|south|east|west|central|the|far)[\w-]*|part|and|of) )*(?P<o>{PLACE})"
        ),
    ),
    ("born_in", re.compile(rf"\bborn {ON}(?:in|at) (?!{MONTHS}\b)(?P<o>{PLACE})")),
    ("born_on", re.compile(rf"\bborn (?:on|in) (?P<o>{DAY})\b")),
    ("died_in", re.compile(rf"\bdied {ON}(?:in|at) (?!{MONTHS}\b)(?P<o>{PLACE})")),
    ("founded_by", re.compile(rf"\b(?:founded|co-founded|established)(?: (?:in|on) {DAY})? by (?P<o>{NAMES})")),
    ("founded_in", re.compile(rf"\b(?:founded|established|incorporated)(?: by [^.;]{{3,80}}?)? (?:in|on) (?P<o>{DAY})\b")),
    (
        "written_by",
        re.compile(
            rf"\b(?:is|was) (?:an?|the)[^,.;]{{0,60}}?\b{WORKS}\b(?: (?:written|composed|painted|directed|created))? by (?P<o>[^.,;]+)"
        ),
    ),
)
PARTED: Mapping[str, Callable[[str], list[str]]] = {  # where an object is several names, or ends with one
    "founded_by": lambda told: re.split(r", and |, | and ", told),
    "written_by": lambda told: re.findall(rf"{NAME}$", told.strip()),
}
OF_CAPITAL = re.compile(rf"\b(?:is|was) (?:the |a )?(?:[\w-]+ )?capital(?: city)?(?:(?:,| and)[^.;]{{3,60}}?)? of (?P<o>{NAME})")
CAPITALS = (  # whose subject is the city, and whose object what the sentence speaks of
    re.compile(
        rf"\b(?:[Ii]ts|[Tt]he|[Tt]he (?:country|nation)(?:'s|’s)|whose) (?:national )?capital(?: city)?"
        rf"(?:,? and (?:the )?(?:its )?(?:[\w'’-]+ ){{1,4}}(?:city|town|settlement|metropolis|centre|center))?,? is (?P<s>{NAME})"
    ),
    re.compile(rf"\b(?:[Ii]ts|[Tt]he|whose) (?:national )?capital(?: city)?, (?P<s>{NAME}),"),
    re.compile(rf"\bwith (?:its |the )?capital(?: city)? (?:in|at|being) (?P<s>{NAME})"),
    re.compile(rf"(?P<s>{NAME}) is (?:its|the (?:country|nation)(?:'s|’s)|the) (?:national )?capital\b(?! of)"),
)
LIVED = re.compile(rf"\((?:[^()]{{0,160}}?[;,:] )?(?:born )?(?P<born>{DAY})(?:, [^()–]{{3,40}})? ?[–-] ?(?P<died>{DAY})[^()]{{0,40}}\)")
BORN = re.compile(rf"\((?:[^()]{{0,160}}?[;,:] )?born (?:on )?(?P<born>{DAY})\b[^()]{{0,60}}\)")
PARENTHESIS = re.compile(r"\s*[(（\[][^()（）\[\]]{0,300}[)）\]]")
ADVERB = "(?:usually|generally|often|primarily|also|now|currently|officially)"
COPULA = re.compile(r"\s(?:is|are|was|were)\s(?!(?:located|situated|born|founded|established|based|headquartered)\b)")
DEFINED = re.compile(rf"(?:{ADVERB} )?(?:any (?:of )?|one of )?(?:(?:an?|the)\b ?)?(?P<o>.+)")
DETERMINED = re.compile(rf"(?:{ADVERB} )?(?:any|one of|an?|the)\b")
PRONOUN = re.compile(r"(?:It|He|She|They|Its|His|Her|Their)\b")
NO_SUBJECT = re.compile(
    r"(?:This|That|These|Those|There|Here|In|On|At|For|From|By|As|If|When|While|After|Before|Although|Because|However|Since|Some|Many|Most"
    r"|All|What|Who|Which|Where|One|Such|Other|Each|Every|Both|With|During|Under|To|We|I|You|Today|Another|Among|Its|His|Her|Their|Two|Three"
    r"|Along|Unlike|Like|Modern|Early|Despite|Various|Several|More|Much|Not|Now|Then|Thus|Also|Through|Throughout|According|Of|Within|Outside"
    r"|[A-Z]\w+(?:ed|ly),? (?:in|by|on|at|as|from|to|of|it|he|she|they|the)|\w+ly,|Born|Built)\b"
)
ASIDE = re.compile(r",\s|\s(?=also known|commonly known)| or ")  # what a subject ends with, another name of it or a remark
SPOKEN_OF = re.compile(r"\b(?:it|he|she|they|there|this|these|that|those|we|one)$", re.IGNORECASE)
ALIAS = re.compile(
    r"\b(?:also|commonly|better|sometimes|often|formerly|previously|officially|formally|also commonly)(?: simply)? "
    r"(?:known|called|spelled|referred to)(?: simply)?(?: as)? (?:simply )?(?P<o>.+)"
)
CUT = re.compile(  # where the head of a definition ends
    r"[,;:—–]| - |\.$"
    r"|\s(?:that|which|who|whom|whose|where|when|while|but|because|since|as|than|if|so|to|in|on|at|by|from|with|within|without"
    r"|for|into|onto|under|over|between|among|during|through|throughout|after|before|against|about|along|across|around|near|off|outside"
    r"|inside|located|situated|native|known|used|found|made|based|born|consisting|comprising|bordering|belonging|involving|containing"
    r"|featuring|including|created|developed|written|directed|produced|published|founded|established|designed|caused|characterized"
    r"|characterised|formed|composed|named|called|released|having|being|is|are|was|were|has|have|had|can|may|whereby|such)\b"
)
CLAUSE = re.compile(
    r"\b(?:that|which|who|when|where|because|if|is|are|was|were|be|has|have|had|can|may|could|will|said|did|born|founded|between)\b|[:;\"]"
)
SHAPE = re.compile(r"(?:al|ic|ous|ive|ful|less|able|ible|ern|ish|ed|ing|ly|flat|broad|large|small|sovereign|major)$")  # of an adjective
NOUN = re.compile(
    r"(?:animal|mammal|metal|capital|festival|general|cardinal|journal|hospital|mineral|chemical|criminal|intellectual|critic|cleric|mechanic"
    r"|republic|music|fabric|mosaic|academic|classic|plastic|building|painting|wedding|king|ring|being|seed|weed|bed|fish|dish|table|olive"
    r"|archive|detective|executive|bible|cable|vegetable|meal|canal|signal|material|ritual|official|professional|admiral|rival|arsenal)$"
)
COUNT = re.compile(r"\b(?:(?:the )?(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|only|several|many|\d+) )+")
HANGING = re.compile(  # what a definition can not end with: its noun stands before
    r"\s+(?:and|or|of|an?|the|every|not|all|both|any|twice|due|present|over|more|most|less|using|existing|living|\w+ly|(?!seed|weed|bed\b)\w{2,}ed"
    r"|[Bb]y)$"
)
PEN_NAME = re.compile(r"^by (?:his|her|their|its)(?: \w+){0,2} names? ")
EMPTY = set("name term word one form part type kind group number set series result process most first use member way".split())
PERSON = re.compile(  # what the last word of a definition ends with, where the years in brackets are those of a life
    r"(?:er|or|ist|ian|king|queen|emperor|empress|poet|monk|nun|pope|saint|man|woman|president|general|prince|princess|duke|actress|leader|chief"
    r"|polymath|physician|critic|mystic|monarch|pharaoh|pilot|chef|athlete|diplomat|judge|architect|artist|heir|scholar|caliph|sultan|shah)$",
    re.IGNORECASE,
)


def said(sentence: str, topic: str) -> tuple[str, list[Found]]:
    """(the subject that the sentence defines, else "", what it says); a pronoun at its beginning stands for `topic`."""
    whole = " ".join(sentence.split())
    bare = PARENTHESIS.sub("", whole)
    found = list(_definition(bare, topic))
    subject = found[0][0] if found else ""
    speaks_of = subject or (topic if PRONOUN.match(bare) else _leading(bare))
    if subject:
        found += _life(whole, subject, found[0][2])
    if speaks_of:
        found += _facts(bare, speaks_of)
    about = topic or subject
    if about and "capital" in bare:
        cities = (city["s"] for rule in CAPITALS for city in rule.finditer(bare))
        found += [(city, "capital_of", about) for city in cities if _is_city(city, about)]
    return subject, [(_bare(a), b, _bare(c)) for a, b, c in found]


def _definition(bare: str, topic: str) -> Iterator[Found]:
    """ "X, also known as Y, is a Z": what X is, and what else it is called."""
    copula = COPULA.search(bare)
    if not copula or NO_SUBJECT.match(bare) or PRONOUN.match(bare) or SPOKEN_OF.search(bare[: copula.start()]):
        return
    head, *asides = ASIDE.split(bare[: copula.start()])
    if not _is_subject(head) or not _is_told_of(head, topic):
        return
    kind = _kind(bare[copula.end() :])
    if not kind:
        return
    yield head, "is_a", kind
    for aside in asides:
        if other := ALIAS.search(aside):
            yield head, "alias", PEN_NAME.sub("", re.split(r" or | and | in |, ", other["o"])[0])


def _kind(rest: str) -> str:
    """The head of what stands after "is": "theoretical physicist" of "a theoretical physicist who …"; "" where nothing is defined."""
    found = DEFINED.match(rest)
    if not found or not DETERMINED.match(rest):
        return ""
    kind = re.sub(r"^(?:of|any) (?:the )?|^same ", "", COUNT.sub("", _first(found["o"]), count=1))
    while found := HANGING.search(kind):
        kind = kind[: found.start()]
    last = kind.split(" of ")[0].split()
    if not last or last[-1].lower() in EMPTY and " of " not in kind or len(kind.split()) > 2 * WORDS or HANGING.fullmatch(f" {kind}"):
        return ""
    return kind


def _first(told: str) -> str:
    """Up to where the head of a definition ends; adjectives with commas between them are one: "poisonous, flammable gas"."""
    begin = 0
    for cut in CUT.finditer(told):
        part = told[begin : cut.start()].strip(" .")
        word = part.split()[-1] if part else ""
        if cut[0] != "," or not SHAPE.search(word) or NOUN.search(word):
            return told[: cut.start()].strip(" .")
        begin = cut.end()
    return told.strip(" .")


def _facts(bare: str, subject: str) -> Iterator[Found]:
    for predicate, rule in PATTERNS:
        if found := rule.search(bare):
            yield from ((subject, predicate, name) for name in PARTED.get(predicate, lambda told: [told])(found["o"]))
    if found := OF_CAPITAL.search(bare):
        yield subject, "capital_of", found["o"]


def _life(whole: str, subject: str, kind: str) -> Iterator[Found]:
    """The days in brackets behind a person's name; bare years may be those of a state, too."""
    found = LIVED.search(whole) or BORN.search(whole)
    if found and (PERSON.search(kind) or re.search(MONTHS, found[0])):
        yield subject, "born_on", found["born"]
        if "died" in found.re.groupindex:
            yield subject, "died_on", found["died"]


def _leading(bare: str) -> str:
    """The name that a sentence without a definition begins with: "X was founded by …"."""
    found = re.match(rf"({NAME})(?=,? (?:is|are|was|were)\b)", bare)
    return found[1] if found and not NO_SUBJECT.match(bare) else ""


def _is_subject(head: str) -> bool:
    words = head.split()
    return 0 < len(words) <= WORDS and not CLAUSE.search(head)


def _is_told_of(head: str, topic: str) -> bool:
    """Whether a subject says by itself what it is: "the plot" and "the city" of a text about something else do not."""
    bare = re.sub(r"^[Tt]he (?:other )?", "", head)
    if not topic or bare == head or not bare[:1].islower():
        return True
    known = {word[:5].lower() for word in re.findall(r"\w+", topic)}
    return any(word[:5].lower() in known for word in re.findall(r"\w+", bare))


def _is_city(name: str, of: str) -> bool:
    return name != of and not PRONOUN.match(name)


def _bare(part: str) -> str:
    """Without an article before it and signs around it."""
    if re.search(r"\b[A-Z]\.$", part):
        return part.strip()
    return re.sub(r"^(?:The|the|A|a|An|an) (?=\S)", "", part.strip(" ,;:\"“”")).rstrip(".")
