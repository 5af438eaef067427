"""Time of a grid search: many small fits, as in practice."""

from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from .models import LIBRARIES, compile_twins, find_class, fit_quietly

GRID = {
    "hidden_layer_sizes": [(50,), (100,)],
    "alpha": [1e-5, 1e-3, 1e-1],
    "learning_rate_init": [1e-3, 1e-2],
}
FOLDS, EPOCHS = 5, 5


class GridSearch:
    """Twelve candidates, five folds of the digits, five epochs each, and a last fit.

    `search` is who searches: so far, scikit-learn for both libraries' networks.
    """

    params = (("sklearn",), LIBRARIES)
    param_names = ("search", "library")
    timeout = 600
    number = 1
    repeat = (2, 5, 20.0)

    def setup(self, search, library):
        self.X, self.y = load_digits(return_X_y=True)
        estimator = find_class(library, "classification")(
            max_iter=EPOCHS, random_state=0
        )
        self.search = GridSearchCV(estimator, GRID, cv=FOLDS)
        if library == "fastnn":
            compile_twins("float64")
        fit_quietly(estimator, self.X[:300], self.y[:300]).score(self.X, self.y)

    def time_search(self, search, library):
        fit_quietly(self.search, self.X, self.y)
