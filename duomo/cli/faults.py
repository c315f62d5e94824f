"""How every command line ends: its exit code, and what a user reads of an error."""

import errno
import os
import sys
from collections.abc import Sequence

import typer

from duomo.disk import FULL


def run(program: typer.Typer, words: Sequence[str]) -> int:
    """Runs one command line. Gives the exit code: 0; 2 for a fault that the user can mend; 130 after Ctrl-C."""
    debug, words = "--debug" in words, [word for word in words if word != "--debug"]
    try:
        command = typer.main.get_command(program)
        with command.make_context("duomo", words or ["--help"]) as context:
            command.invoke(context)
    except typer.Exit as stop:
        return stop.exit_code
    except KeyboardInterrupt as stop:
        print(f"interrupted: {stop}" if str(stop) else "interrupted: the same command begins again, from what is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as in `duomo sources | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        lines = explain(error)
        if debug or not lines:
            raise
        print(*(f"error: {line}" for line in lines), sep="\n", file=sys.stderr)
        return 2
    return 0


def explain(error: Exception) -> list[str]:
    """What a user reads of an error, one line per fault; nothing for a fault of our own."""
    if hasattr(error, "format_message"):  # the parser's own, whose class is not public
        context = getattr(error, "ctx", None)
        return [f"{' '.join(error.format_message().split()).rstrip('.')} (see `{context.command_path if context else 'duomo'} --help`)"]
    if isinstance(error, OSError):
        return [_explain_system(error)]
    if isinstance(error, ValueError):
        return str(error).splitlines()
    if isinstance(error, ImportError) and not (error.name or "").startswith("duomo"):
        return [" ".join(str(error).split()) if "install" in str(error) else f"{error}; install it: pip install 'duomo[demo]'"]
    return []


def _explain_system(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    mends = {
        errno.ENOENT: "no such file or directory",
        errno.EACCES: "permission denied; change its rights, or work in another folder",
        **dict.fromkeys(FULL, "no space left on the disk; free some, or keep data.cache and runs on another disk"),
        errno.EROFS: "a read-only file system; work in another folder",
        errno.EISDIR: "is a folder; name a file",
        errno.ENOTDIR: "a file stands where a folder is needed",
    }
    return where + mends.get(error.errno or 0, error.strerror or str(error))
