"""Pictures of curves can be read: legends, axes, edges, and what cannot be shown."""

import numpy as np
import pytest
from helpers import ignore_convergence, make_data
from picture_tools import assert_inside, assert_legends_apart, inches, texts

from fastnn import MLPRegressor
from fastnn.inspection import (
    BiasVarianceDisplay,
    ConvergenceStudyDisplay,
    GradientFlowDisplay,
    LearningRateFinderDisplay,
    LossCurveDisplay,
)
from fastnn.inspection._matplotlib import OKABE_ITO, shortened
from fastnn.inspection.convergence_study import _exits, _look
from fastnn.inspection.loss_curve import LossCurve

plt = pytest.importorskip("matplotlib.pyplot")
pytestmark = ignore_convergence


def curve(name, n=20):
    epochs = np.arange(1, n + 1)
    values = 1.0 / epochs
    return LossCurve(name, epochs, values, values * 1.1, 1 - values, n)


def test_a_legend_of_many_networks_leaves_room_for_the_panels():
    names = [f"network number {i}" for i in range(12)]
    display = LossCurveDisplay(curves=[curve(name) for name in names]).plot()
    assert_legends_apart(display.figure_)
    for ax in display.axes_:
        width, height = inches(ax)
        assert width > 4
        assert height > 1.4
    legend = display.ax_.get_legend()
    assert texts(legend)[:2] == [f"{name} (best epoch 20)" for name in names[:2]]
    assert texts(legend)[12:] == ["training", "validation"]
    handles = legend.legend_handles
    colors = [handle.get_color() for handle in handles[:12]]
    assert colors == [display.lines_[name, "loss"].get_color() for name in names]


def test_long_names_of_networks():
    names = ["the same beginning of two long names, " + end for end in "ab"]
    display = LossCurveDisplay(curves=[curve(name) for name in names]).plot()
    shown = texts(display.ax_.get_legend())[:2]
    assert shown[0] != shown[1]
    assert max(map(len, shown)) <= 24 + len(" (best epoch 20)")
    assert inches(display.ax_)[0] > 4
    assert shortened("short") == "short"
    assert len(shortened("x" * 99, 17)) == 17


def test_a_single_epoch_is_a_whole_number():
    display = LossCurveDisplay(curves=[curve("one", n=1)]).plot()
    display.figure_.canvas.draw()
    low, high = display.ax_.get_xlim()
    ticks = display.ax_.get_xticks()
    assert [tick for tick in ticks if low <= tick <= high] == [1]


def study_of(losses, diverged=()):
    """Return a study from {(rate, batch size): losses}."""
    pd = pytest.importorskip("pandas")
    rows = [
        {
            "learning_rate": rate,
            "batch_size": size,
            "epoch": epoch,
            "validation_loss": loss,
            "diverged": (rate, size) in diverged and epoch == len(found),
        }
        for (rate, size), found in losses.items()
        for epoch, loss in enumerate(found, start=1)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("kind", ["one", "multiples"])
def test_a_curve_that_leaves_its_panel_is_marked_there(kind):
    wild = [0.9, 0.5, 101.5, 0.5, 0.4, np.inf]
    losses = {
        (0.01, 16): [1.0, 0.9, 0.8, 0.7, 0.6, 0.5],
        (0.1, 16): wild,
        (0.01, 64): [1.0, 0.9, 0.8, 0.7, 0.6, 0.5],
        (0.1, 64): [50.0, 0.5, 0.4, 0.3, 0.3, 0.2],
    }
    display = ConvergenceStudyDisplay.from_study(study_of(losses), kind=kind)
    top = display.ax_.get_ylim()[1]
    assert top == 1.5
    assert set(display.exits_) == {(0.1, 16), (0.1, 64)}
    mark = display.exits_[0.1, 16]
    # On the line at the upper edge: a hundredth of the way from 0.5 to 101.5 ...
    np.testing.assert_allclose(mark.get_xdata(), [2 + 1.0 / 101, 5])
    np.testing.assert_array_equal(mark.get_ydata(), 1)  # ... of the panel
    assert display.exits_[0.1, 64].get_xdata().tolist() == [1]  # it begins outside
    line = display.lines_[0.1, 16]
    assert mark.get_color() is line.get_color()
    assert mark.axes is line.axes
    legends = display.figure_.axes[0 if kind == "one" else -1].findobj(
        plt.matplotlib.legend.Legend
    )
    entries = [text for legend in legends for text in texts(legend)]
    assert entries.count("leaves the panel") == 1
    assert "0.1 (off scale)" not in entries
    assert_legends_apart(display.figure_)


def test_exits_on_a_logarithmic_axis():
    places = _exits(np.array([1, 2]), np.array([1.0, 10_000.0]), 100.0, log=True)
    assert places.tolist() == [1.5]
    nothing = _exits(np.array([1, 2]), np.array([1.0, np.nan]), 100.0, log=True)
    assert nothing.size == 0


def test_no_mark_without_an_exit():
    losses = {(0.1, 16): [1.0, 0.5, 0.4, np.nan]}
    study = study_of(losses, diverged=[(0.1, 16)])
    display = ConvergenceStudyDisplay.from_study(study)
    assert display.exits_ == {}
    assert set(display.marks_) == {(0.1, 16)}
    legends = display.ax_.findobj(plt.matplotlib.legend.Legend)
    entries = [text for legend in legends for text in texts(legend)]
    assert "diverged" in entries
    assert "leaves the panel" not in entries


def test_studies_with_many_curves():
    rates, sizes = np.geomspace(1e-4, 0.1, 12), [2**i for i in range(7)]
    losses = {(r, s): [1 + r, 0.9 + r, 0.8 + r] for r in rates for s in sizes}
    study = study_of(losses)
    display = ConvergenceStudyDisplay.from_study(study)
    assert_legends_apart(display.figure_)
    assert len({str(_look(i)) for i in range(30)}) == 30
    markers = [display.lines_[rates[0], size].get_marker() for size in sizes]
    assert markers == ["None"] * 5 + ["o"] * 2  # there are five styles
    display.plot(kind="multiples")
    assert_legends_apart(display.figure_)
    # 7 panels in rows of 3: those with nothing below have numbers and a name.
    named = [bool(ax.get_xlabel()) for ax in display.axes_.flat[:7]]
    numbered = [
        ax.xaxis.get_major_ticks()[0].label1.get_visible()
        for ax in display.axes_.flat[:7]
    ]
    assert named == numbered == [False] * 4 + [True] * 3


def test_rates_that_all_diverge():
    pd = pytest.importorskip("pandas")
    table = {"learning_rate": [0.1, 1.0], "training_loss": [np.nan] * 2}
    table = pd.DataFrame({**table, "diverged": True})
    display = LearningRateFinderDisplay.from_table(table)
    assert [text.get_text() for text in display.ax_.texts] == [
        "no rate has a finite loss"
    ]
    assert texts(display.ax_.get_legend()) == ["diverged"]
    assert not len(display.ax_.get_yticks())
    assert_legends_apart(display.figure_)


def said(ax):
    return [text.get_text() for text in ax.texts]


def test_gradient_flow_without_hidden_layers():
    X, y = make_data("regression")
    net = MLPRegressor((), max_iter=3, random_state=0)
    display = GradientFlowDisplay.from_estimator(net, X, y)
    for ax in display.axes_[1]:
        assert said(ax) == ["this network has no hidden layers"]
    assert not any(said(ax) for ax in display.axes_[0])
    assert display.ax_.get_yscale() == "linear"  # the norms are close together
    assert_inside(display.figure_)


def test_gradient_flow_of_a_training_that_diverges():
    X, y = make_data("regression")
    params = {"solver": "sgd", "activation": "identity", "learning_rate_init": 1e3}
    net = MLPRegressor((8, 8), random_state=0, **params)
    display = GradientFlowDisplay.from_estimator(net, X, y)
    statistics = display.statistics
    last = statistics.epochs[-1]
    assert f"diverged in epoch {last + 1}" in display.axes_[1, 0].get_xlabel()
    for (name, layer), line in display.lines_.items():
        shown = np.isfinite(line.get_ydata()).sum()
        assert shown > 1 or line.get_marker() == "o", (name, layer)
    statistics.gradient_norm[:] = np.nan
    display.plot()
    assert said(display.ax_) == ["these numbers are not finite"]


def test_points_without_a_score_are_crossed():
    scores = [[0.9, 0.92], [0.8, np.nan], [np.nan, np.nan]]
    display = BiasVarianceDisplay.from_validation_curve(
        ["relu", "tanh", "step"], scores, scores, param_name="activation"
    )
    assert display.failed_.get_xdata().tolist() == ["step"]
    assert "every fit failed" in texts(display.ax_.get_legend())
    assert display.gap_text_.get_text() == "gap 0.000"
    assert_legends_apart(display.figure_)
    low, high = display.ax_.get_xlim()
    assert low < 0
    assert high > 2  # the third place is seen


@pytest.mark.parametrize("floor", [None, 1.0])
def test_verdict_and_scores_are_apart(floor):
    names = [f"a rather long value {i}" for i in range(5)]
    train, test = [[0.95, 0.97]] * 5, [[0.5, 0.6]] * 5
    display = BiasVarianceDisplay.from_validation_curve(
        names, train, test, param_name="values", noise_floor=floor
    )
    assert_legends_apart(display.figure_)
    labels = display.ax_.get_xticklabels()
    assert all(label.get_rotation() > 0 for label in labels)  # they would not fit
    if floor:
        assert display.ax_.get_ylim()[1] > floor


def test_a_legend_stays_inside_where_nothing_makes_room():
    scores = [[0.5, 0.6], [0.7, 0.8]]
    _, ax = plt.subplots()
    display = BiasVarianceDisplay.from_learning_curve([1, 2], scores, scores, ax=ax)
    display.figure_.canvas.draw()
    frame, panel = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert panel.y0 <= frame.y0 < frame.y1 <= panel.y1


# G. M. Machado and others, A physiologically-based model for simulation of color vision
# deficiency, 2009: what readers without green, without red and without blue see.
VISION = {
    "without green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "without red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "without blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = [[0.4339, 0.3762, 0.1899], [0.2126, 0.7152, 0.0722], [0.0178, 0.1095, 0.8727]]


@pytest.mark.parametrize("vision", VISION)
def test_colours_are_told_apart(vision):
    """By CIELAB distances: 2 can just be seen side by side, the test asks for 15."""
    from matplotlib.colors import to_rgb

    rgb = np.array([to_rgb(color) for color in OKABE_ITO])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(VISION[vision]).T, 0, 1) @ np.array(TO_XYZ).T
    f = np.where(seen > 0.008856, np.cbrt(seen), 7.787 * seen + 16 / 116)
    x, y, z = f.T
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
    distances = np.linalg.norm(lab[:, None] - lab, axis=2)
    assert distances[np.triu_indices(len(lab), k=1)].min() > 15
