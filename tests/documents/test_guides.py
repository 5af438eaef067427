"""The guides' examples give what stands there, and the guides leave nothing out."""

import doctest
import inspect
import re
from pathlib import Path

import pytest
from helpers import ignore_convergence, make_data, recorded
from sklearn import neural_network as sk

import fastnn

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "docs").is_dir():
    pytest.skip("the documents are not installed", allow_module_level=True)
GUIDES = ("docs/guide.md", "docs/migration.md")
CLASSES = {
    "C": fastnn.MLPClassifier,
    "R": fastnn.MLPRegressor,
    "E": fastnn.MLPEstimator,
}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def examples(text, name, variables):
    """Return a document's examples, a doctest for each block, in their order."""
    parser, found = doctest.DocTestParser(), []
    for block in BLOCK.finditer(text):
        if block[2].startswith(">>> "):
            line = text[: block.start(2)].count("\n")
            found.append(parser.get_doctest(block[2], variables, name, name, line))
    return found


def run(tests):
    """Run doctests that continue each other; return how many failed and all."""
    report, variables = [], tests[0].globs
    runner = doctest.DocTestRunner(verbose=False)
    for test in tests:
        test.globs = variables
        runner.run(test, out=report.append, clear_globs=False)
    return runner.failures, runner.tries, "".join(report)


@pytest.mark.parametrize("name", GUIDES)
def test_examples(name, tmp_path, monkeypatch):
    """Warnings are errors here, too: readers do not want them either."""
    monkeypatch.chdir(tmp_path)
    tests = examples(read(name), name, {"__name__": "__main__"})
    failed, tried, report = run(tests)
    assert not failed, report
    assert tried > len(tests) >= 3
    assert tried == read(name).count("\n>>> ")


def test_a_wrong_example_would_be_noticed():
    text = "```pycon\n>>> a = 1\n\n```\n\n```pycon\n>>> a + 1\n3\n\n```\n"
    failed, tried, report = run(examples(text, "page", {}))
    assert (failed, tried) == (1, 2)
    assert "Expected:\n    3\nGot:\n    2" in report


@pytest.mark.parametrize("name", GUIDES)
def test_no_example_is_left_out(name):
    """Python is in blocks that run; but for the line of imports to put in place."""
    for kind, code in BLOCK.findall(read(name)):
        if kind == "python":
            exec(compile(code, name, "exec"), {})
            assert code.startswith("from fastnn import "), code
        elif kind != "bash":
            assert kind == "pycon", code
            assert code.startswith(">>> "), code


def rows(title):
    """Return the cells of the table below a title of the page on migration."""
    section = read("docs/migration.md").split(f" {title}\n", 1)[1].split("\n#", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def defaults():
    """Return each parameter's default, by parameter and the class's letter."""
    found = {}
    for letter, cls in CLASSES.items():
        for name, parameter in inspect.signature(cls).parameters.items():
            found.setdefault(name, {})[letter] = parameter.default
    return found


def as_written(value):
    return f'`"{value}"`' if isinstance(value, str) else f"`{value!r}`"


def test_every_parameter_is_in_one_table():
    """With its defaults, and the classes that have it; and no other one is."""
    known, new = rows("Those of scikit-learn")[1:], rows("New ones")[1:]
    named = [row[0].strip("`") for row in known + new]
    expected = defaults()
    assert len(named) == len(set(named))
    assert set(named) == set(expected)
    theirs = set()
    for cls in (sk.MLPClassifier, sk.MLPRegressor):
        theirs |= set(inspect.signature(cls).parameters)
    # `loss` came with scikit-learn 1.7.
    assert {row[0].strip("`") for row in known} == theirs | {"loss"}
    for name, written, *_ in known + new:
        values = {as_written(v) for v in expected[name.strip("`")].values()}
        given = set(re.findall(r"`[^`]*`", written))
        assert given - {f"`{cls.__name__}`" for cls in CLASSES.values()} == values, name
    for name, _, classes, _ in new:
        assert classes.split() == list(expected[name.strip("`")]), name


def test_every_value_of_the_choices_is_named():
    """Activations, solvers, losses and schedules."""
    known = {row[0].strip("`"): " ".join(row) for row in rows("Those of scikit-learn")}
    of_sklearn = sk.MLPRegressor._parameter_constraints
    for name in ("activation", "solver", "learning_rate", "loss"):
        ours = set()
        for cls in CLASSES.values():
            ours |= cls._parameter_constraints[name][0].options
        new = ours - of_sklearn[name][0].options if name in of_sklearn else ours
        assert new, name
        assert new <= set(re.findall(r'"(\w+)"', known[name])), name


@ignore_convergence
@pytest.mark.parametrize("options", [{}, {"solver": "lbfgs"}, {"batch_norm": True}])
def test_every_attribute_is_named(options):
    X, y = make_data("multiclass")
    net = fastnn.MLPClassifier((5, 4), residual=True, max_iter=2, **options).fit(X, y)
    public = {name for name in vars(net) if name.endswith("_") and name[0] != "_"}
    named = set(re.findall(r"`(\w+_)`", " ".join(r[0] for r in rows("Attributes"))))
    assert len(public) > 8
    assert public <= named
    curves = {"loss_curve_", "history_", "best_loss_", "best_validation_score_"}
    assert curves.isdisjoint(public) == (options.get("solver") == "lbfgs")


@pytest.mark.parametrize("letter", CLASSES)
def test_every_method_is_named(letter):
    cls = CLASSES[letter]
    public = {
        name
        for name, value in inspect.getmembers(cls(), callable)
        if not name.startswith("_") and not re.fullmatch(r"set_\w+_request", name)
    }
    text = " ".join(row[0] for row in rows("Methods"))
    assert len(public) > 10
    assert public <= set(re.findall(r"`(?:\w+\.)?(\w+)", text))


def test_errors_that_differ_from_scikit_learns():
    """The rows of the table that no test beside scikit-learn covers elsewhere."""
    X, y = make_data("regression")
    options = {"hidden_layer_sizes": (5,), "max_iter": 1, "random_state": 0}
    ours, theirs = (
        library.MLPRegressor(**options, warm_start=True) for library in (fastnn, sk)
    )
    for net in (ours, theirs):
        recorded(net.fit, X, y)
        net.set_params(hidden_layer_sizes=(7,))
    recorded(theirs.fit, X, y)
    assert theirs.coefs_[0].shape == (7, 5)  # the old layers, in silence
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        ours.fit(X, y)
    assert not isinstance(ours, sk.MLPRegressor)


def anchors(text):
    """Return the names that titles of a page can be linked by."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}


@pytest.mark.parametrize("name", [*GUIDES, "docs/index.md", "README.md"])
def test_links_lead_somewhere(name):
    links = re.findall(r"\]\(([^)\s]+)\)", read(name))
    assert len(links) >= 3
    for link in links:
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        page = (ROOT / name).parent / path if path else ROOT / name
        assert page.is_file(), link
        if anchor:
            assert anchor in anchors(page.read_text(encoding="utf-8")), link


def test_all_pages_are_in_the_index():
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    lines = re.findall(
        r"^\* \[(.*?)\]\((.*?)\): \S", read("docs/index.md"), re.MULTILINE
    )
    assert sorted(lines) == sorted((page, page) for page in pages)
    assert "(docs/index.md)" in read("README.md")
