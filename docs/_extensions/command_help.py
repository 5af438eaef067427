"""A directive that shows what the command line prints for ``--help``."""

import contextlib
import io
import os
from unittest import mock

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from fastnn.cli.options import parse_options

PROGRAM = "python -m fastnn "


def help_of(command):
    """Return what a command with ``--help`` prints, without colours."""
    if not (command.startswith(PROGRAM) and command.endswith("--help")):
        raise ValueError(f"{command!r} is not '{PROGRAM}... --help'")
    printed = io.StringIO()
    with (
        mock.patch.dict(os.environ, {"COLUMNS": "80", "NO_COLOR": "1"}),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        parse_options(command.removeprefix(PROGRAM).split())
    return printed.getvalue()


class CommandHelp(SphinxDirective):
    """Shows what commands that ask for help print; one command a line."""

    has_content = True

    def run(self):
        """Return a block of text for each."""
        texts = [f"$ {command}\n\n{help_of(command)}" for command in self.content]
        return [nodes.literal_block(text, text, language="text") for text in texts]


def setup(app):
    """Register with Sphinx."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
