"""Inflate: a file's bytes in bounded memory; where it is gzip, member by member, and past a damaged one to the next."""

import re
import zlib
from typing import BinaryIO

MAGIC = b"\x1f\x8b\x08"
CHUNK = 1 << 16
SCANNED = 1 << 28  # inflated bytes that are looked through for a mark, before a member is given up as a bomb
TRIED = 10_000  # places of a damaged file at which another member may begin
PACKED = 31  # zlib's word for gzip
BLANK = re.compile(rb"[\r\n]*")


class Inflated:
    """What a file holds, inflated: `buffer` is what comes next. A file that is not gzip is one member.

    Methods raise ValueError where the bytes that they need are damaged or missing; `seek` then finds what is sound behind them.
    """

    def __init__(self, file: BinaryIO):
        self.buffer = bytearray()
        self._file, self._raw, self._tried = file, file.read(CHUNK), 0
        self._inflate = zlib.decompressobj(PACKED) if self._raw.startswith(MAGIC[:2]) else None

    def more(self) -> bool:
        """Puts up to CHUNK bytes more into the buffer; False at the member's end, once its check sum is found right."""
        if self._inflate is None:
            self.buffer += self._raw
            found, self._raw = bool(self._raw), self._file.read(CHUNK)
            return found
        while not self._inflate.eof:
            try:
                data = self._inflate.decompress(self._raw, CHUNK)
            except zlib.error as error:
                raise ValueError(f"damaged gzip ({error}); fetch the file again") from error
            self._raw = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            self.buffer += data
            if data:
                return True
            if not self._inflate.eof and not self._filled():
                raise ValueError("the file ends inside it; fetch it again")
        return False

    def fill(self, count: int) -> bool:
        """Whether the member has so many bytes more; the buffer then holds them."""
        while len(self.buffer) < count and self.more():
            pass
        return len(self.buffer) >= count

    def take(self, count: int) -> bytes:
        """So many bytes of the buffer."""
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def find(self, end: re.Pattern[bytes], most: int) -> re.Match[bytes] | None:
        """The first place where `end` matches among the next `most` bytes."""
        while not (found := end.search(self.buffer, 0, most)) and len(self.buffer) < most and self.more():
            pass
        return found

    def ended(self) -> bool:
        """Whether nothing but empty lines is left of the member; they are passed over."""
        passed = 0
        while passed < SCANNED:
            found = BLANK.match(self.buffer)
            passed += found.end() if found else 0
            del self.buffer[: found.end() if found else 0]
            if self.buffer or not self.more():
                return not self.buffer
        raise ValueError("endless empty lines; they are left out")

    def begin(self) -> bool:
        """Goes to what is no empty line, in this member or a later one; False at the file's end."""
        while self.ended():
            self._raw = self._raw.lstrip(b"\0")
            if self._inflate is None or not (self._raw or self._filled()):
                return False
            self._inflate = zlib.decompressobj(PACKED)
        return True

    def seek(self, mark: bytes) -> bool:
        """Goes to the next line, or the next member, that starts with a mark; False where there is none. It raises nothing."""
        line, seen = b"\n" + mark, 0
        try:
            if self.fill(len(mark)) and self.buffer.startswith(mark):
                return True
            while self._inflate is None or seen < SCANNED:
                if (at := self.buffer.find(line)) >= 0:
                    del self.buffer[: at + 1]
                    return True
                seen += len(self.buffer)
                del self.buffer[: -len(line)]
                if not self.more():
                    self.buffer.clear()
                    return self.begin()
        except ValueError:
            pass
        return self._seek_member(mark)

    def _seek_member(self, mark: bytes) -> bool:
        self.buffer.clear()
        self._raw = self._raw[1:]  # what failed began before
        while self._tried < TRIED:
            at = self._raw.find(MAGIC)
            if at < 0:
                self._raw = self._raw[1 - len(MAGIC) :]
                if not self._filled():
                    return False
                continue
            self._raw = self._raw[at:]
            if len(self._raw) < CHUNK:
                self._filled()
            if self._begins(mark):
                self._inflate = zlib.decompressobj(PACKED)
                return True
            self._raw = self._raw[1:]
        return False

    def _begins(self, mark: bytes) -> bool:
        self._tried += 1
        try:
            return zlib.decompressobj(PACKED).decompress(self._raw, len(mark)) == mark
        except zlib.error:
            return False

    def _filled(self) -> bool:
        """Whether the file had more."""
        data = self._file.read(CHUNK)
        self._raw += data
        return bool(data)
