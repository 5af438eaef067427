"""What all displays share of matplotlib, which is imported when something is drawn."""

from typing import Any

import numpy as np

# M. Okabe and K. Ito, "Color universal design", 2008: told apart by readers with any
# common colour blindness. Their yellow is left out, which is too pale for lines.
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
PURPLE, ORANGE, SKY, BLACK = "#CC79A7", "#E69F00", "#56B4E9", "#000000"
# Purple comes last: to readers without green it is nearly the grey that green is.
OKABE_ITO = (BLUE, VERMILLION, GREEN, ORANGE, SKY, BLACK, PURPLE)
LINE_STYLES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LABELS = 0.5  # inches below an axes for its tick labels and its name
_MOST_LETTERS = 45  # of words below an axes 6 inches wide that stand side by side
_TILT = 35  # degrees
SMALL = 8  # points: the smallest letters that a picture of 6 by 4 inches is read at


def pyplot(caller):
    """Return `matplotlib.pyplot`, or raise an error that says how to install it."""
    try:
        import matplotlib.pyplot
    except ImportError as error:
        raise ImportError(
            f"{caller} requires matplotlib. You can install it with "
            "`pip install numba-fastnn[plot]`."
        ) from error
    return matplotlib.pyplot


def axes_for(ax, caller, figsize=(6, 4)):
    """Return the axes to draw on: those given, or new ones of a figure of their own."""
    plt = pyplot(caller)
    if ax is None:
        _, ax = plt.subplots(figsize=figsize, layout="constrained")
    return ax


def panels_for(ax, caller, n_rows, n_columns, figsize, **options):
    """Return an array of axes, (n_rows, n_columns).

    ax : Axes, array of Axes or None
        An Axes is cut into panels; an array is taken as it is; None makes a figure.
    options : dict
        `sharex` and `sharey`, as `subplots` has them.
    """
    plt = pyplot(caller)
    n = n_rows * n_columns
    if ax is None:
        _, axes = plt.subplots(
            n_rows,
            n_columns,
            figsize=figsize,
            layout="constrained",
            squeeze=False,
            **options,
        )
        return axes
    if not isinstance(ax, plt.Axes):
        axes = np.asarray(ax, dtype=object)
        if axes.size != n:
            raise ValueError(
                f"ax has {axes.size} axes, but {caller} draws {n} panels. Pass that "
                "many, a single one, which is cut into panels, or None."
            )
        return axes.reshape(n_rows, n_columns)
    if ax.get_subplotspec() is None:
        raise ValueError(
            f"ax was placed by hand and cannot be cut into the {n} panels that "
            f"{caller} draws. Make it by plt.subplots, or pass an array of axes."
        )
    ax.set_axis_off()
    grid = ax.get_subplotspec().subgridspec(n_rows, n_columns)
    return grid.subplots(squeeze=False, **options)


def colors_of(n, ordered=False):
    """Return n colours: Okabe and Ito's, or a stretch of viridis if order matters.

    Its yellow end is left out, which is too pale for lines.
    """
    if n <= len(OKABE_ITO) and not ordered:
        return list(OKABE_ITO[:n])
    from matplotlib import colormaps

    return list(colormaps["viridis"](np.linspace(0, 0.9, n)))


def suits_log(values, factor=30.0):
    """Return whether numbers are best drawn on a logarithmic axis.

    They must be positive and spread over more than `factor`: about three doublings
    above what a linear axis shows with two digits.
    """
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    return bool(
        values.size and values.min() > 0 and values.max() / values.min() > factor
    )


def legend_beside(ax, **options):
    """Put a legend to the right of an axes, where it hides nothing; return it."""
    place = {"loc": "upper left", "bbox_to_anchor": (1.02, 1), "borderaxespad": 0}
    fonts = {"fontsize": "small", "title_fontsize": "small"}
    return ax.legend(**{**place, **fonts, **options})


def legend_below(ax, further=0.0, **options):
    """Put a legend in rows below an axes and its label, where it hides nothing.

    In a figure without a layout engine, which would leave no room for it there, it
    stands inside.

    further : float
        Inches that long tick labels need.
    """
    figure = ax.get_figure()
    if figure.get_layout_engine() is None:
        return ax.legend(fontsize="small", **options)
    from matplotlib.transforms import ScaledTranslation

    shift = ScaledTranslation(0, -_LABELS - further, figure.dpi_scale_trans)
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "borderaxespad": 0}
    place |= {"bbox_transform": ax.transAxes + shift, "ncols": 4, "columnspacing": 1.5}
    return ax.legend(**{**place, "fontsize": "small", "frameon": False, **options})


def legend_height(n_entries):
    """Return the inches that a legend's entries take, a title among them."""
    return 0.19 * n_entries


def whole_numbers(axis):
    """Let an axis name whole numbers only, also where it shows a single one."""
    axis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def tilt_if_crowded(ax, texts):
    """Tilt the words below an axes if they need it; return the inches they add."""
    if sum(map(len, texts)) <= _MOST_LETTERS:
        return 0.0
    options = {"rotation": _TILT, "ha": "right", "rotation_mode": "anchor"}
    for label in ax.get_xticklabels():
        label.set(**options)
    return 0.07 * np.sin(np.radians(_TILT)) * max(map(len, texts))


def say(ax, text):
    """Explain in an axes why it is empty; return the text."""
    ax.set_yticks([])
    place = {"ha": "center", "va": "center", "transform": ax.transAxes}
    return ax.text(0.5, 0.5, text, fontsize="small", **place)


def shortened(text, most=24):
    """Return a text, its middle left out if it is longer than `most` letters.

    Names that are alike usually differ at one of their ends.
    """
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[: most - 1 - half]}…{text[-half:]}"


def ceiling_of(losses, usual):
    """Return where an axis of losses should end, or None where all may be seen.

    A network that all but diverges would press the others into one line.

    losses : ndarray
    usual : float
        About the loss of an untrained network.
    """
    losses = losses[np.isfinite(losses)]
    far = losses.size and usual > 0 and losses.max() > 10 * usual
    return 1.5 * usual if far else None


def number(value):
    """Return a parameter's value as short text."""
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    return str(value)
