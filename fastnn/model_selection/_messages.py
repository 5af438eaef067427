"""The lines that scikit-learn prints for each fit."""

from joblib import logger


def print_start(verbose, parameters, progress):
    """Print that a candidate begins; progress is (candidate, split, their totals)."""
    if verbose > 9:
        start = f"[CV{_progress(verbose, progress)}] START {_listed(parameters)}"
        print(f"{start}{(80 - len(start)) * '.'}")


def print_end(verbose, parameters, progress, result):
    """Print what a candidate has reached on a split."""
    if verbose <= 1:
        return
    message = _listed(parameters) + (";" if parameters else "")
    if verbose > 2:
        message += _scores(result["test_scores"], result.get("train_scores"))
    seconds = result["score_time"] + result["fit_time"]
    message += f" total time={logger.short_format_time(seconds)}"
    end = f"[CV{_progress(verbose, progress)}] END "
    print(end + "." * (80 - len(end) - len(message)) + message)


def _listed(parameters):
    return ", ".join(f"{name}={parameters[name]}" for name in sorted(parameters))


def _progress(verbose, progress):
    candidate, split, n_candidates, n_splits = progress
    if verbose <= 2:
        return ""
    message = f" {split + 1}/{n_splits}"
    return f"{message}; {candidate + 1}/{n_candidates}" if verbose > 9 else message


def _scores(test, train):
    """Return test scores, and training scores if there are any, as text."""
    if not isinstance(test, dict):
        if train is None:
            return f", score={test:.3f}"
        return f", score=(train={train:.3f}, test={test:.3f})"
    message = ""
    for name in sorted(test):
        before = "" if train is None else f"train={train[name]:.3f}, "
        message += f" {name}: ({before}test={test[name]:.3f})"
    return message
