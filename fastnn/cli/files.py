"""Checks of paths, and writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from fastnn.cli.errors import CliError, in_one_line


def check_input(path: str) -> Path:
    """Return the path of a file that can be read and is not empty.

    Parameters
    ----------
    path : str
        What the user gave.

    Returns
    -------
    pathlib.Path
        The same path.
    """
    found = Path(path)
    try:
        if found.is_dir():
            raise CliError(f"{path} is a folder, not a file")
        if found.exists() and not found.is_file():  # it could be read only once
            raise CliError(f"{path} is not a regular file; save it as one")
        with found.open("rb") as stream:
            if not stream.read(1):
                raise CliError(f"{path} is empty")
    except FileNotFoundError:
        raise CliError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or in_one_line(error)
        raise CliError(f"{path} cannot be read: {reason}") from None
    return found


def check_output(path: str | Path, *inputs: Path) -> Path:
    """Return the path of a file that can be written.

    Parameters
    ----------
    path : str or pathlib.Path
        Where the output shall go.
    *inputs : pathlib.Path
        Files that must not be overwritten.

    Returns
    -------
    pathlib.Path
        The same path.
    """
    output = Path(path)
    folder = output.parent
    if not folder.is_dir():
        raise CliError(f"cannot write {output}: there is no folder {folder}")
    # Replacing a device or a pipe by a file would do harm.
    if output.exists() and not output.is_file():
        raise CliError(f"cannot write {output}: it is not a regular file")
    for other in inputs:
        if output.exists() and output.samefile(other):
            raise CliError(f"cannot write {output}: it is an input of this command")
    try:
        # Permission bits do not tell of read-only file systems; trying does.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CliError(f"cannot write {output}: {error.strerror}") from None
    return output


@contextlib.contextmanager
def written_whole(path: Path, mode: str = "wb", **words: Any) -> Iterator[IO]:
    """Open a file that takes its place only once it is complete.

    Parameters
    ----------
    path : pathlib.Path
        The file to write.
    mode : str
        ``"wb"`` or ``"w"``.
    **words
        Further arguments of ``open``.

    Yields
    ------
    file object
        A temporary file beside the path, which replaces it at the end.
    """
    # Not made by tempfile, whose files are closed to the user's group.
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open(mode, **words) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, path)
    except OSError as error:
        reason = error.strerror or in_one_line(error)
        raise CliError(f"cannot write {path}: {reason}") from None
    finally:
        draft.unlink(missing_ok=True)
