"""Archives: members of wheels, source archives and Debian packages, read as streams. Nothing is extracted, built or run."""

import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

MB = 1_000_000
AR = b"!<arch>\n"
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile, NotImplementedError)


@contextmanager
def member(path: Path, name: str, limit: int) -> Iterator[BinaryIO]:
    """One member of a zip or tar archive or a Debian package as a stream of at most `limit` bytes.

    Raises ValueError where the archive is damaged, has no such member, or the member is larger.
    """
    found = members(path, name.__eq__, limit)
    for _, stream in found:
        yield stream
        found.close()
        return
    raise ValueError(f"{path}: holds no {name}; fetch the file again")


def members(path: Path, wanted: Callable[[str], bool], limit: int) -> Generator[tuple[str, BinaryIO], None, None]:
    """The wanted files of an archive in its own order, each to be read before the next one is asked for.

    `limit`: bytes of one member, unpacked. Raises ValueError as `member` does.
    """
    walk = _deb if _begins(path, AR) else _zip if zipfile.is_zipfile(path) else _tar
    try:
        for name, size, opened in walk(path):
            if wanted(name):
                if size > limit:
                    raise _too_large(f"{path}: {name}", limit)
                with opened() as stream:
                    yield name, limited(stream, limit, f"{path}: {name}")
    except DAMAGE as error:
        raise _damaged(str(path), error) from error


def gunzipped(stream: BinaryIO, limit: int, where: str) -> BinaryIO:
    """The content of a gzip stream, at most `limit` bytes; `where` names it in errors."""
    return limited(cast(BinaryIO, gzip.GzipFile(fileobj=stream)), limit, where)


def limited(stream: BinaryIO, limit: int, where: str) -> BinaryIO:
    """The same stream, which raises ValueError past `limit` bytes (a bomb) and for damage."""
    return cast(BinaryIO, io.BufferedReader(_Limited(stream, limit, where)))


class _Limited(io.RawIOBase):
    def __init__(self, stream: BinaryIO, limit: int, where: str) -> None:
        self._stream, self._left, self._limit, self._where = stream, limit, limit, where

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._stream.read(len(buffer))
        except DAMAGE as error:
            raise _damaged(self._where, error) from error
        self._left -= len(data)
        if self._left < 0:
            raise _too_large(self._where, self._limit)
        buffer[: len(data)] = data
        return len(data)


def _zip(path: Path) -> Iterator[tuple[str, int, Callable[[], BinaryIO]]]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                yield info.filename, info.file_size, cast(Callable[[], BinaryIO], partial(archive.open, info))


def _tar(path: Path) -> Iterator[tuple[str, int, Callable[[], BinaryIO]]]:
    with path.open("rb") as file:
        yield from _streamed(file)


def _deb(path: Path) -> Iterator[tuple[str, int, Callable[[], BinaryIO]]]:
    """A Debian package is an `ar` of three members; the last one, data.tar.*, holds the files (deb(5))."""
    with path.open("rb") as file:
        file.seek(len(AR))
        while header := file.read(60):  # name, five fields of numbers, and two bytes that end them
            if len(header) < 60 or header[58:] != b"`\n" or not header[48:58].strip().isdigit():
                raise tarfile.ReadError("no Debian package")
            if header.startswith(b"data.tar"):
                yield from _streamed(file)
                return
            file.seek(-(-int(header[48:58]) // 2) * 2, io.SEEK_CUR)


def _streamed(file: BinaryIO) -> Iterator[tuple[str, int, Callable[[], BinaryIO]]]:
    with tarfile.open(fileobj=file, mode="r|*") as archive:  # "|": one pass, no seeking in a compressed file
        for info in archive:
            if info.isfile():
                yield info.name, info.size, cast(Callable[[], BinaryIO], partial(archive.extractfile, info))


def _begins(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _damaged(where: str, error: BaseException) -> ValueError:
    return ValueError(f"{where}: a damaged archive ({error}); delete it and fetch it again")


def _too_large(where: str, limit: int) -> ValueError:
    return ValueError(f"{where}: larger than the {limit / MB:.0f} MB that it may have; do not trust this file")
