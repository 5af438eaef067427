"""The pictures of `SearchResultsDisplay`, each from its numbers."""

import numpy as np

from ._matplotlib import (
    BLACK,
    BLUE,
    MARKERS,
    ORANGE,
    VERMILLION,
    axes_for,
    colors_of,
    legend_below,
    suits_log,
    tilt_if_crowded,
)
from ._values import are_numbers, places_of, text_of, unique

_MOST_WRITTEN = 49  # cells of a heat map that still have room for their numbers


def draw_heat_map(display, ax, caller, reduce):
    """Draw scores as colours over two parameters."""
    names = display.parameters_
    columns, rows, table = display.heat_map(names, reduce)
    ax = _begin(display, ax, caller)
    if np.isfinite(table).mean() < 0.5 and are_numbers(columns) and are_numbers(rows):
        artists = _draw_points(display, ax)  # of a random search
    else:
        artists = _draw_mesh(ax, columns, rows, table)
    artists["colorbar"] = display.figure_.colorbar(
        artists.get("mesh") or artists["points"], ax=ax, label=_score_name(display)
    )
    ax.set_xlabel(_short(names[0]))
    ax.set_ylabel(_short(names[1]))
    others = [name for name in display.varied if name not in names]
    notes = []
    if others and "mesh" in artists:  # points are all drawn, one over the other
        notes.append(f"{reduce} over {', '.join(map(_short, others))}")
    if "mesh" in artists and not np.isfinite(table).all():
        notes.append("grey: no score")
    if notes:
        ax.set_title("; ".join(notes), fontsize="small")
    return artists


def _draw_mesh(ax, columns, rows, table):
    mesh = ax.imshow(
        np.ma.masked_invalid(table), origin="lower", aspect="auto", cmap="viridis"
    )
    ax.set_facecolor("0.8")
    for axis, values in ((ax.xaxis, columns), (ax.yaxis, rows)):
        texts = [text_of(value) for value in values]
        tilted = axis is ax.xaxis and sum(map(len, texts)) > 45
        axis.set_ticks(
            range(len(values)),
            labels=texts,
            fontsize="small",
            rotation=35 if tilted else 0,
            ha="right" if axis is ax.yaxis or tilted else "center",
            rotation_mode="anchor",
        )
    best = np.unravel_index(np.nanargmax(table), table.shape)
    mark = _frame(ax, best)
    texts = []
    if table.size <= _MOST_WRITTEN:
        middle = np.nanmin(table) + 0.6 * (np.nanmax(table) - np.nanmin(table))
        texts = [
            ax.text(
                j,
                i,
                f"{table[i, j]:.3g}",
                ha="center",
                va="center",
                fontsize="small",
                color="black" if table[i, j] > middle else "white",
            )
            for i, j in zip(*np.nonzero(np.isfinite(table)), strict=True)
        ]
    return {"mesh": mesh, "best": mark, "texts": texts}


def _frame(ax, best):
    """Draw a frame around a cell and return it."""
    from matplotlib.patches import Rectangle

    place = (best[1] - 0.48, best[0] - 0.48)
    style = {"fill": False, "edgecolor": VERMILLION, "linewidth": 2.5}
    return ax.add_patch(Rectangle(place, 0.96, 0.96, **style))


def _draw_points(display, ax):
    x, y = (np.array(display._last(name), dtype=float) for name in display.parameters_)
    points = ax.scatter(
        x, y, c=display.scores[display.last], cmap="viridis", s=45, edgecolor="0.3"
    )
    best = int(np.flatnonzero(display.last == display.best_index)[0])
    (mark,) = ax.plot(
        x[best],
        y[best],
        "o",
        markersize=13,
        markerfacecolor="none",
        markeredgecolor=VERMILLION,
        markeredgewidth=2,
        label="best",
    )
    if suits_log(x):
        ax.set_xscale("log")
    if suits_log(y):
        ax.set_yscale("log")
    legend_below(ax)
    return {"points": points, "best": mark}


def draw_parameter(display, ax, caller, reduce):
    """Draw scores against one parameter, on a log axis if it spreads so widely."""
    (name,) = display.parameters_
    ax = _begin(display, ax, caller)
    given = display._last(name)
    scores = display.scores[display.last]
    values = unique(given)
    numeric = are_numbers(values)
    x = np.array(given if numeric else places_of(given, values), dtype=float)
    points = _candidates(display, ax, x)
    line = None
    where = np.unique(x)
    if len(where) < len(x):
        combine = np.nanmax if reduce == "best" else np.nanmean
        found = [scores[(x == w) & np.isfinite(scores)] for w in where]
        heights = [combine(f) if f.size else np.nan for f in found]
        style = {"linestyle": "--", "color": ORANGE}
        (line,) = ax.plot(where, heights, label=f"{reduce} of each value", **style)
    elif numeric and display.varied == [name]:
        # Where other parameters vary, too, they are behind the ups and downs.
        rank = np.argsort(x)
        (line,) = ax.plot(x[rank], scores[rank], "-", color=BLUE, linewidth=1)
    best = int(np.flatnonzero(display.last == display.best_index)[0])
    mark = _star(ax, x[best], scores[best])
    if numeric and suits_log(x):
        ax.set_xscale("log")
    further = 0.0
    if not numeric:
        texts = [text_of(v) for v in values]
        ax.set_xticks(range(len(values)), labels=texts)
        ax.margins(x=0.15)
        further = tilt_if_crowded(ax, texts)
    ax.set_xlabel(_short(name))
    ax.set_ylabel(_score_name(display))
    legend_below(ax, further)
    return {"points": points, "line": line, "best": mark}


def _candidates(display, ax, x):
    """Draw the candidates' scores over x, with their deviation over the folds."""
    return ax.errorbar(
        x,
        display.scores[display.last],
        yerr=display.errors[display.last],
        fmt="o",
        color=BLUE,
        markersize=5,
        elinewidth=0.8,
        alpha=0.8,
        label="candidates ± deviation",
    )


def draw_cost(display, ax, caller, reduce):
    """Draw scores against the time of a fit, and the front of the best."""
    ax = _begin(display, ax, caller)
    times, scores = display.fit_times, display.scores
    points = _candidates(display, ax, times[display.last])
    front = display.pareto_front()
    (line,) = ax.step(
        times[front],
        scores[front],
        where="post",
        color=ORANGE,
        linestyle="--",
        label="best for its time",
    )
    mark = _star(ax, times[display.best_index], scores[display.best_index])
    if suits_log(times, 10.0):  # one slow fit would press all others together
        ax.set_xscale("log")
    ax.set_xlabel("time of a fit (seconds)")
    ax.set_ylabel(_score_name(display))
    legend_below(ax)
    return {"points": points, "front": line, "best": mark}


def draw_rungs(display, ax, caller, reduce):
    """Draw scores against what was spent, a line per candidate."""
    ax = _begin(display, ax, caller)
    brackets = np.asarray(
        display.results.get("bracket", np.zeros(len(display.scores), int))
    )
    names = sorted(set(brackets.tolist()), reverse=True)
    colors = dict(zip(names, colors_of(len(names)), strict=True))
    styles = dict(zip(names, ("-", "--", ":", "-.") * len(names), strict=False))
    markers = dict(zip(names, MARKERS * len(names), strict=False))
    lines, rows = {}, {}
    for i, candidate in enumerate(display.candidates):
        rows.setdefault(candidate, []).append(i)
    for candidate, places in rows.items():
        places.sort(key=lambda i: display.resources[i])
        bracket = brackets[places[0]].item()
        (lines[candidate],) = ax.plot(
            display.resources[places],
            display.scores[places],
            linestyle=styles[bracket],
            marker=markers[bracket],
            markersize=4,
            linewidth=1,
            color=colors[bracket],
            alpha=0.75,
        )
    for bracket in names:
        if len(names) > 1:
            style = {"color": colors[bracket], "linestyle": styles[bracket]}
            style |= {"marker": markers[bracket], "markersize": 4}
            ax.plot([], [], label=f"bracket {bracket}", **style)
    i = display.best_index
    mark = _star(ax, display.resources[i], display.scores[i])
    if len(set(display.resources.tolist())) > 1:
        ax.set_xscale("log")
    _resource_ticks(ax, display.resources)
    ax.set_xlabel(_resource_name(display))
    ax.set_ylabel(_score_name(display))
    legend_below(ax)
    return {"lines": lines, "best": mark}


def _resource_ticks(ax, resources):
    """Name the rungs' own resources, not powers of ten."""
    values = np.unique(resources)
    if len(values) <= 8:
        ax.set_xticks(values, labels=[f"{value:g}" for value in values])
        ax.xaxis.set_minor_locator(_no_ticks())


def _no_ticks():
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _resource_name(display):
    if "bracket" in display.results:
        return "epochs"
    name = display.resource or "resource"
    return {"n_samples": "samples", "max_iter": "epochs"}.get(
        _short(name), _short(name)
    )


def _begin(display, ax, caller):
    ax = axes_for(ax, caller)
    display.ax_, display.figure_ = ax, ax.figure
    return ax


def _star(ax, x, y):
    (mark,) = ax.plot(
        x,
        y,
        "*",
        color=VERMILLION,
        markeredgecolor=BLACK,
        markersize=14,
        label=f"best: {y:.4g}",
        zorder=5,
    )
    return mark


def _score_name(display):
    return "mean held-out " + display.metric.replace("_", " ")


def _short(name):
    """Return a parameter's name without the steps of a pipeline before it."""
    return name.rsplit("__", 1)[-1]
