"""Single neurons that learn one sample at a time: Rosenblatt's and Hebb's rules.

A neuron is a vector [w_0, ..., w_(p-1), b], so that weights and bias lie side by side
as in an arena; Hebb's has no bias. X is a row-major matrix, as a vector.
"""

from ._jit import INT, Interface, array, inner, unit
from ._llvm import view

# (out, X, neuron, width)
NET_INPUTS = Interface(lambda F: (array(F), array(F, True), array(F, True), INT), 4)

# (neuron, X, target, rate, order, width, mistakes)
PERCEPTRON = Interface(
    lambda F: (
        array(F),
        array(F, True),
        array(F, True),
        array(F, True),
        array(INT, True),
        INT,
        array(INT),
    ),
    7,
)

# (w, X, step, width, history)
HEBB = Interface(lambda F: (array(F), array(F, True), array(F, True), INT, array(F)), 5)


@inner
def net_input(w, b, x):
    """Return Σ w_i x_i + b."""
    total = w.dtype.type(0)
    for j in range(x.size):
        total += w[j] * x[j]
    return total + b


@unit(NET_INPUTS)
def net_inputs(out, X, neuron, width):
    r"""Put the net input of every row of X into `out`.

    .. math:: net_r = \sum_i w_i x_{ri} + b

    Source: McCulloch and Pitts, "A logical calculus of the ideas immanent in nervous
    activity", 1943; the bias is their threshold with the other sign.
    """
    w = view(neuron, 0, width)
    b = neuron[width]
    for r in range(out.size):
        out[r] = net_input(w, b, view(X, r * width, width))


@unit(PERCEPTRON)
def perceptron_epoch(neuron, X, target, rate, order, width, mistakes):
    r"""Show a perceptron all samples once, in the given order; count its mistakes.

    After each sample, with f(net) = 1 for net ≥ 0 and 0 else, and targets y of 0 or 1,

    .. math:: w \leftarrow w + \eta (y - f(w·x + b)) x, \quad
              b \leftarrow b + \eta (y - f(w·x + b)).

    For the sign function with targets t of -1 or 1 the same numbers come from
    (t - f) / 2. `rate` holds each sample's η, its weight included; a sample whose rate
    is 0 is passed over and is never a mistake. An empty `order` means the rows as they
    are. The number of mistakes goes to mistakes[0].

    Source: Rosenblatt, "The perceptron: a probabilistic model for information storage
    and organization in the brain", 1958.
    """
    T = neuron.dtype.type
    zero, one = T(0), T(1)
    w = view(neuron, 0, width)
    n_mistakes = 0
    for i in range(order.size if order.size else target.size):
        r = order[i] if order.size else i
        eta = rate[r]
        x = view(X, r * width, width)
        output = one if net_input(w, neuron[width], x) >= zero else zero
        delta = target[r] - output
        if delta != zero and eta != zero:
            n_mistakes += 1
            step = eta * delta
            for j in range(width):
                w[j] += step * x[j]
            neuron[width] += step
    mistakes[0] = n_mistakes


@unit(HEBB)
def hebbian_epoch(w, X, step, width, history):
    r"""Show a neuron all samples once, in their order, and learn by Hebb's rule.

    .. math:: w \leftarrow w + \eta y x

    `step` holds each sample's η y. What is active together grows together; nothing
    is compared with what the neuron answers, and there is no bias. Where `history` is
    not empty, its row r gets the weights after sample r.

    Source: Hebb, "The organization of behavior", 1949.
    """
    for r in range(step.size):
        x = view(X, r * width, width)
        eta_y = step[r]
        for j in range(width):
            w[j] += eta_y * x[j]
        if history.size:
            after = view(history, r * width, width)
            for j in range(width):
                after[j] = w[j]
