"""The error that the command line reports in one line."""

from __future__ import annotations


class CliError(Exception):
    """A problem that the user can solve, told in one line.

    Parameters
    ----------
    message : str
        What is wrong; line breaks in it become spaces.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(str(message).split()))


def in_one_line(error: object, limit: int = 200) -> str:
    """Return the first filled line of an error's message.

    Parameters
    ----------
    error : object
        An exception, or anything else that ``str`` can show.
    limit : int
        The largest number of characters.

    Returns
    -------
    str
        The line, cut at the limit, or the name of the error's class where it
        has no message.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= limit else text[: limit - 3] + "..."
