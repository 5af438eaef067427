"""A table and two models, tuned once for all tests of the command line."""

import pytest
from cli_tools import QUICK, make_table, run_quietly


@pytest.fixture(scope="session")
def table():
    return make_table()


@pytest.fixture(scope="session")
def folder(tmp_path_factory, table):
    """Return a folder with the table and two models, tuned once for all tests."""
    path = tmp_path_factory.mktemp("cli")
    table.to_csv(path / "table.csv", index=False)
    for target, other in (("kind", "price"), ("price", "kind")):
        code, out, err = run_quietly(
            *("tune", path / "table.csv", "--target", target, "--drop", other, *QUICK),
            *("--output", path / f"{target}.joblib"),
        )
        assert (code, err) == (0, "")
        (path / f"{target}.txt").write_text(out)
    return path
