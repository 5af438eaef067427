"""The scripts of the gallery run, draw something, and find what their texts say."""

import contextlib
import gc
import io
import json
import runpy
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers import run_python

pytest.importorskip("matplotlib")
pytest.importorskip("pandas")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
if not EXAMPLES.is_dir():
    pytest.skip("the examples are not installed", allow_module_level=True)
SCRIPTS = sorted(EXAMPLES.glob("plot_*.py"))


# Each of these reads what a script has left behind, and says whether its text is true.


def neurons(found):
    X, targets = found["X"], found["targets"]
    right = {
        name: p.score(X, targets[name]) for name, p in found["perceptrons"].items()
    }
    assert (right["AND"], right["OR"]) == (1, 1)
    assert right["XOR"] < 1
    assert min(found["perceptrons"]["XOR"].errors_) > 0
    assert found["network"].score(X, targets["XOR"]) == 1


def hebb(found):
    assert (found["neuron"].predict(found["X"]) == found["y"]).all()
    np.testing.assert_allclose(np.diff(found["sizes"]), found["sizes"][1])
    assert found["rosenblatt"][-1] == found["rosenblatt"][-2]
    assert found["accuracies"]["perceptron"] == 1
    assert found["accuracies"]["Hebb"] < 0.9


def backpropagation_by_hand(found):
    """With pencil and paper: E = 0.298371, and w5 = 0.358916 after the step."""
    assert found["errors"][0] == pytest.approx(0.298371109, abs=1e-9)
    assert found["first_weight"] == pytest.approx(0.35891648, abs=1e-8)
    assert (np.diff(found["errors"]) < 0).all()


def playground(found):
    for name, display in found["displays"].items():
        assert display.epochs.tolist() == found["EPOCHS"]
        assert display.scores[-1] > (0.5 if name == "spiral" else 0.8)


def digits_network(found):
    assert found["description"].n_params == 13_002
    assert found["X"].shape[1] == 784
    assert found["accuracy"] > 0.8  # guessing: 0.1


def solvers_race(found):
    assert 40 < found["steepness"] < 60
    for _, losses in found["walks"].values():
        assert losses[-1] < losses[0] / 5
    last = {name: losses[-1] for name, (_, losses) in found["walks"].items()}
    assert max(last, key=last.get) == "Adagrad"


def rate_and_batch_size(found):
    table = found["last"].set_index(["learning_rate", "batch_size"])
    loss = table["training_loss"]
    assert loss[0.01, 16] < loss[0.01, 64] < loss[0.01, 256]  # more steps
    assert loss[1.0, 16] > loss[0.1, 16]
    assert loss[1.0, 256] < loss[0.1, 256]  # the best rate has moved
    assert not (loss[30.0] < 10).any()  # an untrained network has 2.5; or NaN
    assert table["diverged"].any()


def overfitting(found):
    means = found["means"]
    assert len(means) == 8
    assert means["nothing"][0] > 0.99
    assert min(means, key=lambda name: means[name][1]) == "nothing"
    # Pixels that are numbered tell by how much they moved.
    before = np.tile(np.arange(64.0), (6, 1))
    after = found["shifted"](before, np.random.default_rng(0))
    assert after.shape == before.shape
    moved = (after - before).reshape(6, 8, 8)[:, 1:-1, 1:-1].reshape(6, -1)
    assert (moved == moved[:, :1]).all()
    assert set(moved[:, 0]) <= {8.0 * i + j for i in (-1, 0, 1) for j in (-1, 0, 1)}
    assert moved.any()


def vanishing_gradient(found):
    first = {name: norms[0] for name, norms in found["shown"].items()}
    assert first["logistic"] < 1e-12
    for name in ("logistic, batch norm", "logistic, short cuts", "ReLU, He's weights"):
        assert 1e-2 < first[name] < 1e2
        assert found["accuracies"][name] > 0.2 > found["accuracies"]["logistic"]
    assert first["ReLU, Glorot's weights"] < 1e-3
    assert first["ReLU, short cuts"] > 1e3
    assert found["statistics"]["ReLU, short cuts"].divergence
    assert not found["statistics"]["ReLU, short cuts, clipped"].divergence


def loss_landscape(found):
    flat, valley = found["displays"][False], found["displays"][True]
    assert flat.center_loss == pytest.approx(np.log(10), abs=0.05)
    assert valley.center_loss < 1
    assert np.ptp(flat.loss) < np.ptp(valley.loss) / 2


def from_sklearn(found):
    assert found["differences"].max() < 1e-10
    assert found["same"] == 1
    assert found["ratio"] > 0


def tuning(found):
    assert found["search"].best_score_ > 0.5
    assert found["halving"].n_candidates_[0] == 3 * found["halving"].n_candidates_[1]
    assert found["test_score"] > 0.8


def own_activation(found):
    assert "derivative must be that of function" in found["refusal"]
    errors = {name: max(values) for name, values in found["errors"].items()}
    assert max(errors["snake, a = 1"], errors["snake, a = 2"]) < 0.6
    assert min(errors["relu"], errors["tanh"]) > 1
    assert errors["snake, a = 0.5"] > errors["tanh"]


CLAIMS = {
    check.__name__: check
    for check in (
        *(neurons, hebb, backpropagation_by_hand, playground, digits_network),
        *(solvers_race, rate_and_batch_size, overfitting, vanishing_gradient),
        *(loss_landscape, from_sklearn, tuning, own_activation),
    )
}


def name_of(script):
    return script.stem.removeprefix("plot_")


def has_data(figure):
    """Tell whether anything finite is drawn in a figure."""
    for ax in figure.axes:
        if any(np.isfinite(line.get_ydata()).sum() > 1 for line in ax.lines):
            return True
        for artist in (*ax.images, *ax.collections):
            values = artist.get_array()
            if values is not None and np.isfinite(values).sum() > 1:
                return True
        if ax.patches:
            return True
    return False


def run_script(path, folder):
    """Run a script as Python would, save its figures, and check what it found."""
    import matplotlib.pyplot as plt

    plt.show = lambda *args, **kwargs: None  # Agg has no window, and would warn
    found = runpy.run_path(path, run_name="__main__")
    figures = [plt.figure(number) for number in plt.get_fignums()]
    assert figures, "no figure"
    for i, figure in enumerate(figures):
        assert has_data(figure), f"figure {i} is empty"
        figure.canvas.draw()  # an animation begins with this, not with a file
        figure.savefig(Path(folder) / f"{name_of(Path(path))}-{i}.png", dpi=40)
    CLAIMS[name_of(Path(path))](found)


def run_all(folder, *paths):
    """Run scripts one after the other, and print what was wrong with each as JSON."""
    import matplotlib.pyplot as plt

    wrong, ignored = {}, []
    sys.unraisablehook = lambda event: ignored.append(repr(event.exc_value))
    for path in paths:
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("error")
                run_script(path, folder)
        except Exception:
            wrong[path] = traceback.format_exc()
        plt.close("all")
        gc.collect()
        if ignored:
            wrong[path] = f"{wrong.get(path, '')}\nignored: {ignored}"
            ignored.clear()
    print(json.dumps(wrong))


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    """Run all scripts in one new interpreter, as importing takes longer than most."""
    folder = tmp_path_factory.mktemp("examples")
    found = run_python(
        "import os, sys, test_examples",
        "os.chdir(sys.argv[1])",
        "test_examples.run_all(*sys.argv[1:])",
        args=(folder, *SCRIPTS),
        timeout=240,
        MPLBACKEND="Agg",
        FASTNN_EXAMPLES="quick",
    )
    return folder, found


def test_every_script_is_in_the_header_and_is_checked():
    header = (EXAMPLES / "README.rst").read_text(encoding="utf-8")
    names = {name_of(script) for script in SCRIPTS}
    assert names == set(CLAIMS)
    assert all(f"``plot_{name}``" in header for name in names)


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_script(script, wrong):
    folder, found = wrong
    assert str(script) not in found, found[str(script)]
    assert list(folder.glob(f"{name_of(script)}-*.png"))


def test_scripts_write_no_files(wrong):
    folder, _ = wrong
    assert {path.suffix for path in folder.iterdir()} == {".png"}
