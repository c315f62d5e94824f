"""Disk: what stands under its right name is always whole."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """A path to write a file to; at the end of the block it takes the target's place, after a failure it is gone.

    Raises ValueError with the mend where the disk refuses: full, read-only, no permission.
    """
    made = target.with_name(f".{target.name[:80]}-{secrets.token_hex(4)}")  # beside it: a rename stays on one disk
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield made
        made.replace(target)
    except OSError as error:
        raise ValueError(f"{target}: can not be written ({error.strerror or error}); make room, or choose another cache") from error
    finally:
        with suppress(OSError):
            made.unlink(missing_ok=True)
