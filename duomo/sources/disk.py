"""Disk: what stands under its right name is always whole."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """A path to write a file or a folder to; at the end of the block it takes the target's place, after a failure it is gone.

    Raises ValueError with the mend where the disk refuses: full, read-only, no permission.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".writing-") as folder:  # beside it: a rename stays on one disk
            made = Path(folder, target.name)
            yield made
            if target.is_dir():
                shutil.rmtree(target)
            made.replace(target)
    except OSError as error:
        reason = f"{error.strerror or error}{_room(target)}"
        raise ValueError(f"{target}: can not be written ({reason}); make room, or choose another cache") from error


def _room(target: Path) -> str:
    parent = next(folder for folder in target.absolute().parents if folder.exists())
    return f", {shutil.disk_usage(parent).free / 1e6:.0f} MB free"
