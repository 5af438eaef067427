"""Dates, texts and objects of which some are missing: an error says so."""

import numpy as np
import pytest
from helpers import ignore_convergence
from sklearn.model_selection import KFold

import fastnn
from fastnn.model_selection import GridSearchCV

pd = pytest.importorskip("pandas")
pytestmark = ignore_convergence

X = np.random.RandomState(0).standard_normal((40, 3))
Y = np.arange(40) % 2
DATES = np.array(["2020-01-01", "2021-01-01"], "M8[D]")[Y]
SPANS = np.array([1, 2], "m8[D]")[Y]
TEXTS = np.array(["a", "b"], object)[Y]
NETWORKS = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0}
KINDS = {
    "classifier": fastnn.MLPClassifier(**NETWORKS),
    "estimator": fastnn.MLPEstimator(**NETWORKS),
    "regressor": fastnn.MLPRegressor(**NETWORKS),
    "search": GridSearchCV(
        fastnn.MLPClassifier(**NETWORKS),
        {"alpha": [0.1, 1.0]},
        cv=KFold(2),
        error_score="raise",
    ),
    "perceptron": fastnn.Perceptron(),
    "hebb": fastnn.HebbianNeuron(),
}


def without(values, missing):
    """Return a copy in which a value is missing."""
    values = values.copy()
    values[7] = missing
    return values


def missing_dates():
    for name, values in (("dates", DATES), ("spans", SPANS)):
        gone = without(values, "NaT")
        yield name, gone
        yield f"{name} of pandas", pd.Series(gone)


MISSING = {
    **dict(missing_dates()),
    "NaN among objects": without(TEXTS, np.nan),
    "NaT among objects": without(TEXTS, pd.NaT),
    "NA among objects": without(TEXTS, pd.NA),
    "NA among strings": pd.Series(without(TEXTS, None), dtype="string"),
    "categories": pd.Series(without(TEXTS, None)).astype("category"),
    "a list": without(TEXTS, np.nan).tolist(),
}
NUMBERS = {
    "NA among whole numbers": pd.Series(without(Y.astype(object), pd.NA), dtype="Int64")
}


CASES = [
    (kind, missing)
    for kind in KINDS
    for missing in (*MISSING, *NUMBERS)
    # In searches scikit-learn's folds are the first to look at other labels.
    if kind != "search" or missing in dict(missing_dates())
]


@pytest.mark.parametrize(("kind", "missing"), CASES)
def test_missing_targets(kind, missing):
    with pytest.raises(ValueError, match=r"(?s)\by\b.*NaN"):
        KINDS[kind].fit(X, {**MISSING, **NUMBERS}[missing])


@pytest.mark.parametrize("missing", MISSING)
def test_missing_labels_elsewhere(missing):
    """In `partial_fit`, its `classes`, and the targets to validate on."""
    gone = MISSING[missing]
    model = fastnn.MLPClassifier(**NETWORKS)
    with pytest.raises(ValueError, match=r"\by\b.*NaN"):
        model.partial_fit(X, gone, classes=[0, 1])
    with pytest.raises(ValueError, match=r"classes.*NaN"):
        model.partial_fit(X, Y, classes=gone)
    whole = DATES if np.asarray(gone).dtype.kind in "mM" else TEXTS
    with pytest.raises(ValueError, match=r"y_val.*NaN"):
        model.set_params(early_stopping=True).fit(X, whole, X_val=X, y_val=gone)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", [DATES, SPANS], ids=["dates", "spans"])
def test_missing_dates_in_samples(kind, values):
    """Those that are there are numbers, as they are for NumPy."""
    model = KINDS[kind]
    table = np.column_stack([values, values])
    gone = table.copy()
    gone[3, 1] = "NaT"
    frame = pd.DataFrame({"a": table[:, 0], "b": gone[:, 1]})
    for samples in (gone, frame):
        with pytest.raises(ValueError, match=r"\bX\b.*NaT"):
            model.fit(samples, Y)
    if kind == "hebb":  # whose sums go beyond all bounds for numbers of this size
        return
    scaled = table.astype(np.int64).astype(f"{table.dtype.kind}8[D]")
    model.fit(scaled, Y)
    for samples in (gone, frame.set_axis(range(2), axis=1)):
        with pytest.raises(ValueError, match=r"\bX\b.*NaT"):
            model.predict(samples)


def test_numbers_that_look_like_a_missing_date():
    """-2⁶³ is one, where it comes from numbers."""
    low = X.copy()
    low[0, 0] = -(2.0**63)
    model = fastnn.MLPClassifier(dtype="float64", **NETWORKS)
    arrays = [low, pd.DataFrame(low), low.tolist(), low.astype(object)]
    answers = [model.fit(samples, Y).predict_proba(samples) for samples in arrays]
    assert all(np.array_equal(answers[0], other) for other in answers[1:])


def test_labels_that_numpy_cannot_tell_apart():
    labels = np.array(["a", "a\0"], object)[Y]
    with pytest.raises(ValueError, match="takes for one another"):
        fastnn.MLPClassifier(**NETWORKS).fit(X, labels)


NAT = np.datetime64("NaT", "ns")
OBJECTS = {
    "dates with a zone": pd.DataFrame({"when": pd.Series(without(DATES, NAT))}).apply(
        lambda column: column.dt.tz_localize("UTC")
    ),
    "a list": [[NAT if i == 7 else float(i)] for i in range(40)],
    "objects": np.array([[NAT if i == 7 else float(i)] for i in range(40)], object),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", OBJECTS)
def test_missing_dates_among_objects(kind, form):
    model = KINDS[kind]
    with pytest.raises(ValueError, match=r"\bX\b.*Na"):
        model.fit(OBJECTS[form], Y)
    if not isinstance(OBJECTS[form], pd.DataFrame):
        model.fit(X[:, :1], Y)
        with pytest.raises(ValueError, match=r"\bX\b.*Na"):
            model.predict(OBJECTS[form])


@pytest.mark.parametrize("missing", MISSING)
def test_scores_of_missing_labels(missing):
    """They are not counted as wrong."""
    gone = MISSING[missing]
    whole = DATES if np.asarray(gone).dtype.kind in "mM" else TEXTS
    model = fastnn.MLPClassifier(**NETWORKS).fit(X, whole)
    with pytest.raises(ValueError, match=r"\by\b.*NaN"):
        model.score(X, gone)
    with pytest.raises(ValueError, match=r"\by\b.*cannot be compared"):
        model.score(X, np.array([None, "a"], object)[Y])


def test_labels_that_are_bytes():
    """They can be compared; scikit-learn's message is the one that helps."""
    with pytest.raises(TypeError, match="bytes"):
        fastnn.MLPClassifier(**NETWORKS).fit(X, np.array([b"a", b"b"], object)[Y])


class OnADevice:
    """What NumPy may not read, and says why."""

    shape, ndim, dtype = (40,), 1, np.dtype(object)

    def __len__(self):
        return 40

    def __array__(self, dtype=None, copy=None):
        raise TypeError("use .get() to copy it")


def test_targets_that_are_no_arrays():
    """Nothing is missing in them."""
    with pytest.raises(TypeError, match=r"\.get\(\)"):
        fastnn.MLPClassifier(**NETWORKS).fit(X, OnADevice())
