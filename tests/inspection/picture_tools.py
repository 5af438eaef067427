"""What can be said of a picture without looking at its pixels."""

from itertools import combinations


def texts(legend):
    """Return the entries of a legend."""
    return [text.get_text() for text in legend.get_texts()]


def legends_of(figure):
    """Return all legends of a figure."""
    from matplotlib.legend import Legend

    return [found for ax in figure.axes for found in ax.findobj(Legend)]


def assert_inside(figure):
    """Assert that nothing is cut off by the picture's edge."""
    figure.canvas.draw()
    width, height = figure.get_size_inches()
    box = figure.get_tightbbox()
    assert box.x0 >= 0, box
    assert box.y0 >= 0, box
    assert box.x1 <= width, box
    assert box.y1 <= height, box


def assert_legends_apart(figure):
    """Assert that no legend covers data, numbers beside an axis, or another legend."""
    assert_inside(figure)
    shown = [ax for ax in figure.axes if ax.get_visible()]
    frames = [legend.get_window_extent() for legend in legends_of(figure)]
    assert frames
    boxes = [ax.get_window_extent() for ax in shown]
    boxes += [axis.get_tightbbox() for ax in shown for axis in (ax.xaxis, ax.yaxis)]
    pairs = [(frame, box) for frame in frames for box in boxes if box is not None]
    for one, other in [*combinations(frames, 2), *pairs]:
        assert not one.overlaps(other.padded(-0.5)), (one, other)


def inches(ax):
    """Return width and height of an axes."""
    box = ax.get_window_extent()
    return box.width / ax.figure.dpi, box.height / ax.figure.dpi
