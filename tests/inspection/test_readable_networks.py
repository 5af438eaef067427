"""Pictures of networks and searches can be read: legends, bars, empty places."""

from itertools import pairwise

import numpy as np
import pytest
from helpers import ignore_convergence
from picture_tools import assert_inside, assert_legends_apart, inches, texts
from sklearn.datasets import make_blobs

from fastnn import MLPClassifier, MLPRegressor
from fastnn.inspection import (
    DecisionBoundaryAnimation,
    LossLandscapeDisplay,
    NetworkDisplay,
    SearchResultsDisplay,
)

plt = pytest.importorskip("matplotlib.pyplot")
pytestmark = ignore_convergence


def regions(y, estimator=None, **options):
    X, _ = make_blobs(len(y), centers=3, random_state=0)
    estimator = estimator or MLPClassifier((4,), max_iter=3, random_state=0)
    options = {"epochs": 3, "grid_resolution": 4, **options}
    return DecisionBoundaryAnimation.from_estimator(estimator, X, y, **options)


@pytest.mark.parametrize("name", ["class {}", "a class with a rather long name, {}"])
def test_every_class_is_named(name):
    names = [name.format(i) for i in range(9)]
    display = regions(np.array(names)[np.arange(45) % 9])
    assert_legends_apart(display.figure_)
    shown = texts(display.axes_[0, -1].get_legend())
    assert len(set(shown)) == 9
    assert max(map(len, shown)) <= 24
    assert inches(display.axes_[0, 0])[0] > 1.3
    assert display.colorbar_ is None
    display.animate()
    assert_legends_apart(display.figure_)
    assert inches(display.ax_)[0] > 3


def test_two_classes_say_what_white_means():
    display = regions(np.arange(40) % 2)
    legend = display.axes_[0, -1].get_legend()
    assert legend.get_title().get_text() == "class\n(white: unsure)"
    three = regions(np.arange(40) % 3).axes_[0, -1].get_legend()
    assert three.get_title().get_text() == "class"


def test_values_have_a_bar():
    y = np.linspace(-2.0, 3.0, 40)
    net = MLPRegressor((4,), max_iter=3, random_state=0)
    display = regions(y, net)
    assert "predicted value" in display.colorbar_.ax.get_ylabel()
    assert (display.colorbar_.vmin, display.colorbar_.vmax) == (-2.0, 3.0)
    surface = display.displays_[0].surface_
    assert surface.get_clim() == (-2.0, 3.0)
    assert surface.get_alpha() == 1.0  # paler colours would not be those of the bar
    assert surface.cmap.name == display.colorbar_.cmap.name
    assert_inside(display.figure_)
    display.animate()
    assert display.colorbar_.ax.figure is display.figure_


def plane(loss):
    line = np.linspace(-1, 1, len(loss))
    nothing = {"directions": None, "center": None, "center_loss": 0.5}
    return LossLandscapeDisplay(x=line, y=line, loss=loss, **nothing).plot()


def test_the_legend_of_a_landscape_hides_none_of_it():
    loss = np.add.outer(np.linspace(-1, 1, 9) ** 2, np.linspace(-1, 1, 9) ** 2)
    display = plane(loss)
    assert_legends_apart(display.figure_)
    assert texts(display.ax_.get_legend()) == ["trained: loss 0.5"]
    assert "as long as the weights" in display.ax_.get_xlabel()
    display = plane(1000 * loss)
    ticks = display.colorbar_.ax.get_yticklabels()
    assert all("e" not in tick.get_text() for tick in ticks)


def test_where_the_loss_is_not_finite():
    loss = np.add.outer(np.arange(9.0), np.arange(9.0))
    loss[:3], loss[3] = np.nan, np.inf
    display = plane(loss)
    assert texts(display.ax_.get_legend())[0] == "not finite"
    grey = display.ax_.get_legend().legend_handles[0].get_facecolor()
    assert display.ax_.get_facecolor() == grey
    assert_legends_apart(display.figure_)


def test_names_and_numbers_of_a_drawing_are_apart():
    pd = pytest.importorskip("pandas")
    rng = np.random.RandomState(0)
    names = [f"a feature with a long name, number {i}" for i in range(20)]
    X = pd.DataFrame(rng.standard_normal((30, 20)), columns=names)
    y = np.array([f"some class, number {i}" for i in range(5)])[np.arange(30) % 5]
    net = MLPClassifier((30, 9, 20), max_iter=2, random_state=0).fit(X, y)
    display = NetworkDisplay.from_estimator(net)
    assert_inside(display.figure_)
    boxes = [label.get_window_extent() for label in display.labels_]
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))
    words = [text for text in display.ax_.texts if text.get_text() != "⋮"]
    boxes = [text.get_window_extent() for text in words]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :]), words[i]


def results(params, scores, times=None, **more):
    n = len(params)
    scores = np.asarray(scores, dtype=float)
    times = np.linspace(1, 2, n) if times is None else np.asarray(times)
    found = {"params": params, "mean_test_score": scores, "mean_fit_time": times}
    return {**found, "std_test_score": np.full(n, 0.05), **more}


WORDS = ["identity", "leaky_relu", "logistic", "relu", "softplus", "silu", "tanh"]
RANDOM = [{"alpha": 10.0**-i, "beta_1": 0.1 * i} for i in range(1, 8)]


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ([{"activation": word} for word in WORDS], "parameter"),
        (RANDOM, "parameter"),
        (RANDOM, "cost"),
        (RANDOM, "heat_map"),
    ],
)
def test_legends_of_searches_hide_nothing(params, kind):
    scores = np.linspace(0.5, 0.8, len(params))
    display = SearchResultsDisplay.from_results(results(params, scores), kind=kind)
    assert_legends_apart(display.figure_)
    if "activation" in params[0]:  # words that would not fit side by side
        assert all(tick.get_rotation() > 0 for tick in display.ax_.get_xticklabels())


def test_lines_join_candidates_that_differ_in_nothing_else():
    alone = [{"alpha": given["alpha"]} for given in RANDOM]
    scores = np.linspace(0.5, 0.8, len(RANDOM))
    display = SearchResultsDisplay.from_results(results(alone, scores))
    assert display.artists_["line"] is not None
    display = SearchResultsDisplay.from_results(
        results(RANDOM, scores), kind="parameter", parameters="alpha"
    )
    assert display.artists_["line"] is None


def test_a_slow_fit_does_not_press_the_others_together():
    times = [0.01] * 6 + [0.2]
    found = results(RANDOM, np.linspace(0.5, 0.8, 7), times)
    display = SearchResultsDisplay.from_results(found, kind="cost")
    assert display.ax_.get_xscale() == "log"
    display = SearchResultsDisplay.from_results(results(RANDOM, [0.5] * 7), kind="cost")
    assert display.ax_.get_xscale() == "linear"


def test_cells_without_a_score_are_explained():
    params = [{"a": i, "b": j} for i in range(3) for j in range(3)]
    scores = np.linspace(0.1, 0.9, 9)
    whole = SearchResultsDisplay.from_results(results(params, scores))
    assert whole.ax_.get_title() == ""
    scores[4] = np.nan
    display = SearchResultsDisplay.from_results(results(params, scores))
    assert display.ax_.get_title() == "grey: no score"
    assert np.ptp(display.ax_.get_facecolor()[:3]) == 0  # a grey
    assert display.ax_.get_facecolor()[0] < 0.9


def test_brackets_differ_in_more_than_colour():
    params = [{"alpha": float(i)} for i in range(4)]
    found = results(
        params,
        [0.5, 0.6, 0.7, 0.8],
        iter=[0, 0, 0, 0],
        n_resources=[1, 1, 3, 3],
        bracket=np.array([1, 1, 0, 0]),
        model_id=[0, 1, 2, 3],
    )
    display = SearchResultsDisplay.from_results(found)
    lines = display.artists_["lines"]
    # Each was evaluated once: a point, whose line cannot be seen.
    assert lines[0].get_marker() == lines[1].get_marker() != lines[2].get_marker()
    handles = display.ax_.get_legend().legend_handles
    assert handles[0].get_marker() == lines[0].get_marker()
    assert_legends_apart(display.figure_)
