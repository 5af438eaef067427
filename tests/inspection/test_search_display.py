"""`SearchResultsDisplay` of this package's searches and scikit-learn's."""

import numpy as np
import pytest
from helpers import ignore_convergence, make_data
from picture_tools import assert_inside
from scipy.stats import loguniform
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV as TheirGrid
from sklearn.model_selection import HalvingGridSearchCV as TheirHalving
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn import MLPClassifier
from fastnn.inspection import SearchResultsDisplay
from fastnn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    HyperbandSearchCV,
    RandomizedSearchCV,
)

pytest.importorskip("matplotlib")
pytestmark = ignore_convergence
STEP = "mlpclassifier__"
RATES, SIZES, ALPHAS = [1e-3, 1e-2, 1e-1], [(4,), (16,), (4, 4)], [1e-4, 1.0]


@pytest.fixture(scope="module")
def data():
    return make_data("binary", n=120)


@pytest.fixture(scope="module")
def grid(data):
    pipe = make_pipeline(StandardScaler(), MLPClassifier(max_iter=5, random_state=0))
    space = {"alpha": ALPHAS, "hidden_layer_sizes": SIZES, "learning_rate_init": RATES}
    space = {STEP + name: values for name, values in space.items()}
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GridSearchCV(pipe, space, cv=3).fit(*data)


@pytest.mark.parametrize("reduce", ["best", "mean"])
def test_heat_map_of_two_of_three(grid, reduce):
    names = [STEP + "learning_rate_init", STEP + "hidden_layer_sizes"]
    display = SearchResultsDisplay.from_search(grid, parameters=names, reduce=reduce)
    assert display.kind_ == "heat_map"
    columns, rows, table = display.heat_map(names, reduce)
    assert columns == RATES
    assert rows == SIZES
    scores = grid.cv_results_["mean_test_score"]
    for i, size in enumerate(SIZES):
        for j, rate in enumerate(RATES):
            found = [
                score
                for given, score in zip(grid.cv_results_["params"], scores, strict=True)
                if (given[names[0]], given[names[1]]) == (rate, size)
            ]
            assert len(found) == 2
            expected = max(found) if reduce == "best" else np.mean(found)
            assert table[i, j] == pytest.approx(expected)
    np.testing.assert_array_equal(display.artists_["mesh"].get_array(), table)
    assert display.ax_.get_xlabel() == "learning_rate_init"
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert labels == ["4", "16", "4-4"]
    assert len(display.artists_["texts"]) == 9
    frame = display.artists_["best"]
    place = np.unravel_index(table.argmax(), table.shape)
    assert (round(frame.get_y() + 0.48), round(frame.get_x() + 0.48)) == place
    assert "alpha" in display.ax_.get_title()
    assert_inside(display.figure_)


def test_one_parameter_on_a_log_axis(grid):
    name = STEP + "learning_rate_init"
    display = SearchResultsDisplay.from_search(grid, parameters=name)
    assert display.kind_ == "parameter"
    assert display.ax_.get_xscale() == "log"
    x, y = display.artists_["points"].lines[0].get_data()
    np.testing.assert_array_equal(x, grid.cv_results_[f"param_{name}"].astype(float))
    np.testing.assert_array_equal(y, grid.cv_results_["mean_test_score"])
    heights = display.artists_["line"].get_ydata()
    np.testing.assert_array_equal(heights, [y[x == rate].max() for rate in RATES])
    assert display.artists_["best"].get_ydata()[0] == grid.best_score_
    words = SearchResultsDisplay.from_search(
        grid, parameters=STEP + "hidden_layer_sizes"
    )
    assert words.ax_.get_xscale() == "linear"
    labels = [text.get_text() for text in words.ax_.get_xticklabels()]
    assert labels == ["4", "16", "4-4"]


def test_cost(grid):
    display = SearchResultsDisplay.from_search(grid, kind="cost")
    times, scores = display.fit_times, display.scores
    front = display.pareto_front()
    for i in range(len(scores)):
        beaten = ((times < times[i]) & (scores >= scores[i])).any()
        equal = (times == times[i]) & (scores > scores[i])
        better = ((times <= times[i]) & (scores > scores[i])).any()
        assert (i in front) == (not beaten and not better and not equal.any())
    np.testing.assert_array_equal(display.artists_["front"].get_xdata(), times[front])
    assert "seconds" in display.ax_.get_xlabel()
    assert_inside(display.figure_)


def test_random_values_become_points(data):
    space = {"alpha": loguniform(1e-4, 1), "learning_rate_init": loguniform(1e-4, 1)}
    net = MLPClassifier((4,), max_iter=3, random_state=0)
    search = RandomizedSearchCV(net, space, n_iter=8, cv=2, random_state=0).fit(*data)
    display = SearchResultsDisplay.from_search(search)
    points = display.artists_["points"]
    assert points.get_offsets().shape == (8, 2)
    np.testing.assert_array_equal(points.get_array(), display.scores)
    assert display.ax_.get_xscale() == display.ax_.get_yscale() == "log"
    best = search.best_params_
    mark = display.artists_["best"]
    assert mark.get_xdata()[0] == best["alpha"]
    assert mark.get_ydata()[0] == best["learning_rate_init"]


def check_rungs(display, search, n_lines):
    """Check the lines of candidates against what the search has recorded."""
    lines = display.artists_["lines"]
    assert display.kind_ == "rungs"
    assert len(lines) == n_lines
    assert sum(len(line.get_xdata()) for line in lines.values()) == len(display.scores)
    for candidate, line in lines.items():
        rows = [i for i, other in enumerate(display.candidates) if other == candidate]
        np.testing.assert_array_equal(line.get_ydata(), display.scores[rows])
        assert (np.diff(line.get_xdata()) > 0).all()
    assert display.best_index == search.best_index_
    mark = display.artists_["best"]
    assert mark.get_ydata()[0] == search.best_score_


def test_rungs_of_halving_over_epochs(data):
    net = MLPClassifier((4,), random_state=0)
    search = HalvingRandomSearchCV(
        net,
        {"learning_rate_init": loguniform(1e-4, 1)},
        resource="max_iter",
        n_candidates=9,
        min_resources=2,
        max_resources=18,
        cv=2,
        random_state=0,
    ).fit(*data)
    display = SearchResultsDisplay.from_search(search)
    check_rungs(display, search, 9)
    assert display.ax_.get_xlabel() == "epochs"
    labels = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert labels == ["2", "6", "18"]
    assert display.varied == ["learning_rate_init"]
    # Other pictures show each candidate once, as it was last seen.
    other = display.plot(kind="parameter")
    assert len(other.artists_["points"].lines[0].get_xdata()) == 9


def test_rungs_of_hyperband(data):
    net = MLPClassifier((4,), random_state=0)
    space = {"learning_rate_init": loguniform(1e-4, 1)}
    search = HyperbandSearchCV(net, space, max_iter=9, cv=2, random_state=0)
    display = SearchResultsDisplay.from_search(search.fit(*data))
    check_rungs(display, search, 9 + 5 + 3)
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend[:3] == ["bracket 2", "bracket 1", "bracket 0"]
    assert_inside(display.figure_)


def test_scikit_learns_searches(data):
    space = {"C": [0.01, 1.0, 100.0], "fit_intercept": [True, False]}
    search = TheirGrid(LogisticRegression(), space, cv=3).fit(*data)
    display = SearchResultsDisplay.from_search(
        search, parameters=["fit_intercept", "C"]
    )
    columns, rows, table = display.heat_map(["fit_intercept", "C"])
    assert columns == [False, True]
    assert rows == space["C"]
    assert table.shape == (3, 2)
    halving = TheirHalving(
        LogisticRegression(), {"C": [0.01, 1.0, 100.0]}, cv=2, random_state=0
    )
    display = SearchResultsDisplay.from_search(halving.fit(*data))
    check_rungs(display, halving, 3)
    assert display.ax_.get_xlabel() == "samples"


def test_several_metrics(data):
    metrics = ["accuracy", "neg_log_loss"]
    search = TheirGrid(
        LogisticRegression(), {"C": [0.01, 1.0]}, scoring=metrics, refit="neg_log_loss"
    ).fit(*data)
    display = SearchResultsDisplay.from_search(search, plot=False)
    assert display.metric == "neg_log_loss"
    expected = search.cv_results_["mean_test_neg_log_loss"]
    np.testing.assert_array_equal(display.scores, expected)
    accuracy = SearchResultsDisplay.from_search(search, metric="accuracy")
    assert "accuracy" in accuracy.ax_.get_ylabel()
    with pytest.raises(ValueError, match="metric"):
        SearchResultsDisplay.from_search(search, metric="r2")


def test_results_from_a_file(grid):
    results = {name: list(values) for name, values in grid.cv_results_.items()}
    display = SearchResultsDisplay.from_results(results, plot=False)
    assert display.best_index == grid.best_index_
    assert display.varied == sorted(grid.param_grid)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"kind": "pie"}, "kind"),
        ({"kind": "rungs"}, "halving"),
        ({"parameters": ["depth"]}, "parameters"),
        ({"kind": "heat_map", "parameters": [STEP + "alpha"]}, "parameters"),
        ({"reduce": "worst"}, "reduce"),
    ],
)
def test_what_cannot_be_drawn(grid, options, word):
    with pytest.raises(ValueError, match=word):
        SearchResultsDisplay.from_search(grid, **options)


def test_searches_without_results(data):
    with pytest.raises(NotFittedError):
        SearchResultsDisplay.from_search(TheirGrid(LogisticRegression(), {"C": [1]}))
    results = {
        "params": [{"C": 1}],
        "mean_test_score": [np.nan],
        "std_test_score": [np.nan],
        "mean_fit_time": [1.0],
    }
    with pytest.raises(ValueError, match="error_score"):
        SearchResultsDisplay.from_results(results)
