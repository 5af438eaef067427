"""Every test that the page of traps names exists, and every row names one."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability_traps.md"
if not PAGE.exists():
    pytest.skip("the documents are not installed", allow_module_level=True)
TEXT = PAGE.read_text("utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ")]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))


def functions(path):
    """Return the names of a file's functions at its top level."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_test_that_is_named_exists():
    assert len(NAMED) > 80
    for path, name in NAMED:
        assert (ROOT / path).is_file(), path
        assert name.startswith("test_"), name
        assert name in functions(path), f"{path} has no {name}"


def test_every_row_has_three_cells_and_names_a_test():
    rows = [row for row in ROWS if not row.endswith("| test |")]
    assert len(rows) > 70
    for row in rows:
        cells = re.split(r"(?<!\\)\|", row)[1:-1]
        assert len(cells) == 3, row
        assert re.fullmatch(r" (`tests/[\w/]+\.py::\w+`(, )?)+ ", cells[2]), row
        assert all(len(cell.strip()) > 2 for cell in cells), row


def test_every_test_of_a_known_bug_is_on_the_page():
    """But for those that look after the tests themselves, or add to a row's."""
    named = {name for _, name in NAMED}
    files = sorted((ROOT / "tests" / "reliability").glob("test_known_bugs*.py"))
    assert len(files) == 5
    tests = {
        name
        for path in files
        for name in functions(path.relative_to(ROOT))
        if name.startswith("test_")
    }
    assert tests - named == {
        "test_every_solver_is_here",
        "test_importance_by_permutation_in_a_pipeline",
        "test_one_error_does_not_spoil_the_next_fit",
        "test_several_labels_are_split_without_strata",
        "test_the_same_epochs_as_scikit_learn_with_a_long_patience",
    }
