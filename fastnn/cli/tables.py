"""Reading tables: CSV and Parquet, by pandas."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastnn.cli.errors import CliError, in_one_line
from fastnn.cli.files import check_input

SEPARATORS = (",", ";", "\t", "|")
COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")
PARQUET_SUFFIXES = (".parquet", ".pq")
PARQUET_MAGIC = b"PAR1"


def import_pandas(command: str) -> Any:
    """Return pandas, or say how to install it.

    Parameters
    ----------
    command : str
        The command that needs it.

    Returns
    -------
    module
        The module ``pandas``.
    """
    try:
        import pandas
    except ImportError:
        raise CliError(
            f"'{command}' needs pandas: pip install pandas "
            "(and pyarrow for Parquet files)"
        ) from None
    return pandas


def read_table(path: str, command: str, texts: Sequence[str] = ()) -> Any:
    """Read a table.

    Parameters
    ----------
    path : str
        A CSV file with a header (the separator is found out), or a Parquet file
        (known by its suffix or its first bytes).
    command : str
        The command that needs the table.
    texts : sequence of str
        Columns that a CSV file's text is kept of. pandas would take "01" for 1, if
        all other rows have numbers as well.

    Returns
    -------
    pandas.DataFrame
        At least one row; the names of the columns are text.
    """
    found = check_input(path)
    pandas = import_pandas(command)
    with found.open("rb") as stream:
        start = stream.read(4096)
    if found.suffix.lower() in PARQUET_SUFFIXES or start.startswith(PARQUET_MAGIC):
        frame = _read_parquet(pandas, found)
    else:
        if found.suffix.lower() not in COMPRESSED and b"\0" in start:
            raise CliError(f"{path} is neither text (UTF-8) nor a Parquet file")
        frame = _read_csv(pandas, found, texts)
    frame.columns = [str(name).strip() for name in frame.columns]
    twice = frame.columns[frame.columns.duplicated()]  # in a Parquet file
    if len(twice):
        raise CliError(f"{path} has two columns named {twice[0]!r}")
    if len(frame) == 0:
        raise CliError(f"{path} has a header but no rows")
    return frame


def _read_parquet(pandas: Any, path: Path) -> Any:
    try:
        frame = pandas.read_parquet(path)
        # pandas saves an index with the table; one with a name is a column.
        return frame.reset_index(drop=frame.index.names == [None])
    except ImportError:
        raise CliError("Parquet files need pyarrow: pip install pyarrow") from None
    # Readers of broken files raise many unrelated types.
    except Exception as error:
        raise CliError(
            f"{path} is no readable Parquet file: {in_one_line(error)}"
        ) from None


def _read_csv(pandas: Any, path: Path, texts: Sequence[str]) -> Any:
    """Read a CSV file, with the separator that its header suggests."""
    try:
        with warnings.catch_warnings():
            # pandas only warns where lines are longer than the header, and then
            # drops their ends.
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            separator = _find_separator(pandas, path)
            _check_names(pandas, path, separator)
            frame = _read_separated(pandas, path, sep=separator)
            if separator == ";" and _has_text(frame):
                # Tables with semicolons often have decimal commas.
                other = _read_separated(pandas, path, sep=separator, decimal=",")
                if _count_numeric(other) > _count_numeric(frame):
                    frame = other
            names = [str(name).strip() for name in frame.columns]
            kept = [place for place, name in enumerate(names) if name in set(texts)]
            if kept:
                spelled = _read_separated(pandas, path, sep=separator, dtype=str)
                for place in kept:
                    frame[frame.columns[place]] = spelled.iloc[:, place]
            return frame
    except CliError:
        raise
    except UnicodeDecodeError:
        raise CliError(f"{path} is not UTF-8 text; save it as UTF-8") from None
    except pandas.errors.EmptyDataError:
        raise CliError(f"{path} is empty") from None
    except pandas.errors.ParserWarning:
        raise CliError(
            f"{path} cannot be read as CSV: rows have more values than the header"
        ) from None
    except Exception as error:
        raise CliError(f"{path} cannot be read as CSV: {in_one_line(error)}") from None


def _read_separated(pandas: Any, path: Path, **words: Any) -> Any:
    return pandas.read_csv(
        path,
        encoding="utf-8-sig",
        index_col=False,
        low_memory=False,
        skipinitialspace=True,
        **words,
    )


def _find_separator(pandas: Any, path: Path) -> str:
    """Return the separator that splits the header into the most names."""
    with warnings.catch_warnings():
        # A wrong separator may well split the rows more often than the header.
        warnings.simplefilter("ignore", pandas.errors.ParserWarning)
        counts = {
            separator: _read_separated(pandas, path, sep=separator, nrows=0).shape[1]
            for separator in SEPARATORS
        }
    return max(SEPARATORS, key=lambda separator: counts[separator])


def _check_names(pandas: Any, path: Path, separator: str) -> None:
    """Complain about two columns of one name, of which pandas would rename one."""
    header = _read_separated(
        pandas, path, sep=separator, header=None, nrows=1, dtype=str
    )
    names = header.iloc[0].dropna().str.strip()
    twice = names[names.duplicated()]
    if len(twice):
        raise CliError(f"{path} has two columns named {twice.iloc[0]!r}")


def _has_text(frame: Any) -> bool:
    return _count_numeric(frame) < frame.shape[1]


def _count_numeric(frame: Any) -> int:
    return frame.select_dtypes("number").shape[1]


def check_column(name: str, columns: Sequence[str], option: str) -> None:
    """Complain about a column that a table does not have.

    Parameters
    ----------
    name : str
        The wanted column.
    columns : sequence of str
        The columns that there are.
    option : str
        The option that named the column.
    """
    if name in columns:
        return
    by_small_letters = {column.casefold(): column for column in columns}
    near = difflib.get_close_matches(name.casefold(), by_small_letters, n=1, cutoff=0.5)
    if near:
        hint = f"did you mean {by_small_letters[near[0]]!r}?"
    else:
        shown = ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else "")
        hint = f"the columns are: {shown}"
    raise CliError(f"{option}: there is no column {name!r}; {hint}")
