"""LibreOffice: what an office program says, in English and Chinese."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from duomo.sample import Sample
from duomo.sources.jupyterlab_zh import messages
from duomo.sources.pairs import conversations
from duomo.sources.source import File, Source

LICENCE = "MPL-2.0"
FILE = File(
    registry="debian",
    package="libreoffice-l10n-zh-cn",
    version="4:7.4.7-1+deb12u14",
    name="libreoffice-l10n-zh-cn_4%3a7.4.7-1+deb12u14_all.deb",
    sha256="06b2800923811a11ddadc9e1e09ef8bda2a89ba118470403b2f6a897152e0809",
    bytes=834_684,
)
FOLDER = "./usr/lib/libreoffice/program/resource/zh_CN/LC_MESSAGES/"


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """The user says a text in simplified Chinese, the assistant in English. Ids "sw/231": catalogue and message."""
    yield from conversations(messages(paths[FILE.name], FOLDER), "libreoffice_zh", LICENCE)


LIBREOFFICE_ZH = Source(
    name="libreoffice_zh",
    title="what an office program says, in English and Chinese (LibreOffice)",
    kind="samples",
    files=(FILE,),
    licence=LICENCE,
    note="software texts: menus, dialogs, help; placeholders as %1; from Debian, through apt-get",
    open=samples,
)
