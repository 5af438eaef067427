"""Write a model file of each class, and what it answers, for later versions to read.

Once per version that changes what files hold, from the root of the repository:

    PYTHONPATH=tests python tests/files/data/make_model_files.py

What is there is never written again: later versions must read it as it is.
"""

import json
from pathlib import Path

import numpy as np
from file_tools import ANSWERS, CASES, data_of, quietly
from sklearn.base import clone

import fastnn

FOLDER = Path(__file__).parent
N_ROWS = 6
MODELS = {
    "MLPClassifier-texts": ("texts, names", {}),
    "MLPRegressor-outputs": ("several outputs", {}),
    "MLPEstimator-layers": ("all layers", {"dtype": "float64"}),
    "MLPEstimator-float32": ("softmax of two", {"dtype": "float32"}),
    "MLPTransformer-names": ("transformer", {"estimator__dtype": "float64"}),
    "Perceptron-texts": ("perceptron", {}),
    "HebbianNeuron-history": ("hebbian", {}),
    "McCullochPittsNeuron-list": ("mcculloch-pitts", {}),
}


def main():
    """Write what is not there yet."""
    for name, (case, params) in MODELS.items():
        path = FOLDER / f"{name}-{fastnn.__version__}.fastnn"
        if path.exists():
            continue
        X, y = data_of(case)
        model = clone(CASES[case][0]).set_params(**params)
        quietly(model.fit, X, y)
        model.save(path)
        X = X[:N_ROWS]
        record = {
            "X": np.asarray(X).tolist(),
            "y": np.asarray(y)[:N_ROWS].tolist(),
            "answers": {
                method: getattr(model, method)(X).tolist()
                for method in ANSWERS[type(model).__name__ == "MLPTransformer"]
                if hasattr(model, method)
            },
        }
        text = json.dumps(record, indent=1) + "\n"
        path.with_name(f"{path.stem}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
