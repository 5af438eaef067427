"""Public docstrings: their examples run, and what they say is what the code has."""

import copy
import doctest
import importlib
import inspect
import re
import warnings
from dataclasses import is_dataclass
from functools import cache
from importlib.util import find_spec
from types import ModuleType

import numpy as np
import pytest
from sklearn import model_selection as sk
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

import fastnn
from fastnn import inspection, model_selection
from fastnn.inspection import ensembles

MODULES = (
    "fastnn",
    "fastnn.activations",
    "fastnn.model_selection",
    "fastnn.inspection",
    "fastnn.inspection.ensembles",
    *(["fastnn.onnx"] if find_spec("onnx") else []),
)
# What an example needs that may be missing, and how one sees that it does.
NEEDED = {
    "optuna": r"import optuna",
    "pandas": r"\b(convergence_study|learning_rate_range|to_frame)\(|import pandas"
    r"|(ConvergenceStudy|LearningRateFinder)Display",
    "matplotlib": r"plot\(\)|animate\(|ax_\b|figure_\b",
    "skl2onnx": r"import skl2onnx|register\(\)",
}
# Of numpydoc's checks those of facts: sections, names of parameters and their order.
CODES = ("GL06", "GL07", "GL08", "PR01", "PR02", "PR03", "PR10", "YD01")
CONDITION = re.compile(r"\b(if|only|unless|for classification|not for|made by)\b", re.I)
REFERENCE = re.compile(
    r"(?:As (?:in|for)|See) (?::\w+:)?`~?([\w.]+)`", re.MULTILINE | re.DOTALL
)


def public_names(name):
    """Return the public names of a module."""
    module = importlib.import_module(name)
    if hasattr(module, "__all__"):
        return module.__all__
    ours = (key for key, value in vars(module).items() if hasattr(value, "__module__"))
    return [k for k in ours if k[0] != "_" and vars(module)[k].__module__ == name]


def public_objects():
    """Return all public classes and functions by their full name."""
    found = {}
    for module in MODULES:
        for name in public_names(module):
            value = getattr(importlib.import_module(module), name)
            if not isinstance(value, (str, ModuleType)):
                found[f"{module}.{name}"] = value
    return found


def is_ours(value):
    """Tell whether a method or property was written here."""
    value = value.fget if isinstance(value, property) else value
    return (getattr(value, "__module__", None) or "").startswith("fastnn")


def methods_of(cls):
    """Return a class's public methods and properties that we wrote, by full name."""
    found = {}
    for owner in cls.__mro__:
        for name in vars(owner) if owner.__module__.startswith("fastnn") else ():
            value = getattr(owner, name)
            is_method = callable(value) or isinstance(value, property)
            if name[0] != "_" and is_method and is_ours(value):
                found[f"{owner.__module__}.{owner.__name__}.{name}"] = value
    return found


PUBLIC = public_objects()
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
METHODS = {k: v for cls in CLASSES.values() for k, v in methods_of(cls).items()}
ALL = {**METHODS, **PUBLIC}


def doc_of(name):
    """Return an object's own docstring, and nothing for an inherited one."""
    return inspect.cleandoc(ALL[name].__doc__ or "")


def examples_of(name):
    """Return the examples of a docstring's section of that name."""
    section = re.search(r"^Examples\n-{8}$(.*)", doc_of(name), re.M | re.S)
    if section is None:
        return []
    return doctest.DocTestParser().get_examples(section[1])


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_has_an_example_with_a_result(name):
    examples = examples_of(name)
    assert examples, f"{name} has no example in a section 'Examples'"
    skipped = [e.source for e in examples if doctest.SKIP in e.options]
    assert not skipped, f"{name} has examples that do not run"
    assert any(e.want for e in examples), f"{name} has no example with a result"


def test_names_are_found():
    assert len(PUBLIC) > 35
    assert len(METHODS) > 50


@pytest.mark.parametrize("name", [name for name in METHODS if name[-1] != "_"])
def test_method_is_used_in_an_example(name):
    """Its own, or that of a class which has it."""
    owners = [key for key, cls in CLASSES.items() if name in methods_of(cls)]
    sources = [e.source for key in (name, *owners) for e in examples_of(key)]
    method = name.rpartition(".")[2]
    assert re.search(rf"\.{method}\b", "".join(sources)), f"no example uses {name}"


def use_no_screen():
    """Let matplotlib draw into memory, if it is installed."""
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg", force=True)


@pytest.fixture
def _no_screen():
    use_no_screen()
    yield
    if find_spec("matplotlib"):
        import matplotlib.pyplot as plt

        plt.close("all")


@pytest.mark.usefixtures("_no_screen")
@pytest.mark.parametrize("name", [name for name in ALL if ">>>" in doc_of(name)])
def test_examples_run_and_leave_nothing(name, tmp_path, monkeypatch):
    """With a namespace of their own, warnings being errors."""
    doc = doc_of(name)
    for package, pattern in NEEDED.items():
        if re.search(pattern, doc):
            pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTestParser().get_doctest(doc, {}, name, None, 0)
    report = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert not result.failed, "".join(report)
    assert result.attempted == len(test.examples) > 0
    assert not list(tmp_path.iterdir())


@cache
def parsed(name):
    """Return a docstring's sections."""
    docscrape = pytest.importorskip("numpydoc.docscrape")
    return docscrape.NumpyDocString(doc_of(name))


def documented(name, *sections):
    """Return {name: (type, description)} of what sections list, one by one."""
    found = {}
    for section in sections:
        for names, kind, text in parsed(name)[section]:
            each = [one.lstrip("*") for one in names.split(", ")]
            for i, one in enumerate(each):
                assert one not in found, f"{name} documents {one} twice"
                found[one] = kind, "\n".join(text), (i, len(each))
    return found


@pytest.mark.parametrize("name", ALL)
def test_docstring_agrees_with_the_signature(name):
    """Every parameter is documented, in order, and none that does not exist."""
    validate = pytest.importorskip("numpydoc.validate").validate
    errors = [text for code, text in validate(name)["errors"] if code in CODES]
    if is_dataclass(ALL[name]):  # whose fields are attributes, in any order
        errors = [text for text in errors if not text.startswith("Parameters")]
        fields = set(ALL[name].__dataclass_fields__)
        assert fields <= set(documented(name, "Attributes"))
    assert not errors, "\n".join(errors)


def default_in(kind, place):
    """Return the default that a parameter's type tells, of several the one meant."""
    text = re.search(r"default=(.+)$", kind)
    if text is None:
        return None
    value = eval(text[1], {"np": np})
    i, n = place
    several = n > 1 and isinstance(value, tuple) and len(value) == n
    return repr(value[i] if several else value)


def referred(name, text):
    """Return the names of what a description refers to."""
    owner = name.rpartition(".")[0]
    for target in REFERENCE.findall(text):
        found = [
            key
            for key in (f"{owner}.{target}", *ALL)
            if key in ALL and (f".{key}".endswith(f".{target}"))
        ]
        assert found, f"{name} refers to {target}, which is not public"
        yield found[0]


def documented_default(name, parameter):
    """Return the text of a default, there or where the docstring refers to."""
    entries = documented(name, "Parameters")
    if parameter not in entries:
        return None
    kind, text, place = entries[parameter]
    if kind:
        return default_in(kind, place)
    return next(
        (documented_default(key, parameter) for key in referred(name, text)), None
    )


# Dataclasses are made by the library only.
@pytest.mark.parametrize(
    "name", [k for k, v in ALL.items() if callable(v) and not is_dataclass(v)]
)
def test_documented_defaults_are_the_real_ones(name):
    wrong = []
    for parameter in inspect.signature(ALL[name]).parameters.values():
        if parameter.name in ("self", "cls") or parameter.kind in (2, 4):
            continue
        empty = parameter.default is inspect.Parameter.empty
        real = None if empty else repr(parameter.default)
        told = documented_default(name, parameter.name)
        if told != real:
            wrong.append(f"{parameter.name}: documented {told}, in the code {real}")
    assert not wrong, "\n".join(wrong)


def networks(cls):
    """Yield a plain network after a fit, and others that have more attributes."""
    X, y = DATA
    plain = {"hidden_layer_sizes": (3, 4), "random_state": 0, "n_iter_no_change": 2}
    yield cls(**plain, tol=1.0).fit(X, y)
    yield cls(**plain, tol=1.0, early_stopping=True).fit(X, y)
    deep = cls(**plain, batch_norm=True, residual=True)
    yield deep.initialize(frame(), y)


def neurons(cls, **more):
    X, y = DATA[0][:20], DATA[1][:20]
    assert len(set(y)) == 2
    for options, rows in (({}, X), (more, frame()[:20])):
        yield cls(**options).fit(rows, y)


def searches(cls, **options):
    X, y = DATA
    network = fastnn.MLPClassifier((3,), tol=1.0, n_iter_no_change=1, random_state=0)
    space = {"alpha": [0.1, 0.01, 0.001]}
    for rows in (X, frame()):
        yield cls(network, space, cv=2, **options).fit(rows, y)


def displays(cls):
    """Yield a display of each kind that a class makes, drawn."""
    X, y = DATA
    network = fastnn.MLPClassifier((3,), max_iter=3, random_state=0)
    name = cls.__name__
    if name == "BiasVarianceDisplay":
        yield cls.from_learning_curve([1, 2], [[0.5, 1], [1, 1]], [[0, 1], [0.5, 1]])
    elif name == "SearchResultsDisplay":
        (search, _) = searches(model_selection.GridSearchCV)
        yield cls.from_search(search)
    elif name == "ConvergenceStudyDisplay":
        yield cls.from_estimator(network, X, y, [0.1], [8], n_epochs=2)
    elif name == "DecisionBoundaryAnimation":
        display = cls.from_estimator(network, X[:, :2], y, grid_resolution=4)
        yield display
        yield copy.copy(display).animate()
    elif name == "LearningRateFinderDisplay":
        yield cls.from_estimator(network, X, y, n_rates=3)
    elif name == "GradientFlowDisplay":
        yield cls.from_estimator(network, X, y)
    elif name == "LossLandscapeDisplay":
        yield cls.from_training(network, X, y, resolution=4)
    else:
        yield cls.from_estimator(network.set_params(tol=1.0, max_iter=20).fit(X, y))


def instances_of(cls):
    """Yield instances as a user gets them, a plain one first."""
    name = cls.__name__
    if name == "MLPTransformer":
        network = fastnn.MLPClassifier((3,), tol=1.0, n_iter_no_change=1)
        yield from (cls(network).fit(rows, DATA[1]) for rows in (DATA[0], frame()))
    elif name.startswith("MLP"):
        yield from networks(cls)
    elif name in ("HebbianNeuron", "McCullochPittsNeuron", "Perceptron"):
        yield from neurons(cls, **({"record": True} if name[0] == "H" else {}))
    elif name.endswith("SearchCV"):
        yield from searches(cls, **SEARCH_OPTIONS.get(name, {}))
    elif cls in OTHERS:
        yield OTHERS[cls]()
    else:
        yield from displays(cls)


DATA = tuple(part[::5] for part in load_iris(return_X_y=True))
SEARCH_OPTIONS = {
    "RandomizedSearchCV": {"n_iter": 2},
    "HyperbandSearchCV": {"max_iter": 3},
    "HalvingGridSearchCV": {"min_resources": 10, "factor": 2},
    "HalvingRandomSearchCV": {"min_resources": 10, "factor": 2},
}


def diagnosis():
    return inspection.diagnose(fastnn.MLPClassifier((3,), random_state=0), *DATA)


OTHERS = {
    fastnn.Activation: lambda: fastnn.Activation(lambda z: 2 * z, lambda z: 2.0),
    fastnn.ModelFileError: lambda: fastnn.ModelFileError("why", "path"),
    fastnn.InconsistentVersionWarning: lambda: fastnn.InconsistentVersionWarning(
        estimator_name="MLPClassifier", current_version="2", original_version="1"
    ),
    inspection.Diagnosis: diagnosis,
    inspection.Finding: lambda: diagnosis()[0],
    inspection.TrainingStatistics: lambda: inspection.training_statistics(
        fastnn.MLPClassifier((3,)), *DATA, n_epochs=1
    ),
    ensembles.Summary: lambda: ensembles.summarise(np.full((2, 3, 2), 0.5)),
}


def frame():
    """Return the samples with names for their columns."""
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(DATA[0], columns=["a", "b", "c", "d"])


def attributes_of(instance):
    """Return the names of an instance's public attributes, properties included.

    What another library's constructor keeps of its parameters is left out.
    """
    found, given = set(vars(instance)), set()
    for owner in type(instance).__mro__:
        for name, value in vars(owner).items():
            if isinstance(value, property) and name[-1] == "_":
                found |= {name} if hasattr(instance, name) else set()
        if not owner.__module__.startswith("fastnn"):
            given |= set(inspect.signature(owner.__init__).parameters)
    return {name for name in found if name[0] != "_"} - given


def described(name, attribute):
    """Return an attribute's description, there or where the docstring refers to."""
    _, text, _ = documented(name, "Attributes")[attribute]
    if "in scikit-learn" in text:
        docscrape = pytest.importorskip("numpydoc.docscrape")
        theirs = getattr(sk, ALL[name].__name__)
        for names, _, lines in docscrape.ClassDoc(theirs)["Attributes"]:
            if attribute in names.split(", "):
                return "\n".join(lines)
        raise AssertionError(f"scikit-learn does not document {attribute}")
    for key in referred(name, text):
        return described(key, attribute)
    return text


@pytest.mark.usefixtures("_no_screen")
@pytest.mark.parametrize("name", CLASSES)
def test_documented_attributes_are_the_real_ones(name):
    """All of them; what a plain instance has not is said to be conditional."""
    if name.endswith(("Display", "Animation")):
        pytest.importorskip("matplotlib")
    attributes = documented(name, "Attributes")
    known = {*attributes, *documented(name, "Parameters")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        instances = list(instances_of(ALL[name]))
    found = set().union(*map(attributes_of, instances))
    assert found <= known, f"undocumented: {sorted(found - known)}"
    missing = [a for a in attributes if not any(hasattr(i, a) for i in instances)]
    assert not missing, f"documented, but nowhere: {missing}"
    for attribute in attributes:
        if not hasattr(instances[0], attribute):
            assert CONDITION.search(described(name, attribute)), attribute
