"""Displays of curves: losses, studies of rates, gradients, bias and variance."""

import numpy as np
import pytest
from helpers import ignore_convergence, make_data
from picture_tools import assert_inside, texts
from sklearn import neural_network
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import learning_curve, validation_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn import MLPClassifier, MLPRegressor
from fastnn.inspection import (
    BiasVarianceDisplay,
    ConvergenceStudyDisplay,
    GradientFlowDisplay,
    LearningRateFinderDisplay,
    LossCurveDisplay,
    training_statistics,
)
from fastnn.model_selection import convergence_study, learning_rate_range

plt = pytest.importorskip("matplotlib.pyplot")
pytestmark = ignore_convergence
SMALL = {"hidden_layer_sizes": (6,), "max_iter": 12, "random_state": 0}


def test_losses_and_scores_of_early_stopping():
    X, y = make_data("binary")
    options = {"early_stopping": True, "learning_rate_init": 0.05}
    net = MLPClassifier(**SMALL, **options, validation_fraction=0.3).fit(X, y)
    assert len(set(net.validation_scores_)) > 2
    display = LossCurveDisplay.from_estimator(net)
    (curve,) = display.curves
    assert curve.best_epoch == np.argmax(net.validation_scores_) + 1
    assert len(display.axes_) == 2
    for name, expected in (
        ("loss", net.loss_curve_),
        ("validation_loss", net.history_["validation_loss"]),
        ("validation_score", net.validation_scores_),
    ):
        line = display.lines_["MLPClassifier", name]
        np.testing.assert_array_equal(line.get_ydata(), expected)
        np.testing.assert_array_equal(line.get_xdata(), 1 + np.arange(net.n_iter_))
        mark = display.best_["MLPClassifier", name]
        assert mark.get_xdata()[0] == curve.best_epoch
        assert mark.get_ydata()[0] == expected[curve.best_epoch - 1]
    assert display.ax_.get_ylabel() == "loss"
    assert display.axes_[1].get_xlabel() == "epoch"
    assert f"best epoch ({curve.best_epoch})" in texts(display.ax_.get_legend())
    assert_inside(display.figure_)


def test_training_loss_alone():
    X, y = make_data("regression")
    pipe = make_pipeline(StandardScaler(), MLPRegressor(**SMALL)).fit(X, y)
    _, ax = plt.subplots()
    display = LossCurveDisplay.from_estimator(pipe, name="mine", ax=ax)
    assert display.ax_ is ax
    assert set(display.lines_) == {("mine", "loss")}
    assert display.curves[0].best_epoch == np.argmin(pipe[-1].loss_curve_) + 1


def test_several_networks_on_one_axes():
    X, y = make_data("binary")
    theirs = neural_network.MLPClassifier(**SMALL, early_stopping=True).fit(X, y)
    ours = MLPClassifier(**SMALL).fit(X, y, X_val=X, y_val=y)
    display = LossCurveDisplay.from_estimators({"ours": ours, "theirs": theirs})
    assert set(display.lines_) == {
        ("ours", "loss"),
        ("ours", "validation_loss"),
        ("ours", "validation_score"),
        ("theirs", "loss"),
        ("theirs", "validation_score"),
    }
    lowest = np.argmin(ours.history_["validation_loss"]) + 1
    assert display.curves[0].best_epoch == lowest
    colors = {display.lines_[name, "loss"].get_color() for name in ("ours", "theirs")}
    assert len(colors) == 2
    assert_inside(display.figure_)


def test_scale_of_losses():
    X, y = make_data("regression")
    net = MLPRegressor(**SMALL).fit(X, y)
    display = LossCurveDisplay.from_estimator(net)
    assert display.ax_.get_yscale() == "linear"
    assert display.plot(scale="log").ax_.get_yscale() == "log"
    net.loss_curve_ = net.history_["loss"] = list(np.geomspace(100, 0.1, 9))
    net.history_ = {"loss": net.loss_curve_}
    assert LossCurveDisplay.from_estimator(net).ax_.get_yscale() == "log"
    with pytest.raises(ValueError, match="scale"):
        display.plot(scale="cubic")


def test_networks_without_curves():
    X, y = make_data("binary")
    with pytest.raises(ValueError, match="lbfgs"):
        LossCurveDisplay.from_estimator(MLPClassifier(solver="lbfgs").fit(X, y))
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(MLPClassifier())
    with pytest.raises(ValueError, match="names"):
        LossCurveDisplay.from_estimators([MLPClassifier(**SMALL).fit(X, y)], names=[])


@pytest.fixture(scope="module")
def study():
    pytest.importorskip("pandas")
    X, y = make_data("regression")
    net = MLPRegressor((6,), solver="sgd", activation="identity")
    rates = [1e-3, 1e-2, 1e4]
    return convergence_study(net, X, y, rates, [16, 64], n_epochs=6, random_state=0)


@pytest.mark.parametrize("kind", ["one", "multiples"])
def test_convergence_study(study, kind):
    display = ConvergenceStudyDisplay.from_study(study, kind=kind)
    assert display.learning_rates == [1e-3, 1e-2, 1e4]
    assert display.batch_sizes == [16, 64]
    assert len(display.lines_) == 6
    for (rate, size), line in display.lines_.items():
        rows = study[(study["learning_rate"] == rate) & (study["batch_size"] == size)]
        rows = rows[~rows["diverged"]]
        np.testing.assert_array_equal(line.get_xdata(), rows["epoch"])
        np.testing.assert_array_equal(line.get_ydata(), rows["validation_loss"])
    colors = {tuple(display.lines_[rate, 16].get_color()) for rate in (1e-3, 1e-2)}
    assert len(colors) == 2
    assert set(display.marks_) == {(1e4, 16), (1e4, 64)} == set(display.diverged)
    assert display.axes_.size == {"one": 1, "multiples": 2}[kind]
    if kind == "one":
        styles = {display.lines_[1e-2, size].get_linestyle() for size in (16, 64)}
        assert len(styles) == 2
        assert len(display.ax_.findobj(plt.matplotlib.legend.Legend)) == 2
    else:
        titles = [ax.get_title() for ax in display.axes_.flat]
        assert titles == ["batch size 16", "batch size 64"]
        assert display.lines_[1e-2, 64].axes is display.axes_.flat[1]
    assert_inside(display.figure_)


def test_a_rate_far_off_does_not_hide_the_others(study):
    table = study.copy()
    wild = table["learning_rate"] == 1e-2
    table.loc[wild, "validation_loss"] *= 1e9
    display = ConvergenceStudyDisplay.from_study(table)
    usual = table[table["learning_rate"] == 1e-3]["validation_loss"].max()
    assert usual < display.ax_.get_ylim()[1] < 2 * usual
    legend = display.ax_.findobj(plt.matplotlib.legend.Legend)
    assert any("0.01 (off scale)" in texts(found) for found in legend)


def test_tables_that_are_no_study(study):
    with pytest.raises(ValueError, match="batch_size"):
        ConvergenceStudyDisplay(study=study.drop(columns="batch_size"))
    with pytest.raises(ValueError, match="validation_fraction"):
        ConvergenceStudyDisplay(study=study.assign(validation_loss=np.nan))
    display = ConvergenceStudyDisplay.from_study(study, plot=False)
    assert not hasattr(display, "ax_")
    with pytest.raises(ValueError, match="kind"):
        display.plot(kind="three")


def test_learning_rate_finder():
    pytest.importorskip("pandas")
    X, y = make_data("regression")
    net = MLPRegressor((6,), solver="sgd", activation="identity", batch_size=30)
    options = {"low": 1e-4, "high": 1e5, "n_rates": 10, "random_state": 0}
    table, rate = learning_rate_range(net, X, y, **options)
    display = LearningRateFinderDisplay.from_estimator(net, X, y, **options)
    assert display.suggestion == rate
    np.testing.assert_array_equal(display.line_.get_xdata(), table["learning_rate"])
    np.testing.assert_array_equal(display.line_.get_ydata(), table["training_loss"])
    assert display.ax_.get_xscale() == "log"
    assert display.suggestion_.get_xdata()[0] == rate
    top = display.ax_.get_ylim()[1]
    far = table["learning_rate"][table["training_loss"] > top]
    np.testing.assert_array_equal(display.off_scale_.get_xdata(), far)
    assert len(far)
    assert_inside(display.figure_)


def test_rates_that_diverge_are_crossed():
    pd = pytest.importorskip("pandas")
    losses = [np.nan, 0.9, 1.0, 0.5]
    rates = [1.0, 0.01, 0.001, 0.1]
    table = {"learning_rate": rates, "training_loss": losses}
    table = pd.DataFrame({**table, "diverged": np.isnan(losses)})
    display = LearningRateFinderDisplay.from_table(table)
    assert display.learning_rates.tolist() == sorted(rates)
    assert display.line_.get_ydata()[:3].tolist() == [1.0, 0.9, 0.5]
    assert display.diverged_.get_xdata().tolist() == [1.0]
    assert display.off_scale_ is None
    assert display.suggestion_ is None
    with pytest.raises(ValueError, match="diverged"):
        LearningRateFinderDisplay(table=table.drop(columns="diverged"))


@pytest.mark.parametrize("n_layers", [2, 9])
def test_gradient_flow(n_layers):
    X, y = make_data("multiclass")
    names = ["relu", "tanh"] + ["leaky_relu"] * (n_layers - 2)
    net = MLPClassifier((5,) * n_layers, activation=names, max_iter=4, random_state=0)
    statistics = training_statistics(net, X, y)
    display = GradientFlowDisplay.from_statistics(statistics)
    assert display.axes_.shape == (2, 2)
    for i, layer in enumerate(statistics.layers):
        for name in ("gradient_norm", "update_ratio"):
            line = display.lines_[name, layer]
            np.testing.assert_array_equal(
                line.get_ydata(), getattr(statistics, name)[:, i]
            )
    lines = display.lines_
    assert ("dead_share", "hidden 1") in lines
    assert ("dead_share", "hidden 2") not in lines
    assert ("saturated_share", "hidden 2") in lines
    assert (
        lines["dead_share", "hidden 1"].get_ydata()[-1] == statistics.dead_share[-1, 0]
    )
    assert texts(display.legend_) == statistics.layers
    assert len(display.spreads_) == (2 if n_layers == 2 else 0)
    looks = {
        (str(line.get_color()), str(line.get_linestyle()))
        for (name, _), line in lines.items()
        if name == "gradient_norm"
    }
    assert len(looks) == n_layers + 1
    low, high = (f(display.band_.get_corners()[:, 1]) for f in (min, max))
    assert low < 1e-3 < high
    assert high / low == pytest.approx(10)
    assert_inside(display.figure_)


def test_gradient_flow_in_axes_of_ones_own():
    X, y = make_data("multiclass")
    net = MLPClassifier(**SMALL)
    _, ax = plt.subplots(figsize=(8, 5), layout="constrained")
    display = GradientFlowDisplay.from_estimator(net, X, y, n_epochs=2, ax=ax)
    assert display.figure_ is ax.figure
    assert not ax.axison
    _, four = plt.subplots(1, 4)
    assert display.plot(ax=four).ax_ is four[0]
    with pytest.raises(ValueError, match="4 panels"):
        display.plot(ax=four[:3])


NOISE = 0.3


def noisy(n=240):
    """Return a wave with noise, and the best R² that the noise leaves."""
    rng = np.random.RandomState(0)
    X = rng.uniform(-2, 2, (n, 1))
    y = np.sin(2 * X[:, 0]) + NOISE * rng.standard_normal(n)
    return X, y, 1 - NOISE**2 / y.var()


def test_learning_curve_of_a_network_that_is_too_small():
    X, y, floor = noisy()
    params = {"solver": "lbfgs", "max_iter": 200, "n_threads": 1}
    net = MLPRegressor((1,), random_state=0, **params)
    curve = learning_curve(net, X, y, cv=4, train_sizes=[0.25, 1.0], return_times=True)
    display = BiasVarianceDisplay.from_learning_curve(*curve, noise_floor=floor)
    sizes, train, test = curve[:3]
    np.testing.assert_array_equal(display.lines_["train"].get_xdata(), sizes)
    np.testing.assert_allclose(display.lines_["train"].get_ydata(), train.mean(axis=1))
    np.testing.assert_allclose(display.lines_["test"].get_ydata(), test.mean(axis=1))
    np.testing.assert_allclose(display.gap, train.mean(axis=1) - test.mean(axis=1))
    assert display.diagnosis == "underfitting"
    assert "Under-fitting" in display.verdict
    assert display.floor_.get_ydata()[0] == floor
    assert display.best_index == 1
    assert display.gap_text_.get_text() == f"gap {display.gap[1]:.3f}"
    assert_inside(display.figure_)


def test_validation_curve_of_networks_large_enough():
    X, y, floor = noisy()
    net = MLPRegressor(
        learning_rate_init=0.02, batch_size=20, max_iter=60, random_state=0
    )
    sizes = [1, 4, 100]
    curve = validation_curve(
        net, X, y, param_name="hidden_layer_sizes", param_range=sizes, cv=4
    )
    display = BiasVarianceDisplay.from_validation_curve(
        sizes, *curve, param_name="hidden_layer_sizes", noise_floor=floor
    )
    assert display.best_index == np.argmax(curve[1].mean(axis=1))
    assert display.diagnosis == "good"
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_xlabel() == "hidden_layer_sizes"


@pytest.mark.parametrize(
    ("train", "test", "floor", "expected"),
    [
        ([0.99, 0.98, 1.0], [0.7, 0.72, 0.71], None, "overfitting"),
        ([0.99, 0.98, 1.0], [0.7, 0.72, 0.71], 0.95, "overfitting"),
        ([0.6, 0.61, 0.6], [0.59, 0.6, 0.61], 0.95, "underfitting"),
        ([0.8, 0.81, 0.8], [0.5, 0.52, 0.51], 0.95, "both"),
        ([0.94, 0.95, 0.95], [0.94, 0.93, 0.95], 0.95, "good"),
        ([0.94, 0.95, 0.95], [0.94, 0.93, 0.95], None, "unclear"),
        ([0.99, 0.98, 1.0], [0.95, 0.95, 0.96], 0.95, "good"),  # nothing to gain
        ([0.9, 0.9, 0.9], [0.895, 0.895, 0.895], None, "unclear"),  # sure, but little
        ([0.9, 0.9, 0.9], [0.95, 0.6, 0.95], None, "unclear"),  # the folds disagree
    ],
)
def test_verdicts(train, test, floor, expected):
    low = [0.3, 0.3, 0.3]
    display = BiasVarianceDisplay.from_learning_curve(
        [10, 100], [low, train], [low, test], noise_floor=floor, plot=False
    )
    assert display.diagnosis == expected
    assert f"{np.mean(train):.3f} in training" in display.verdict
    assert f"gap {np.mean(train) - np.mean(test):.3f}" in display.verdict


def test_more_samples_would_help():
    rising = BiasVarianceDisplay.from_learning_curve(
        [10, 100], [[1, 1], [1, 1]], [[0.5, 0.51], [0.7, 0.71]], plot=False
    )
    flat = BiasVarianceDisplay.from_learning_curve(
        [10, 100], [[1, 1], [1, 1]], [[0.7, 0.71], [0.7, 0.71]], plot=False
    )
    assert "more would help" in rising.verdict
    assert "more would help" not in flat.verdict


def test_words_and_failed_fits_on_a_validation_curve():
    scores = [[0.9, 0.92], [0.8, np.nan], [np.nan, np.nan]]
    display = BiasVarianceDisplay.from_validation_curve(
        ["relu", "tanh", "step"], scores, scores, param_name="activation"
    )
    assert display.best_index == 0
    assert "activation = relu" in display.verdict
    with pytest.raises(ValueError, match="error_score"):
        BiasVarianceDisplay.from_learning_curve([1], [[np.nan]], [[np.nan]])
    with pytest.raises(ValueError, match="one row per point"):
        BiasVarianceDisplay.from_learning_curve([1, 2], [[1.0]], [[1.0]])
