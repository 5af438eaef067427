"""The code of docs/inspection.md and of docstrings runs as it stands there."""

import re
import sys

import pytest
from test_documents import ROOT, blocks, run

import fastnn.inspection as package

pytest.importorskip("matplotlib")
CODES = blocks("docs/inspection.md")


@pytest.mark.parametrize("code", CODES[1:], ids=range(1, len(CODES)))
def test_blocks(code, tmp_path, monkeypatch):
    """Each continues the first, and no other."""
    monkeypatch.chdir(tmp_path)
    namespace = run(CODES[0], {"__name__": "__main__"})
    assert not {"display", "diagnosis"} & set(namespace)
    run(code, namespace)
    if "diagnosis" in namespace:
        text = (ROOT / "docs/inspection.md").read_text(encoding="utf-8")
        shown = re.findall(r"^    (\S.*(?:\n .*)*)", text, re.MULTILINE)
        expected = " ".join("\n".join(shown).split())
        printed = " ".join(str(namespace["diagnosis"]).split())
        # Another machine may round the share in the curve's last digits otherwise.
        assert re.sub(r"\d+\.\d%", "", printed) in re.sub(r"\d+\.\d%", "", expected)
        assert set(namespace["found"]) == {"not_converged", "constant_columns"}
    else:
        assert namespace["display"].figure_.axes
    saved = re.findall(r'"(\w+\.(?:png|gif))"', code)
    assert all((tmp_path / name).stat().st_size for name in saved)


def test_every_finding_is_in_the_table():
    """And every name of the table is given by some check."""
    module = sys.modules[package.diagnose.__module__]
    named = {"diverged", *(check.__name__ for check in module.CHECKS)}
    text = (ROOT / "docs/inspection.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    displays = {name for name in listed if name[0].isupper()}
    assert listed - displays == named
    shown = {
        name for name in package.__all__ if name.endswith(("Display", "Animation"))
    }
    assert displays == shown
