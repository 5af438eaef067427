"""The libraries under comparison, behind one small interface.

A contender trains the network of one workload. It is built once, `reset` puts
it back to its first weights, and `run` trains. Only `run` is timed.
"""

from importlib import import_module

_WHERE = {
    "fastnn": ("fastnn", ".estimator", "FastnnContender"),
    "sklearn": ("sklearn.neural_network", ".estimator", "SklearnContender"),
    "torch": ("torch", ".torch_net", "TorchContender"),
    "torch.compile": ("torch", ".torch_net", "CompiledTorchContender"),
    "jax": ("jax", ".jax_net", "JaxContender"),
}

NAMES = tuple(_WHERE)


def probe(name):
    """Import the library of that contender, or raise ImportError."""
    import_module(_WHERE[name][0])


def build(name, workload, threads):
    """Return the contender of that name, ready to run.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    workload : Workload
        What it trains.
    threads : int
        Threads it may use.

    Returns
    -------
    object
        Has `reset()`, `run(epochs)` returning one loss per epoch, `rows` (the
        rows it trains on in an epoch), `tune(measure)`, which may pick a faster
        setting with the help of a stopwatch, and `describe()`.
    """
    _, module, attribute = _WHERE[name]
    return getattr(import_module(module, __package__), attribute)(workload, threads)
