"""Model files: what was saved is what is loaded, and what cannot be saved says so."""

import copy
import io
import json
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import sklearn.model_selection
import sklearn.pipeline
from file_tools import (
    CASES,
    CODES,
    SMALL,
    X,
    assert_equal,
    assert_same_answers,
    bytes_of,
    data_of,
    fitted,
    load_bytes,
    named,
    quietly,
    sealed,
    split,
    through_file,
)
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning

import fastnn.model_selection
from fastnn import MLPClassifier, MLPEstimator, ModelFileError

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def plain():
    return fitted("classifier")


@pytest.mark.parametrize("name", CASES)
def test_a_loaded_model_is_the_saved_one(name, tmp_path):
    model, data = fitted(name), data_of(name)[0]
    other = through_file(model, tmp_path)
    assert_equal(other, model)
    assert_same_answers(other, model, data)
    assert bytes_of(other) == bytes_of(model)
    assert os.listdir(tmp_path) == ["model.fastnn"]
    # A copy by pickle holds no more than the file does.
    assert_equal(pickle.loads(pickle.dumps(model)), other)


def goes_on(model, other, step):
    """Assert that two models are equal after the same step, which changes them."""
    before = bytes_of(model)
    quietly(step, model)
    quietly(step, other)
    if getattr(model, "_continues", False) and model.random_state is not None:
        # A copy's stream is its own, the original's may be the parameter itself.
        other.random_state = model.random_state
    assert_equal(other, model)
    assert_same_answers(other, model)
    assert bytes_of(model) != before


TRAINED = [
    name
    for name, (estimator, *_) in CASES.items()
    if hasattr(estimator, "partial_fit") and not getattr(estimator, "early_stopping", 0)
]


@pytest.mark.parametrize("name", TRAINED)
def test_partial_fit_goes_on(name):
    data, y = data_of(name)
    data = np.asarray(data)
    model = fitted(name)
    model.__dict__.pop("feature_names_in_", None)
    other = through_file(model)
    step = lambda m: m.partial_fit(data, y)  # noqa: E731
    if isinstance(model, fastnn.Perceptron):  # it makes no mistake with some samples
        step = lambda m: m.partial_fit(data[::-1], y)  # noqa: E731
    for _ in range(2):
        goes_on(model, other, step)
        other = through_file(other)


def without_names(name):
    """Return a fitted model of a case whose `fit` goes on, and its data."""
    data, y = data_of(name)
    estimator = clone(CASES[name][0]).set_params(warm_start=True)
    return quietly(estimator.fit, np.asarray(data), y), np.asarray(data), y


@pytest.mark.parametrize(
    "name", [name for name, (m, *_) in CASES.items() if hasattr(m, "warm_start")]
)
def test_warm_start_goes_on(name):
    model, data, y = without_names(name)
    other = through_file(model)
    goes_on(model, other, lambda m: m.fit(data, y))


def test_a_loaded_model_goes_its_own_way():
    model = fitted("a stream, exactly")
    other = through_file(model)
    kept = bytes_of(model)
    quietly(other.partial_fit, X, CODES)
    other.coefs_[0][:] = 0
    assert bytes_of(model) == kept


def test_streams_that_are_the_same_stay_so():
    model = through_file(fitted("a stream"))
    assert model._random_state is model.random_state
    model = through_file(fitted("a stream, exactly"))
    assert model._random_state is not model.random_state


def test_initialised_and_unfitted_models(tmp_path):
    model = MLPEstimator(**SMALL).initialize(X, CODES)
    other = through_file(model)
    assert_equal(other, model)
    goes_on(model, other, lambda m: m.partial_fit(X, CODES))
    for new in (MLPClassifier(alpha=0.5, random_state=2), fastnn.MLPTransformer()):
        other = through_file(new)
        assert_equal(other, new)
        assert not hasattr(other, "n_features_in_")


def test_weights_of_the_users_own(plain):
    model = copy.deepcopy(plain)
    model.coefs_ = [np.round(W, 2).tolist() for W in model.coefs_]
    other = through_file(model)
    assert_same_answers(other, model)
    assert other.coefs_[0].tolist() == model.coefs_[0]
    model.coefs_[1] = model.coefs_[1][:2]
    with pytest.raises(ValueError, match=r"coefs_\[1\] of shape"):
        model.save(io.BytesIO())


def test_settings_of_scikit_learn(plain):
    model = copy.deepcopy(plain).set_output(transform="pandas")
    with sklearn.config_context(enable_metadata_routing=True):
        model.set_fit_request(sample_weight="my_weight").set_score_request(
            sample_weight=True
        )
    other = through_file(model)
    assert_equal(other, model)
    requests = other.get_metadata_routing()
    assert requests.fit.requests["sample_weight"] == "my_weight"
    assert requests.score.requests["sample_weight"] is True
    assert other.transform(X).columns.tolist() == model.transform(X).columns.tolist()


def test_parameters_keep_their_types():
    given = {
        "hidden_layer_sizes": [np.int32(3), 2],
        "alpha": np.float32(0.1),
        "n_iter_no_change": np.inf,
        "class_weight": {"a": 1.5, 2: np.float64(0.25), True: 3},
        "verbose": np.True_,
        "activation": np.array(["relu", "tanh"]),
        "loss": np.str_("log_loss"),
        "dropout": (0.0, 0.5, 0),
        "max_iter": 10**15,
        "batch_size": np.uint8(200),
    }
    model = MLPClassifier(**given)
    assert_equal(through_file(model), model)


class Words(MLPClassifier):
    """A subclass, which a file cannot know."""


UNSTORABLE = {
    "augmentation": lambda X, rng: X,
    "validation_metric": lambda estimator, X, y: 0.0,
    "random_state": np.random.RandomState(np.random.PCG64(0)),
    "class_weight": {0: object(), 1: 1.0},
    "dropout": np.array([0.1, 0.1, 0.1], np.longdouble),
    "hidden_layer_sizes": np.array([4, None], object).reshape(1, 2),
}


@pytest.mark.parametrize("name", UNSTORABLE)
def test_what_cannot_be_stored_is_named(name, plain, tmp_path):
    model = copy.deepcopy(plain).set_params(**{name: UNSTORABLE[name]})
    (tmp_path / "m").write_bytes(b"old")
    with pytest.raises((TypeError, ValueError), match=name):
        model.save(tmp_path / "m")
    with pytest.raises((TypeError, ValueError), match=name):
        fastnn.MLPTransformer(model).save(tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["m"]


def test_parameters_that_no_fit_would_take(plain, tmp_path):
    for params in ({"alpha": -1}, {"random_state": np.random.default_rng(0)}):
        with pytest.raises(ValueError, match=next(iter(params))):
            copy.deepcopy(plain).set_params(**params).save(tmp_path / "m")
    assert os.listdir(tmp_path) == []


def nested(depth):
    return {0: nested(depth - 1)} if depth else 1.0


def test_values_of_no_bound(plain, monkeypatch):
    endless = []
    endless.append(endless)
    for value in ({0: 2**64}, {0: endless}, nested(50)):
        with pytest.raises(ValueError, match="class_weight"):
            copy.deepcopy(plain).set_params(class_weight=value).save(io.BytesIO())
    monkeypatch.setattr("fastnn.files.container.MAX_VALUES", 1000)
    bytes_of(plain)
    many = dict.fromkeys(range(999), 1.0)
    with pytest.raises(ValueError, match=r"header .* more than"):
        copy.deepcopy(plain).set_params(class_weight=many).save(io.BytesIO())


def test_attributes_that_cannot_be_stored(plain, tmp_path):
    model = copy.deepcopy(plain)
    model.note_ = 1
    with pytest.raises(ValueError, match="'note_'"):
        model.save(tmp_path / "m")
    for name, layer in (("coefs_", 0), ("intercepts_", 1)):
        model = copy.deepcopy(plain)
        getattr(model, name)[layer].flat[0] = np.nan
        with pytest.raises(ValueError, match="finite"):
            model.save(tmp_path / "m")
    with pytest.raises(TypeError, match="Words"):
        quietly(Words(**SMALL).fit, X, CODES).save(tmp_path / "m")
    assert os.listdir(tmp_path) == []


def test_callbacks(tmp_path):
    callback = pytest.importorskip("sklearn.callback")
    model = MLPClassifier(**SMALL).set_callbacks(
        callback.ScoringMonitor(scoring="accuracy")
    )
    quietly(model.fit, X, CODES)
    with pytest.raises(ValueError, match="set_callbacks"):
        model.save(tmp_path / "m")
    assert os.listdir(tmp_path) == []
    model.set_callbacks()
    assert_same_answers(through_file(model), model)


def test_models_of_searches():
    grid = {"mlp__alpha": [0.1, 0.01]}
    pipe = sklearn.pipeline.Pipeline([("mlp", MLPClassifier(**SMALL))])
    for module in (sklearn.model_selection, fastnn.model_selection):
        search = quietly(module.GridSearchCV(pipe, grid, cv=2).fit, X, CODES)
        model = search.best_estimator_[0]
        assert_equal(through_file(model), model)


# Versions


def rewritten(model, edit):
    """Return a model's file with an edited header."""
    header, tail = split(bytes_of(model))
    edit(header)
    return sealed(header, tail)


def test_files_of_another_version_warn(plain):
    def edit(header):
        header["versions"]["fastnn"] = "0.0.7"
        header["parameters"].pop("n_threads")  # which that version did not have

    data = rewritten(plain, edit)
    with pytest.warns(
        fastnn.InconsistentVersionWarning, match=r"MLPClassifier .*0\.0\.7"
    ):
        other = load_bytes(data)
    assert_equal(other, plain)
    missing = rewritten(plain, lambda header: header["parameters"].pop("n_threads"))
    with pytest.raises(ModelFileError, match="n_threads"):
        load_bytes(missing)


@pytest.mark.parametrize("name", ["classifier", "transformer", "perceptron"])
def test_pickles_of_another_version_warn(name, monkeypatch):
    model = fitted(name)
    with monkeypatch.context() as patch:
        patch.setattr("fastnn.storage.__version__", "0.0.7")
        old = pickle.dumps(model)
    # A filter for scikit-learn's warning holds for ours.
    with pytest.warns(InconsistentVersionWarning, match=r"0\.0\.7") as caught:
        other = pickle.loads(old)
    assert {type(w.message) for w in caught} == {fastnn.InconsistentVersionWarning}
    assert "_fastnn_version" not in vars(other)
    assert_equal(other, model)
    state = model.__getstate__()
    assert state.pop("_fastnn_version") == fastnn.__version__
    with pytest.warns(fastnn.InconsistentVersionWarning, match="no version given"):
        type(model).__new__(type(model)).__setstate__(state)
    assert "_shared" not in state


def test_formats_to_come(plain):
    header, tail = split(bytes_of(plain))
    with pytest.raises(ModelFileError, match=r"version 2, but .* reads 1"):
        load_bytes(sealed(header, tail, version=2))


def test_the_error_tells_path_and_reason(tmp_path):
    path = tmp_path / "no model"
    path.write_bytes(b"no model at all, but long enough to be one" * 9)
    with pytest.raises(ModelFileError, match="begin") as caught:
        fastnn.load(path)
    assert isinstance(caught.value, ValueError)
    assert caught.value.path == str(path)
    assert str(path) in str(caught.value)
    assert caught.value.reason in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


# Files of earlier versions

GOLDEN = sorted(path.stem for path in DATA.glob("*.fastnn"))


def test_there_is_a_file_of_each_class():
    assert {name.split("-")[0] for name in GOLDEN} == set(fastnn.files.models.CLASSES)


@pytest.mark.filterwarnings("ignore::fastnn.InconsistentVersionWarning")
@pytest.mark.parametrize("name", GOLDEN)
def test_files_of_earlier_versions_are_read(name):
    model = fastnn.load(DATA / f"{name}.fastnn")
    expected = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    assert type(model).__name__ == name.split("-")[0]
    data = np.array(expected["X"])
    if hasattr(model, "feature_names_in_"):
        data = named(model.feature_names_in_).iloc[: len(data)] * 0 + data
    for method, want in expected["answers"].items():
        got = getattr(model, method)(data)
        if got.dtype.kind == "f":
            # Machines differ in last digits, of which float32 has seven in all.
            rtol = 1e-6 if got.dtype == np.float64 else 1e-4
            np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol / 100)
        else:
            assert got.tolist() == want
    if hasattr(model, "early_stopping"):
        model.early_stopping = False
    quietly(getattr(model, "partial_fit", model.fit), data, expected["y"])


@pytest.mark.skipif(not (DATA.parents[2] / "docs").is_dir(), reason="no documents here")
def test_the_code_of_the_document(tmp_path, capsys, monkeypatch):
    text = (DATA.parents[2] / "docs" / "files.md").read_text(encoding="utf-8")
    codes = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    for code in codes:
        names = {}
        quietly(exec, code, names)
        if "net" in names:
            assert_equal(names["same"], names["net"])
            coefs = names["net"].coefs_
    assert len(codes) == 2
    for i, W in enumerate(coefs):
        assert_equal(names["arrays"][f"coefs_.{i}"].copy(), W.copy())
    assert capsys.readouterr().out == "MLPClassifier (4, 8)\n"
