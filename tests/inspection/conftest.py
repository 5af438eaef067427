"""Pictures are drawn without a screen, and closed after each test."""

import pytest


@pytest.fixture(autouse=True)
def _no_screen():
    """Use the backend that draws into memory, where matplotlib is installed."""
    try:
        import matplotlib
    except ImportError:
        yield
        return
    matplotlib.use("Agg", force=True)
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
