"""Every test that the page on reliability names exists, and every new one is named."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability.md"
if not PAGE.is_file():
    pytest.skip("the documents are not installed", allow_module_level=True)
NAME = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def functions_in(path):
    """Return the names of a file's test functions, without importing it."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def rows():
    """Return the cells of every line of the tables."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    cells = [line.strip("|").split(" | ") for line in lines if line.startswith("| ")]
    return [row for row in cells if row[0].strip() != "what happens"]


def test_every_line_names_tests_that_exist():
    assert len(rows()) > 40
    for row in rows():
        assert len(row) == 3, row
        found = NAME.findall(row[2])
        assert found, row
        for path, name in found:
            assert (ROOT / path).is_file(), path
            assert name in functions_in(path), f"{path}::{name}"
        # Nothing else in the cell, such as a name that is written otherwise.
        assert not NAME.sub("", row[2]).strip(" ,|"), row


def test_every_test_of_faults_is_on_the_page():
    named = set(NAME.findall(PAGE.read_text(encoding="utf-8")))
    files = sorted((ROOT / "tests" / "reliability").glob("test_faults_*.py"))
    assert len(files) >= 6
    about_the_tests = {"test_a_planted_file_would_be_run"}
    for file in files:
        path = file.relative_to(ROOT).as_posix()
        missing = functions_in(path) - {name for place, name in named if place == path}
        assert missing <= about_the_tests, path


def test_there_is_a_place_for_traps():
    text = PAGE.read_text(encoding="utf-8")
    assert "\n## What Numba and others got wrong\n" in text
    assert "(reliability_traps.md)" in text
    assert not re.search(r"\b[IF]\d{1,2}\b", text)
