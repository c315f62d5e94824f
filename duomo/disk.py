"""Disk: what stands under its right name is always whole, and what does not fit is not begun."""

import errno
import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the disk's end, the user's share of it, the longest file allowed


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A path to write a file to; at the end of the block it takes the target's place, after a failure it is gone.

    Raises ValueError with the mend where the disk refuses: full, read-only, no permission.
    """
    made = target.with_name(f".{target.name[:80]}-{secrets.token_hex(4)}")  # beside it: a rename stays on one disk
    try:
        with _parents(target), _gone(made):
            yield made
            made.replace(target)
    except OSError as error:
        raise ValueError(f"{target}: can not be written ({error.strerror or error}); make room, or choose another cache") from error


@contextmanager
def whole_folder(target: Path, replace: bool = True) -> Iterator[Path]:
    """A folder to write to; at the end of the block it takes the target's place, after a failure it is gone.

    Without `replace` a target that another process has finished meanwhile stays. What a killed process left of the same
    target goes. An OSError names the target where it names no file.
    """
    name = os.fsencode(target.name)[:200].decode(errors="ignore")  # a longer one would leave no room for what is added
    made = target.with_name(f".{name}.{os.getpid()}.writing")
    try:
        with _parents(target), _gone(made):
            for left in target.parent.glob(f".{glob.escape(name)}.*.writing"):
                if left == made or not _alive(left.name.split(".")[-2]):
                    shutil.rmtree(left, ignore_errors=True)
            made.mkdir()
            yield made
            for path in (*made.rglob("*"), made):
                _sync(path)
            if replace:
                shutil.rmtree(target, ignore_errors=True)
            if replace or not target.exists():
                made.rename(target)
            _sync(target.parent)
    except OSError as error:
        error.filename = error.filename or str(target)  # a full disk does not say of what
        raise


def need_room(folder: Path, size: int) -> None:
    """Raises ValueError with the mend where the disk of a folder, which may not be there yet, has less than `size` bytes free."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < size:
        told = f"{size / 1e6:,.1f} MB are needed and {free / 1e6:,.1f} MB are free"
        raise ValueError(f"{folder}: no space left on the disk: {told}; free some, or work on another disk")


@contextmanager
def _parents(target: Path) -> Iterator[None]:
    """The folders above the target; those that were made for it go again where the block fails."""
    made = [parent for parent in target.parents if not parent.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for parent in made:
            with suppress(OSError):  # another process writes there too
                parent.rmdir()
        raise


@contextmanager
def _gone(made: Path) -> Iterator[None]:
    """Takes away what was made, if it is still there at the end of the block."""
    try:
        yield
    finally:
        if made.is_dir():
            shutil.rmtree(made, ignore_errors=True)
        with suppress(OSError):
            made.unlink(missing_ok=True)


def _alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass
    return True


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
