"""The command line of fastnn: ``python -m fastnn``."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

from fastnn.cli.errors import CliError, in_one_line
from fastnn.cli.options import parse_options

__all__ = ["main"]

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
# What a shell reports for a program that a closed pipe ended.
EXIT_BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the program's name; those of the process if left
        out.

    Returns
    -------
    int
        The exit code: 0 after success, 2 after an error that was reported in
        one line, 130 after an interruption.
    """
    try:
        options = parse_options(argv)
        options.run(options)
        # Flushed here, so that a reader that went away is noticed inside "try".
        if sys.stdout is not None:  # closed by the caller
            sys.stdout.flush()
    except SystemExit as done:  # argparse ends --help and --version this way
        return done.code if isinstance(done.code, int) else 0
    except BrokenPipeError:
        _silence_stdout()
        return EXIT_BROKEN_PIPE
    except KeyboardInterrupt:
        _complain("fastnn: interrupted")
        return EXIT_INTERRUPTED
    except CliError as error:
        _complain(f"fastnn: error: {error}")
        return EXIT_ERROR
    except (OSError, UnicodeEncodeError, OverflowError) as error:
        _complain(f"fastnn: error: {in_one_line(error)}")
        _silence_stdout()
        return EXIT_ERROR
    except MemoryError as error:
        _complain(f"fastnn: error: out of memory: {in_one_line(error)}")
        return EXIT_ERROR
    return 0


def _complain(line: str) -> None:
    # What was printed so far comes first, where both streams are one terminal.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    print(line, file=sys.stderr)


def _silence_stdout() -> None:
    # The interpreter flushes stdout once more when it ends, which would print
    # a second complaint about the closed pipe.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
