"""Fetch: files of package registries, verified by SHA-256 and kept in a cache. Nothing that is fetched is built or run."""

import hashlib
import platform
from collections.abc import Callable, Iterable
from functools import cache as once
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from duomo.disk import need_room, whole_file
from duomo.sources.network import CHUNK, Broken, Network, ask_pip, persistent, stream
from duomo.sources.registry import locate
from duomo.sources.source import File, Source

PACKAGES = "packages"  # the folder of fetched files inside the cache
SYSTEMS = {"Linux": "manylinux", "Darwin": "macosx", "Windows": "win"}


def fetch(source: Source, cache: Path, progress: Progress | None = None, network: Callable[[], Network] = ask_pip) -> dict[str, Path]:
    """The source's files for this platform, by name, from the cache or else from their registry.

    Every file is hashed every time; one that differs from the table is fetched again. Without `progress` no bar is shown.
    Raises ValueError, in one line with the mend, for a broken network, a missing file, a wrong hash or a full disk.
    """
    ask = once(network)
    return {file.name: _fetched(file, cache / PACKAGES, progress, ask) for file in suitable(source)}


def need_room_for(sources: Iterable[Source], cache: Path) -> None:
    """Raises ValueError where the disk can not hold what is still to be fetched."""
    files = (file for source in sources for file in suitable(source) if not (cache / PACKAGES / file.name).is_file())
    need_room(cache, sum(file.bytes for file in files))


def place(source: Source, given: Path, cache: Path) -> dict[str, Path]:
    """Takes files that the user has already: one file, or a folder that holds them; known by their hash, whatever their names.

    Raises ValueError where a file that the source needs here is not among them.
    """
    if not given.exists():
        raise ValueError(f"{given}: no such file or folder; name the file itself or the folder that holds it")
    files = suitable(source)
    sizes = {file.bytes for file in files}
    candidates = sorted(given.iterdir()) if given.is_dir() else [given]
    by_hash = {sha256(path): path for path in candidates if path.is_file() and path.stat().st_size in sizes}
    for file in files:
        if file.sha256 not in by_hash and not verified(cache / PACKAGES / file.name, file):
            wanted = f"{file.name} ({file.bytes} bytes, SHA-256 {file.sha256})"
            raise ValueError(f"{given}: not {wanted}; get version {file.version} of {file.package}")
    return {file.name: _copied(file, by_hash.get(file.sha256), cache / PACKAGES) for file in files}


def suitable(source: Source) -> tuple[File, ...]:
    """The source's files for this platform. Raises ValueError where it has none."""
    here = f"{SYSTEMS.get(platform.system(), platform.system())}-{platform.machine()}".lower()
    files = tuple(file for file in source.files if file.platform in ("any", here))
    if not files:
        raise ValueError(f"{source.name}: no file for {here}; there are {', '.join(file.platform for file in source.files)}")
    return files


def cached(source: Source, cache: Path) -> bool:
    """Whether all files for this platform are there with the right size; they are hashed when they are used."""
    paths = {cache / PACKAGES / file.name: file.bytes for file in suitable(source)}
    return all(path.is_file() and path.stat().st_size == size for path, size in paths.items())


def verified(path: Path, file: File) -> bool:
    """Whether the file is there and is the one of the table."""
    return path.is_file() and path.stat().st_size == file.bytes and sha256(path) == file.sha256


def sha256(path: Path) -> str:
    """The hash of a file's content, in hex."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def bars() -> Progress:
    """Progress bars for downloads, on the error stream: size, speed, time left."""
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    return Progress(*columns, console=Console(stderr=True))


def _fetched(file: File, folder: Path, progress: Progress | None, network: Callable[[], Network]) -> Path:
    target = folder / file.name
    if verified(target, file):
        return target
    pip = network()
    url = locate(file, pip)
    show = progress or Progress(disable=True)
    bar = show.add_task(file.name, total=file.bytes)

    def attempt() -> Path:
        show.reset(bar)
        return _written(stream(url, pip), file, target, lambda count: show.advance(bar, count))

    return persistent(attempt, pip.pauses)


def _copied(file: File, given: Path | None, folder: Path) -> Path:
    target = folder / file.name
    if given is None or verified(target, file):
        return target
    with given.open("rb") as content:
        return _written(iter(lambda: content.read(CHUNK), b""), file, target, lambda count: None)


def _written(chunks: Iterable[bytes], file: File, target: Path, advance: Callable[[int], None]) -> Path:
    with whole_file(target) as part:
        with part.open("wb") as out:
            found = _copy(chunks, out.write, file, advance)
        if found != file.sha256:
            raise ValueError(f"{file.name}: SHA-256 is {found}, not {file.sha256}; this is another file: check the index or mirror")
    return target


def _copy(chunks: Iterable[bytes], write: Callable[[bytes], int], file: File, advance: Callable[[int], None]) -> str:
    """Writes the chunks and gives their hash. Raises Broken where they end too early, ValueError where they do not end."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        if size > file.bytes:
            raise ValueError(f"{file.name}: more than the {file.bytes} bytes of the table; this is another file: check the index or mirror")
        digest.update(chunk)
        write(chunk)
        advance(len(chunk))
    if size < file.bytes:
        raise Broken(f"{file.name}: the transfer ended after {size} of {file.bytes} bytes; check the network and run the command again")
    return digest.hexdigest()
