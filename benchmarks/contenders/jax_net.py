"""JAX in float32: a compiled call trains several epochs."""

from itertools import pairwise

import numpy as np

from ..workloads import ALPHA, LEARNING_RATE, SEED, make_data

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
EPOCHS_PER_CALL = 16  # spreads the cost of a call, and compiles only once


def _make_loss(workload):
    """Return the function from (params, X, y) to the mean loss of a batch."""
    import jax
    import jax.numpy as jnp

    activation = {"relu": jax.nn.relu, "tanh": jnp.tanh}[workload.activation]

    def measure(out, y):
        if workload.loss == "squared":
            return 0.5 * jnp.mean((out[:, 0] - y) ** 2)
        if workload.loss == "logistic":
            return jnp.mean(jax.nn.softplus(out[:, 0]) - y * out[:, 0])
        # A comparison, not an index: its gradient needs no slow scatter.
        hot = y[:, None] == jnp.arange(workload.n_outputs)
        chosen = jnp.where(hot, out, 0).sum(axis=1)
        return jnp.mean(jax.nn.logsumexp(out, axis=1) - chosen)

    def loss(params, X, y):
        for weight, bias in params[:-1]:
            X = activation(X @ weight + bias)
        weight, bias = params[-1]
        return measure(X @ weight + bias, y)

    return loss


def _make_step(workload):
    """Return one step of Adam, with the L2 term in the gradient."""
    import jax
    import jax.numpy as jnp

    loss = _make_loss(workload)

    def step(state, batch):
        params, first, second, count = state
        value, grads = jax.value_and_grad(loss)(params, *batch)
        decay = ALPHA / batch[0].shape[0]
        grads = [
            (gw + decay * w, gb) for (gw, gb), (w, _) in zip(grads, params, strict=True)
        ]
        count = count + 1.0
        rate = LEARNING_RATE * jnp.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
        first = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, first, grads)
        second = jax.tree.map(
            lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, second, grads
        )
        params = jax.tree.map(
            lambda p, m, v: p - rate * m / (jnp.sqrt(v) + EPSILON),
            params,
            first,
            second,
        )
        return (params, first, second, count), value

    return step


def _make_epoch(workload):
    """Return an epoch: a scan over the full batches, then the remainder."""
    import jax

    step = _make_step(workload)
    rows, batch = workload.n_samples, workload.batch
    full, rest = divmod(rows, batch)

    def epoch(state, X, y, order):
        X, y = X[order], y[order]
        cut = full * batch
        batches = (
            X[:cut].reshape(full, batch, -1),
            y[:cut].reshape(full, batch),
        )
        state, losses = jax.lax.scan(step, state, batches)
        total = losses.sum() * batch
        if rest:
            state, loss = step(state, (X[cut:], y[cut:]))
            total = total + loss * rest
        return state, total / rows

    return epoch


def _make_call(workload):
    """Return the compiled function that trains up to `EPOCHS_PER_CALL` epochs."""
    import jax
    import jax.numpy as jnp

    run_epoch = _make_epoch(workload)

    def call(state, X, y, orders, count):
        def body(i, carry):
            state, losses = carry
            state, loss = run_epoch(state, X, y, orders[i])
            return state, losses.at[i].set(loss)

        losses = jnp.zeros(EPOCHS_PER_CALL, X.dtype)
        return jax.lax.fori_loop(0, count, body, (state, losses))

    return jax.jit(call, donate_argnums=0)


class JaxContender:
    """Data that are device arrays already, and a new random order per epoch."""

    def __init__(self, workload, threads):
        import jax

        self._jax = jax
        self._workload = workload
        self._threads = threads
        X, y = make_data(workload)
        self._X = jax.device_put(X)
        small = np.int32 if workload.loss == "softmax" else np.float32
        self._y = jax.device_put(y.astype(small))
        self.rows = workload.n_samples
        self._call = _make_call(workload)
        self.reset()

    def reset(self):
        """Put the first weights back, with a new optimiser."""
        self._rng = np.random.default_rng(SEED)
        sizes = self._workload.layer_sizes
        params = []
        for fan_in, fan_out in pairwise(sizes):
            bound = np.sqrt(6.0 / (fan_in + fan_out))
            params.append(
                tuple(
                    self._rng.uniform(-bound, bound, shape).astype(np.float32)
                    for shape in ((fan_in, fan_out), (fan_out,))
                )
            )
        moments = [[tuple(map(np.zeros_like, p)) for p in params] for _ in range(2)]
        state = (params, *moments, np.float32(0))
        self._state = self._jax.block_until_ready(self._jax.device_put(state))

    def tune(self, measure):
        """Do nothing: XLA picks its threads."""

    def run(self, epochs):
        """Train for `epochs` epochs and return the loss of each."""
        losses = []
        for start in range(0, epochs, EPOCHS_PER_CALL):
            count = min(EPOCHS_PER_CALL, epochs - start)
            orders = np.zeros((EPOCHS_PER_CALL, self.rows), np.int32)
            for i in range(count):
                orders[i] = self._rng.permutation(self.rows)
            self._state, some = self._call(self._state, self._X, self._y, orders, count)
            losses.append((some, count))
        self._jax.block_until_ready(self._state)
        return [float(v) for some, n in losses for v in np.asarray(some)[:n]]

    def describe(self):
        """Return the version and the threads in one line."""
        devices = self._jax.devices()
        return (
            f"jax {self._jax.__version__} on {devices[0].platform}, float32, "
            f"XLA's thread pool on {self._threads} cores"
        )
