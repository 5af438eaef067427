"""PyTorch, eager and compiled, in float32."""

import math
from itertools import pairwise

from ..workloads import ALPHA, LEARNING_RATE, SEED, make_data


class TorchContender:
    """A usual eager training loop, with what makes it fast on a CPU.

    The data are tensors before the clock starts; an epoch gathers the rows in
    a new random order once and hands out views; Adam is the fused one; the loss
    leaves the graph once per epoch.
    """

    label = "eager"

    def __init__(self, workload, threads):
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(SEED)
        self._torch = torch
        self._threads = threads
        self._workload = workload
        X, y = make_data(workload)
        self._X = torch.from_numpy(X)
        self._y = torch.from_numpy(y)
        if workload.output_units == 1:
            self._y = self._y.float().unsqueeze(1)
        self.rows = workload.n_samples
        self._model = self._build_model()
        self._first = [p.detach().clone() for p in self._model.parameters()]
        self._forward = self._wrap(self._build_forward())
        self.reset()

    def _build_model(self):
        """Return the network, with scikit-learn's initial distribution."""
        nn = self._torch.nn
        sizes = self._workload.layer_sizes
        activation = {"relu": nn.ReLU, "tanh": nn.Tanh}[self._workload.activation]
        layers = []
        for fan_in, fan_out in pairwise(sizes):
            linear = nn.Linear(fan_in, fan_out)
            bound = math.sqrt(6.0 / (fan_in + fan_out))
            for parameter in linear.parameters():
                nn.init.uniform_(parameter, -bound, bound)
            layers += [linear, activation()]
        return nn.Sequential(*layers[:-1])

    def _build_forward(self):
        """Return the function from a batch to its mean loss."""
        model = self._model
        functional = self._torch.nn.functional
        loss = {
            "squared": lambda out, y: 0.5 * functional.mse_loss(out, y),
            "logistic": functional.binary_cross_entropy_with_logits,
            "softmax": functional.cross_entropy,
        }[self._workload.loss]
        return lambda X, y: loss(model(X), y)

    def _wrap(self, forward):
        return forward

    def reset(self):
        """Put the first weights back, with a new optimiser."""
        torch = self._torch
        with torch.no_grad():
            pairs = zip(self._model.parameters(), self._first, strict=True)
            for parameter, value in pairs:
                parameter.copy_(value)
        self._optimizer = torch.optim.Adam(
            self._model.parameters(),
            lr=LEARNING_RATE,
            weight_decay=ALPHA / self._workload.batch,
            fused=True,
        )

    def tune(self, measure):
        """Keep one thread if that is faster than all of them, as it often is."""
        seconds = {}
        for threads in sorted({1, self._threads}):
            self._torch.set_num_threads(threads)
            seconds[threads] = measure()
        self._torch.set_num_threads(min(seconds, key=seconds.get))

    def run(self, epochs):
        """Train for `epochs` epochs and return the loss of each."""
        return [self._run_epoch() for _ in range(epochs)]

    def _run_epoch(self):
        torch, batch = self._torch, self._workload.batch
        order = torch.randperm(self.rows)
        parts = self._X[order].split(batch), self._y[order].split(batch)
        losses = []
        for X, y in zip(*parts, strict=True):
            loss = self._forward(X, y)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            losses.append(loss.detach())
        counts = torch.tensor([float(len(X)) for X in parts[0]])
        return float(torch.stack(losses) @ counts) / self.rows

    def describe(self):
        """Return the version and the threads in one line."""
        torch = self._torch
        return (
            f"torch {torch.__version__} {self.label}, float32, fused Adam, "
            f"threads: {torch.get_num_threads()}"
        )


class CompiledTorchContender(TorchContender):
    """The same loop with forward, loss and backward through `torch.compile`."""

    label = "compiled"

    def _wrap(self, forward):
        # Forget earlier workloads: past a number of compilations torch gives up.
        self._torch._dynamo.reset()
        # One compilation for the full batch and one for the remainder.
        return self._torch.compile(forward, dynamic=False)
