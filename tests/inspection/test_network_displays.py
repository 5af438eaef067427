"""Displays of networks: drawings, landscapes of the loss, decision boundaries."""

import gc
import warnings
import weakref

import numpy as np
import pandas as pd
import pytest
from helpers import assert_same_bits, ignore_convergence, make_data
from picture_tools import assert_inside
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris, make_moons
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor
from fastnn.inspection import (
    DecisionBoundaryAnimation,
    LossLandscapeDisplay,
    NetworkDisplay,
)
from fastnn.structure import weights

plt = pytest.importorskip("matplotlib.pyplot")
pytestmark = ignore_convergence


def test_a_small_network_is_drawn_whole():
    X, y = load_iris(return_X_y=True, as_frame=True)
    net = MLPClassifier((5, 3), max_iter=20, random_state=0).fit(X, y)
    display = NetworkDisplay.from_estimator(net)
    assert [column.size for column in display.columns] == [4, 5, 3, 3]
    assert [len(nodes.get_offsets()) for nodes in display.nodes_] == [4, 5, 3, 3]
    for edges, W in zip(display.edges_, net.coefs_, strict=True):
        assert sorted(edges.get_array()) == sorted(W.ravel())
        # the thickest last, and as thick as the weight is large
        widths = np.array(edges.get_linewidths())
        assert (np.diff(np.abs(edges.get_array())) >= 0).all()
        assert (np.diff(widths) >= 0).all()
        low, high = edges.get_clim()
        assert -low == high == max(np.abs(W).max() for W in net.coefs_)
    labels = [label.get_text() for label in display.labels_]
    assert labels[0] == "input\n4"
    assert labels[1] == "hidden 1\n5 relu\n25\nparameters"
    assert labels[3] == "output\n3 softmax\n12\nparameters"
    assert display.gaps_ == [[]] * 4
    assert display.input_names == list(X.columns)
    assert display.output_names == ["0", "1", "2"]
    assert_inside(display.figure_)


def test_ends_of_edges_are_units():
    X, y = make_data("multiclass")
    net = MLPClassifier((3,), max_iter=2, random_state=0).fit(X, y)
    display = NetworkDisplay.from_estimator(net)
    edges, left, right = display.edges_[0], *display.columns[:2]
    for segment, value in zip(edges.get_segments(), edges.get_array(), strict=True):
        i = np.flatnonzero(left.heights == segment[0, 1]).item()
        j = np.flatnonzero(right.heights == segment[1, 1]).item()
        assert net.coefs_[0][i, j] == value


def test_of_wide_layers_the_largest_units_are_drawn():
    X, y = make_data("binary")
    net = MLPClassifier((100, 13), batch_norm=True, max_iter=2, random_state=0)
    display = NetworkDisplay.from_estimator(
        make_pipeline(StandardScaler(), net.fit(X, y))
    )
    column = display.columns[1]
    first, second, third = net.coefs_
    sizes = [np.linalg.norm(first, axis=0) * np.linalg.norm(second, axis=1)]
    sizes += [np.linalg.norm(second, axis=0) * np.linalg.norm(third, axis=1)]
    for drawn, size in zip(display.columns[1:3], sizes, strict=True):
        assert (np.diff(drawn.units) > 0).all()
        assert len(drawn.units) == 12
        others = np.delete(size, drawn.units)
        assert size[drawn.units].min() > others.max()
    assert display.columns[2].units.tolist() != list(range(12))
    np.testing.assert_array_equal(
        display.weights[1],
        net.coefs_[1][np.ix_(column.units, display.columns[2].units)],
    )
    # weights and biases, scales and shifts; not the statistics
    assert column.n_parameters == 7 * 100 + 100 + 2 * 100
    assert "100 relu\n(12 drawn)" in display.labels_[1].get_text()
    assert display.output_names == ["1"]  # the output is the probability of this class
    assert_inside(display.figure_)


def weighted(coefs):
    """Return a network with these weights."""
    sizes = [W.shape[1] for W in coefs]
    X = np.eye(max(2, len(coefs[0])), len(coefs[0]))
    y = np.zeros((len(X), sizes[-1])) if sizes[-1] > 1 else np.zeros(len(X))
    net = MLPRegressor(tuple(sizes[:-1]), max_iter=1).initialize(X, y)
    net.coefs_ = [np.asarray(W, dtype=float) for W in coefs]
    return net


def test_dots_stand_where_units_are_left_out():
    """By hand: units 1, 3 and 4 of seven are the largest."""
    into = np.array([[1.0, 2.0, 1.0, 3.0, -4.0, 9.0, 1.0]])
    onward = np.array([[1.0, 2.0, 1.0, -3.0, 1.0, 0.1, 1.0]]).T
    display = NetworkDisplay.from_estimator(weighted([into, onward]), max_units=3)
    column = display.columns[1]
    assert column.units.tolist() == [1, 3, 4]
    # Units 0, 2, and 5 and 6 are left out: before, between and after those drawn.
    above, between, below = column.gaps
    high, middle, low = column.heights
    assert 1 == above > high > between > middle > low > below == 0
    assert between == pytest.approx((high + middle) / 2)
    assert middle - low < high - middle  # nothing is left out between units 3 and 4
    assert [dots.get_position()[1] for dots in display.gaps_[1]] == [
        above,
        between,
        below,
    ]
    assert display.gaps_[0] == display.gaps_[2] == []


def test_inputs_and_outputs_that_are_drawn():
    """Inputs by what leads on, outputs by what leads to them; of equals the first."""
    W = np.ones((41, 41))
    W[40], W[:, 40] = 2.0, 2.0
    display = NetworkDisplay.from_estimator(weighted([W]), max_units=3)
    assert [c.units.tolist() for c in display.columns] == [[0, 1, 40]] * 2
    W = np.ones((6, 6))
    W[4], W[:, 5] = 2.0, 2.0
    display = NetworkDisplay.from_estimator(weighted([W]), max_units=4)
    assert display.columns[0].units.tolist() == [0, 1, 2, 4]
    assert display.columns[1].units.tolist() == [0, 1, 2, 5]
    assert display.input_names == [f"feature {i}" for i in (0, 1, 2, 4)]
    assert NetworkDisplay.from_estimator(weighted([W]), plot=False).input_names is None


def test_networks_that_cannot_be_drawn():
    with pytest.raises(NotFittedError):
        NetworkDisplay.from_estimator(MLPClassifier())
    X, y = make_data("binary")
    net = MLPClassifier(max_iter=2).initialize(X, y)
    with pytest.raises(ValueError, match="max_units"):
        NetworkDisplay.from_estimator(net, max_units=2)


@pytest.mark.parametrize("norm", [{}, {"layer_norm": True, "residual": True}])
def test_landscape_around_a_network(norm):
    X, y = make_data("multiclass")
    net = MLPClassifier((6, 6, 5), max_iter=30, random_state=0, alpha=0, **norm)
    pipe = make_pipeline(StandardScaler(), net).fit(X, y)
    display = LossLandscapeDisplay.from_estimator(pipe, X, y, resolution=5, radius=0.5)
    theta, architecture = weights.read(net)
    for direction in display.directions:
        parts = weights.views(direction, architecture)
        for name in ("coefs_", "shortcut_coefs_"):
            for d, W in zip(parts.get(name, ()), getattr(net, name, ()), strict=True):
                if d is not None:  # of each unit's weights, as long as they are
                    np.testing.assert_allclose(
                        np.linalg.norm(d, axis=0), np.linalg.norm(W, axis=0)
                    )
        assert not any(d.any() for d in parts["intercepts_"])
    # each point by a network with these weights
    for i, j in ((0, 0), (2, 2), (1, 4)):
        moved = clone(net).initialize(StandardScaler().fit_transform(X), y)
        point = (
            theta
            + display.x[j] * display.directions[0]
            + display.y[i] * display.directions[1]
        )
        for name, arrays in weights.views(point, architecture).items():
            setattr(moved, name, arrays)
        proba = moved.predict_proba(StandardScaler().fit_transform(X))
        expected = -np.log(proba[np.arange(len(y)), y]).mean()
        assert display.loss[i, j] == pytest.approx(expected, rel=1e-9)
    assert display.center_loss == display.loss[2, 2]
    assert display.path_ is None
    assert len(display.contour_.levels) == 20
    np.testing.assert_array_equal(
        net.coefs_[0], weights.views(theta, architecture)["coefs_"][0]
    )
    assert_inside(display.figure_)


@pytest.mark.parametrize(
    ("params", "n"), [({}, 31), ({"batch_norm": True}, 31), ({"ema_decay": 0.5}, 31)]
)
def test_landscape_of_a_training(params, n):
    X, y = make_data("binary")
    net = MLPEstimator((6,), max_iter=30, random_state=0, dtype="float64", **params)
    net.set_params(n_iter_no_change=30)
    display = LossLandscapeDisplay.from_training(net, X, y, resolution=5)
    assert display.path.shape == (n, 2)
    np.testing.assert_allclose(display.path[-1], 0, atol=1e-12)
    gram = display.directions @ display.directions.T
    np.testing.assert_allclose(gram, np.eye(2), atol=1e-9)
    shares = display.explained_variance_ratio
    assert 0 < shares[1] <= shares[0] < shares.sum() <= 1
    fitted = clone(net).fit(X, y)
    if not params:
        np.testing.assert_array_equal(weights.read(fitted)[0], display.center)
        start = clone(net).initialize(X, y)
        first = (weights.read(start)[0] - display.center) @ display.directions.T
        np.testing.assert_allclose(display.path[0], first, rtol=1e-9)
    np.testing.assert_array_equal(display.path_.get_xydata(), display.path)
    assert display.x[0] < display.path[:, 0].min()
    assert display.y[-1] > display.path[:, 1].max()
    assert f"{shares[0]:.0%}" in display.ax_.get_xlabel()
    assert np.isfinite(display.loss).all()
    assert_inside(display.figure_)


def test_long_paths_are_thinned():
    X, y = make_data("binary")
    net = MLPClassifier((4,), max_iter=50, n_iter_no_change=50, random_state=0)
    display = LossLandscapeDisplay.from_training(
        net, X, y, resolution=2, n_points=8, plot=False
    )
    assert display.path_epochs[0] == 0
    assert display.path_epochs[-1] == 50
    assert len(display.path_epochs) <= 9
    assert len(set(np.diff(display.path_epochs)[:-1])) == 1


@pytest.mark.parametrize("low", [2.3, 100.0])
def test_landscape_that_is_nearly_flat(low):
    """Ticks of the colour bar are told apart."""
    line = np.linspace(-1, 1, 5)
    loss = low + 0.1 * (line**2 + line[:, None] ** 2)
    display = LossLandscapeDisplay(
        x=line, y=line, loss=loss, directions=None, center=None, center_loss=low
    )
    axis = display.plot().colorbar_.ax.yaxis
    labels = [text.get_text() for text in axis.get_ticklabels()]
    assert len(set(labels)) == len(labels) > 3
    for label, tick in zip(labels, axis.get_ticklocs(), strict=True):
        assert float(label) == pytest.approx(tick, abs=0.02)


def test_landscapes_that_cannot_be():
    X, y = make_data("binary")
    net = MLPClassifier((4,), max_iter=3, random_state=0)
    with pytest.raises(NotFittedError):
        LossLandscapeDisplay.from_estimator(net, X, y)
    with pytest.raises(ValueError, match="lbfgs"):
        LossLandscapeDisplay.from_training(clone(net).set_params(solver="lbfgs"), X, y)
    with pytest.raises(ValueError, match="two epochs"):
        LossLandscapeDisplay.from_training(net, X, y, n_epochs=1)
    with pytest.raises(ValueError, match="resolution"):
        LossLandscapeDisplay.from_training(net, X, y, resolution=1)
    wild = MLPRegressor(
        (4,),
        solver="sgd",
        activation="identity",
        learning_rate_init=1e4,
        random_state=0,
    )
    with pytest.raises(ValueError, match="diverged"):
        LossLandscapeDisplay.from_training(wild, X, y.astype(float))


def test_boundary_frames_are_predictions():
    X, y = make_moons(80, noise=0.2, random_state=0)
    net = MLPClassifier((8,), max_iter=20, random_state=0, learning_rate_init=0.01)
    display = DecisionBoundaryAnimation.from_estimator(
        net, X, y, epochs=[0, 3, 20], grid_resolution=15
    )
    assert display.epochs.tolist() == [0, 3, 20]
    grid = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    assert (grid.min(axis=0) < X.min(axis=0)).all()
    for frame, state in (
        (0, clone(net).initialize(X, y)),
        (1, clone(net).set_params(max_iter=3).fit(X, y)),
        (2, clone(net).fit(X, y)),
    ):
        expected = state.predict_proba(grid)[:, 1].reshape(15, 15)
        np.testing.assert_array_equal(display.responses[frame], expected)
        assert display.scores[frame] == state.score(X, y)
        assert f"epoch {display.epochs[frame]}" in display.axes_.flat[frame].get_title()
    assert_same_bits(display.estimator, state)
    assert len(display.displays_) == 3
    drawn = display.displays_[2].surface_.get_array()
    np.testing.assert_array_equal(drawn.ravel(), display.responses[2].ravel())
    assert not hasattr(net, "coefs_")
    assert_inside(display.figure_)


def test_boundaries_of_several_classes_behind_a_scaler():
    X, y = load_iris(return_X_y=True, as_frame=True)
    X, names = X.iloc[:, [0, 3]], np.array(["setosa", "versicolor", "virginica"])
    pipe = make_pipeline(
        StandardScaler(), MLPClassifier((8,), max_iter=12, random_state=0)
    )
    display = DecisionBoundaryAnimation.from_estimator(
        pipe, X, names[y], epochs=4, grid_resolution=12
    )
    assert display.epochs.tolist() == [0, 1, 5, 12]
    fitted = clone(pipe).fit(X, names[y])
    assert_same_bits(display.estimator[-1], fitted[-1])
    grid = pd.DataFrame(
        {X.columns[0]: display.xx0.ravel(), X.columns[1]: display.xx1.ravel()}
    )
    expected = np.searchsorted(fitted.classes_, fitted.predict(grid))
    np.testing.assert_array_equal(display.responses[-1].ravel(), expected)
    legend = display.axes_[0, -1].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == list(names)
    assert display.axes_[0, 0].get_ylabel() == X.columns[1]
    assert_inside(display.figure_)


def test_animation(tmp_path):
    rng = np.random.RandomState(0)
    X = rng.uniform(-1, 1, (40, 2))
    net = MLPRegressor((6,), max_iter=6, random_state=0)
    display = DecisionBoundaryAnimation.from_estimator(
        net, X, X[:, 0] * X[:, 1], epochs=3, grid_resolution=8, plot=False
    )
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "training.gif"
    assert display.animate(path=path) is display
    with image.open(path) as found:
        assert found.format == "GIF"
        assert found.n_frames == len(display.epochs) == 3
    assert "R²" in display.ax_.get_title()
    assert len(display.figure_.axes) == 2  # the panel, and one bar for all frames


def test_an_animation_may_be_thrown_away():
    """Of those that were never drawn matplotlib warns; this one is the display's."""
    from matplotlib.animation import FuncAnimation

    X, y = make_moons(20, random_state=0)
    net = MLPClassifier((3,), max_iter=2, random_state=0)
    display = DecisionBoundaryAnimation.from_estimator(
        net, X, y, epochs=2, grid_resolution=3, plot=False
    )
    display.animate()
    assert isinstance(display.animation_, FuncAnimation)
    gone = weakref.ref(display.animation_)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        display.animate()  # a second one takes its place
        gone_too = weakref.ref(display.animation_)
        plt.close("all")
        del display
        gc.collect()
    assert gone() is gone_too() is None
    assert not caught
    figure = plt.figure()
    plain = FuncAnimation(figure, lambda i: (), frames=2)
    with pytest.warns(UserWarning, match="without rendering"):
        plain.__del__()
    plain._draw_was_started = True  # once is enough


def test_training_that_stops_has_a_last_frame():
    X, y = make_moons(80, random_state=0)
    net = MLPClassifier((8,), max_iter=100, tol=1.0, n_iter_no_change=3, random_state=0)
    display = DecisionBoundaryAnimation.from_estimator(
        net, X, y, epochs=[0, 50], grid_resolution=5, plot=False
    )
    assert display.epochs.tolist() == [0, clone(net).fit(X, y).n_iter_]


def test_a_single_class_has_one_colour():
    net = MLPClassifier((3,), max_iter=3, random_state=0)
    X = np.random.default_rng(0).random((9, 2))
    display = DecisionBoundaryAnimation.from_estimator(
        net, X, np.full(9, "only"), epochs=[0, 3], grid_resolution=5
    )
    for ax in display.axes_.flat[:2]:
        colors = ax.collections[0].to_rgba(ax.collections[0].get_array())
        assert np.unique(colors.reshape(-1, 4), axis=0).shape == (1, 4)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"X": np.zeros((5, 3))}, "two features"),
        ({"y": np.zeros((5, 2))}, "one column"),
        ({"epochs": [0, 99]}, "epochs"),
        ({"epochs": 1}, "epochs"),
        ({"net": MLPClassifier(solver="lbfgs")}, "lbfgs"),
        ({"X": sparse.csr_array(np.eye(5, 2))}, "toarray"),
        ({"X": [["a", "b"]] * 5}, "must have numbers"),
        ({"net": MLPRegressor(loss="quantile", quantile=[0.1, 0.9])}, "one quantile"),
    ],
)
def test_boundaries_that_cannot_be(change, word):
    given = {"X": np.eye(5, 2), "y": np.arange(5) % 2, "epochs": 3, **change}
    net = given.get("net", MLPClassifier((3,), max_iter=3))
    with pytest.raises(ValueError, match=word):
        DecisionBoundaryAnimation.from_estimator(
            net, given["X"], given["y"], epochs=given["epochs"]
        )
