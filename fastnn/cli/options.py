"""The options of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NoReturn

from fastnn._version import __version__
from fastnn.cli.errors import CliError

MAIN_TEXT = """\
Multi-layer perceptrons for scikit-learn, trained by compiled code.

Without a command: tunes a classifier of handwritten digits (the data set that
comes with scikit-learn, nothing is downloaded) by a cross-validated grid
search, and times scikit-learn's own MLP on the same search.
"""

MAIN_EXAMPLES = """\
examples:
  python -m fastnn                                   the digits, beside scikit-learn
  python -m fastnn --no-compare                      the digits, fastnn alone
  python -m fastnn tune data.csv --target price      a network for your own table
  python -m fastnn predict data.fastnn.joblib new.csv > predictions.csv
"""

TUNE_TEXT = """\
Tunes a network for a table (CSV or Parquet) by a random search with
cross-validation, and saves the best pipeline: preparation of the columns and
network in one scikit-learn object. A part of the rows is held out to score it;
the saved pipeline is the scored one, so it has not seen the held-out rows.
"""

TUNE_EXAMPLES = """\
examples:
  python -m fastnn tune iris.csv --target species
  python -m fastnn tune flats.parquet --target price --candidates 40 --cv 3
  python -m fastnn tune flats.csv --target rooms --task regression --drop listing

columns:
  numbers   median for missing values, an indicator of what was missing, scaled
  text      one-hot; a missing value is a category; rare ones share a column
  dates     days since 1970-01-01 (ISO 8601 text or a date type), then as numbers
  dropped   constant or empty columns, row numbers, text in which almost every
            value differs (an id), nested values
"""

PREDICT_TEXT = """\
Applies a saved pipeline to a table and writes one line of CSV for each row.
Columns that the model does not know are ignored.

Loading a model runs code that is stored in the file: load only models that
come from someone you trust.
"""

PREDICT_EXAMPLES = """\
examples:
  python -m fastnn predict iris.fastnn.joblib new.csv > predictions.csv
  python -m fastnn predict iris.fastnn.joblib new.csv --proba --output out.csv
"""


WARMUP_TEXT = """\
Compiles every kernel once, so that no later fit on this machine has to. What was
compiled before is kept; a first run takes some minutes, and a fit alone compiles
only what it uses.
"""

WARMUP_EXAMPLES = """\
examples:
  python -m fastnn warmup
  python -m fastnn warmup --dtype float32
"""


class _Parser(argparse.ArgumentParser):
    """A parser that reports a wrong option in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        raise CliError(f"{message} (see '{self.prog} --help')")


def _integer(low: int, high: int | None = None) -> Callable[[str], int]:
    """Return a converter of option values to integers in a range."""

    def convert(text: str) -> int:
        wanted = f"an integer of at least {low}"
        if high is not None:
            wanted = f"an integer from {low} to {high}"
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low or (high is not None and value > high):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return value

    return convert


def _fraction(text: str) -> float:
    """Convert an option value to a number between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    # The comparison is false for nan too.
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return value


def _jobs(text: str) -> int:
    """Convert an option value to a number of processes, -1 meaning all cores."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < -1 or value == 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of processes (1 or more, or -1 for all cores)"
        )
    return value


def _run_digits(options: argparse.Namespace) -> None:
    # The commands import scikit-learn and Numba, which --help can do without.
    from fastnn.cli.digits import run_digits

    run_digits(options)


def _run_tune(options: argparse.Namespace) -> None:
    from fastnn.cli.tune import run_tune

    run_tune(options)


def _run_predict(options: argparse.Namespace) -> None:
    from fastnn.cli.predict import run_predict

    run_predict(options)


def _run_warmup(options: argparse.Namespace) -> None:
    from fastnn.cli.warmup import run_warmup

    run_warmup(options)


def _new_parser(factory: Callable[..., _Parser], text: str, examples: str, **words):
    return factory(
        description=text,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **words,
    )


def _add_tune(commands) -> None:
    """Add the command ``tune``."""
    tune = _new_parser(
        lambda **words: commands.add_parser("tune", **words),
        TUNE_TEXT,
        TUNE_EXAMPLES,
        help="tune a network for a table and save it",
    )
    add = tune.add_argument
    add("file", metavar="FILE", help="a CSV file with a header, or a Parquet file")
    add("--target", metavar="COLUMN", required=True, help="the column to predict")
    add(
        "--task",
        choices=("auto", "classification", "regression"),
        default="auto",
        help="what to predict (default: found out from the target's values)",
    )
    add(
        "--output",
        metavar="MODEL",
        help="where the model goes (default: FILE's stem + .fastnn.joblib, in the "
        "current folder)",
    )
    add(
        "--drop",
        metavar="COLUMN",
        action="append",
        default=[],
        help="a column to leave out; may be given several times",
    )
    _add_search(tune)
    _add_jobs(tune)
    tune.set_defaults(run=_run_tune)


def _add_search(tune: _Parser) -> None:
    """Add the options of the random search."""
    add = tune.add_argument
    add(
        "--test-size",
        type=_fraction,
        default=0.2,
        metavar="SHARE",
        help="share of the rows to hold out for the final score (default: 0.2)",
    )
    add(
        "--candidates",
        type=_integer(1),
        default=20,
        metavar="N",
        help="number of settings to draw (default: 20)",
    )
    add("--cv", type=_integer(2), default=5, metavar="K", help="folds (default: 5)")
    add(
        "--max-iter",
        type=_integer(1),
        default=200,
        metavar="M",
        help="most epochs of one training (default: 200)",
    )
    add(
        "--seed",
        type=_integer(0, 2**32 - 1),
        default=0,
        metavar="S",
        help="seed of the split, the folds, the draws and the networks (default: 0)",
    )


def _add_jobs(parser: _Parser) -> None:
    parser.add_argument(
        "--n-jobs",
        type=_jobs,
        default=1,
        metavar="J",
        help="processes for the search, -1 for one per core (default: 1)",
    )


def _add_predict(commands) -> None:
    """Add the command ``predict``."""
    predict = _new_parser(
        lambda **words: commands.add_parser("predict", **words),
        PREDICT_TEXT,
        PREDICT_EXAMPLES,
        help="apply a saved model to a table",
    )
    add = predict.add_argument
    add("model", metavar="MODEL", help="a model that 'tune' saved, from a trusted hand")
    add("file", metavar="FILE", help="a CSV file with a header, or a Parquet file")
    add("--output", metavar="OUT.csv", help="where to write (default: standard output)")
    add("--proba", action="store_true", help="add the probability of each class")
    predict.set_defaults(run=_run_predict)


def _add_warmup(commands) -> None:
    """Add the command ``warmup``."""
    warmup = _new_parser(
        lambda **words: commands.add_parser("warmup", **words),
        WARMUP_TEXT,
        WARMUP_EXAMPLES,
        help="compile everything once",
    )
    warmup.add_argument(
        "--dtype",
        choices=("float32", "float64", "both"),
        default="both",
        help="numbers to compile for (default: both)",
    )
    warmup.set_defaults(run=_run_warmup)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line.

    Returns
    -------
    argparse.ArgumentParser
        A parser whose result has the function to call in ``run``.
    """
    parser = _new_parser(_Parser, MAIN_TEXT, MAIN_EXAMPLES, prog="python -m fastnn")
    parser.add_argument("--version", action="version", version=f"fastnn {__version__}")
    parser.add_argument(
        "--no-compare",
        action="store_true",
        help="digits: leave out scikit-learn's search",
    )
    parser.add_argument(
        "--quick", action="store_true", help="digits: 2 candidates and 2 folds only"
    )
    _add_jobs(parser)
    parser.set_defaults(run=_run_digits)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_tune(commands)
    _add_predict(commands)
    _add_warmup(commands)
    return parser


def parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the arguments.

    Parameters
    ----------
    argv : sequence of str or None
        The arguments after the program's name; those of the process if None.

    Returns
    -------
    argparse.Namespace
        The options, with the function to call in ``run``.
    """
    options = build_parser().parse_args(argv)
    if options.run is not _run_digits and (options.no_compare or options.quick):
        raise CliError("--no-compare and --quick do not go with a command")
    return options
