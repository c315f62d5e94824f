"""JupyterLab: what a workbench for notebooks says, in English and Chinese."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from duomo.sample import Sample
from duomo.sources.archive import MB, members
from duomo.sources.pairs import catalogue, conversations
from duomo.sources.source import File, Source

LICENCE = "BSD-3-Clause"
FILE = File(
    registry="pypi",
    package="jupyterlab-language-pack-zh-CN",
    version="4.5.post3",
    name="jupyterlab_language_pack_zh_cn-4.5.post3-py2.py3-none-any.whl",
    sha256="47cdb0c41c6b066e795c867786c9c29fde527e2bf15aa6b3e9b2bab9929304b5",
    bytes=224_581,
)
FOLDER = "jupyterlab_language_pack_zh_CN/locale/zh_CN/LC_MESSAGES/"


def samples(paths: Mapping[str, Path]) -> Iterator[Sample]:
    """The user says a text in simplified Chinese, the assistant in English. Ids "jupyterlab/17": catalogue and message."""
    yield from conversations(messages(paths[FILE.name], FOLDER), "jupyterlab_zh", LICENCE)


def messages(path: Path, folder: str) -> Iterator[tuple[str, str, str]]:
    """All messages of the compiled catalogues in a folder of an archive, in the archive's order. Raises ValueError for damage."""
    for name, stream in members(path, lambda name: name.startswith(folder) and name.endswith(".mo"), 4 * MB):
        for number, (said, told) in enumerate(catalogue(stream.read(), f"{path}: {name}")):
            yield f"{PurePosixPath(name).stem}/{number}", said, told


JUPYTERLAB_ZH = Source(
    name="jupyterlab_zh",
    title="what a workbench for notebooks says, in English and Chinese (JupyterLab)",
    kind="samples",
    files=(FILE,),
    licence=LICENCE,
    note="software texts by volunteers: menus, settings, messages",
    open=samples,
)
