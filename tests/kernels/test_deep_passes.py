"""Layers with normalisation, short cuts and masks: what each step leaves, and where."""

import itertools

import numpy as np
import pytest
import reference
from fastnn.kernels import _host, normalization, training
from fastnn.kernels import layout as at
from kernel_tools import (
    BOUNDSCHECK,
    CANARY,
    LOGISTIC,
    SOFTMAX,
    SQUARED,
    Net,
    assert_close,
    few_or_many,
    needs_parallel,
    random_data,
    random_parameters,
    same_bits,
    same_results,
)
from reference import draws as noise_twin
from scipy import sparse

from fastnn.structure import plan as plan_module
from fastnn.structure.architecture import Architecture
from fastnn.structure.network import Network, Rows
from fastnn.structure.plan import Plan, Training
from fastnn.structure.variants import LOSSES

SIZES = (4, 17, 17, 5, 3)
ROWS = few_or_many(7, 31)
STRUCTURES = {
    "plain": {},
    "layer": {"norm": "layer"},
    "batch": {"norm": "batch"},
    "residual": {"residual": True},
    "residual layer": {"norm": "layer", "residual": True},
    "residual batch": {"norm": "batch", "residual": True},
}
DROPOUTS = ((), (0.0, 0.4, 0.2, 0.3), (0.3, 0.0, 0.4, 0.0))
SEED, EPOCH = 5, 2**33 + 6


def make(structure, dtype, sizes=SIZES, n=ROWS, ends=SQUARED, data=None, **options):
    X, Y = data or random_data(n, sizes, ends, dtype)
    activation = options.pop("activation", "tanh")
    net = Net(sizes, X, Y, ends, activation, structure=structure or None, **options)
    net.net[[at.SEED, at.EPOCH]] = SEED, EPOCH
    net.set_theta(random_parameters(net.network.architecture, dtype))
    return net


def masks_of(architecture, rows, dropout):
    """Return the inputs' mask and the list of the hidden layers'."""
    if not dropout:
        return 1.0, None
    sizes = architecture.sizes
    masks = [
        noise_twin.mask(SEED, EPOCH, i - 1, rows, sizes[i], p)
        for i, p in enumerate(dropout)
    ]
    return masks[0], masks[1:]


def expect(net, X, Y, ends=SQUARED, weight=None, dropout=(), rows=None):
    """Return loss, gradient and layers of the slow twin."""
    rows = np.arange(len(X)) if rows is None else rows
    on_inputs, masks = masks_of(net.network.architecture, rows, dropout)
    return reference.backpropagate_deep(
        net.theta,
        net.network.architecture,
        ends,
        X[rows] * on_inputs,
        Y[rows],
        None if weight is None else weight[rows],
        masks,
    )


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
@pytest.mark.parametrize("dropout", DROPOUTS, ids=["", "hidden", "inputs"])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_batch(structure, dropout, activation, dtype):
    """Loss, gradient, and each layer's A and D at their places, in any order."""
    X, Y = random_data(ROWS, SIZES, SQUARED, dtype)
    options = {"dropout": dropout, "activation": activation}
    net = make(STRUCTURES[structure], dtype, data=(X, Y), **options)
    order = np.random.default_rng(1).permutation(ROWS)
    want, gradient, layers = expect(net, X, Y, dropout=dropout, rows=order)
    assert_close(net.train(order=order), want, dtype)
    assert_close(net.gradient, gradient, dtype)
    for i, layer in enumerate(layers):
        width = SIZES[i + 1]
        got = net.rows_at(i, "D0", ROWS, width)
        assert_close(got, layer["D"], dtype, name=f"D of {i}")
        if i < len(layers) - 1:
            assert_close(net.rows_at(i, "A0", ROWS, width), layer["A"], dtype)
    for start in (at.P0, at.G0):
        assert not net.padding(int(net.net[start])).any()


@pytest.mark.parametrize("ends", [SOFTMAX, LOGISTIC])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_weights(structure, ends, dtype):
    """Row weights, some zero: also in the means of batch normalisation."""
    weight = np.random.default_rng(2).exponential(size=ROWS).astype(dtype)
    weight[[1, 4]] = 0
    X, Y = random_data(ROWS, SIZES, ends, dtype)
    net = make(STRUCTURES[structure], dtype, data=(X, Y), ends=ends, weight=weight)
    want, gradient, _ = expect(net, X, Y, ends, weight)
    assert_close(net.train(), want, dtype)
    assert_close(net.gradient, gradient, dtype)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_prediction(structure, dtype):
    """Without masks; batch normalisation by the population's statistics."""
    X, Y = random_data(ROWS, SIZES, SQUARED, dtype)
    net = make(STRUCTURES[structure], dtype, data=(X, Y), dropout=DROPOUTS[1])
    architecture = net.network.architecture
    parts = reference.split_parts(net.theta, architecture)
    layers = reference.forward_deep(parts, architecture, X, predicted=True)
    got = net.predict()
    assert_close(got, layers[-1]["z"], dtype)
    for i in range(architecture.n_hidden):
        hidden = hidden_outputs(net, X, i)
        assert_close(hidden, layers[i]["A"], dtype, name=f"layer {i}")


def hidden_outputs(net, X, layer, n_workers=2):
    """Return a hidden layer's outputs by a plan that predicts them."""
    rows = Rows(X)
    architecture = net.network.architecture
    plan = Plan(
        architecture, net.dtype, n_workers=n_workers, sparse=rows.sparse,
        batch_size=rows.n, hidden=layer,
    )  # fmt: skip
    network = Network(plan)
    network.set_parameters(net.theta)
    k = architecture.sizes[layer + 1]
    out = np.full((rows.n + 2) * k, CANARY, net.dtype)
    call = (network.net, network.arena, *rows.arrays, np.empty(0, np.int64))
    training.predict_serial[net.dtype](*call, out[k:-k], rows.n)
    assert (out[:k] == CANARY).all()
    assert (out[-k:] == CANARY).all()
    return out[k:-k].reshape(rows.n, k)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_sparse_rows(structure, dtype):
    """CSR gives what dense rows give, but for the order of sums."""
    X, Y = random_data(ROWS, SIZES, SQUARED, dtype)
    X[np.random.default_rng(0).random(X.shape) < 0.5] = 0
    options = {"dropout": DROPOUTS[1], "activation": "silu"}
    dense = make(STRUCTURES[structure], dtype, data=(X, Y), **options)
    csr = make(STRUCTURES[structure], dtype, data=(sparse.csr_matrix(X), Y), **options)
    order = np.arange(ROWS)[::-1].copy()
    assert_close(csr.train(order=order), dense.train(order=order), dtype)
    assert_close(csr.gradient, dense.gradient, dtype)
    assert_close(csr.predict(), dense.predict(), dtype)
    got = hidden_outputs(csr, sparse.csr_matrix(X), 1)
    assert_close(got, hidden_outputs(dense, X, 1), dtype)


@pytest.mark.parametrize("parallel", [False, pytest.param(True, marks=needs_parallel)])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_same_bits_for_any_workers(structure, parallel, dtype):
    """Also where there are more workers than rows or vectors of columns."""
    results = []
    for n_workers in (1, 2, 3, 7):
        options = {"dropout": DROPOUTS[1], "n_workers": n_workers, "solver": "adam"}
        net = make(STRUCTURES[structure], dtype, batch_size=ROWS // 2, **options)
        losses = [net.train(parallel) for _ in range(2)]
        results.append((np.array(losses), net.theta, net.predict()))
    for other in results[1:]:
        for left, right in zip(results[0], other, strict=True):
            assert same_results(left, right)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_same_bits_for_any_tiles_and_blocks(structure, monkeypatch, dtype):
    """A batch in blocks gives the same; batch normalisation has none.

    The reported loss is a sum of float64 over each block, then over blocks: it may
    differ in its last digits.
    """
    results, losses = [], []
    for cache, block in ((1, 2**26), (10**9, 2**26), (1, 1)):
        monkeypatch.setattr(plan_module, "_CACHE_BYTES", cache)
        monkeypatch.setattr(plan_module, "_BLOCK_BYTES", block)
        net = make(STRUCTURES[structure], dtype, dropout=DROPOUTS[2])
        whole = STRUCTURES[structure].get("norm") == "batch" or block > 1
        assert (net.net[at.N_BLOCKS] == 1) == whole
        losses.append(net.train())
        results.append((net.gradient, net.predict()))
    np.testing.assert_allclose(
        losses, losses[0], rtol=1e-14 if not BOUNDSCHECK else 5e-6
    )
    for other in results[1:]:
        for left, right in zip(results[0], other, strict=True):
            assert same_results(left, right)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_bits_of_a_row_do_not_depend_on_its_batch(structure, dtype):
    """Predicted alone or among others."""
    net = make(STRUCTURES[structure], dtype)
    X = np.ascontiguousarray(net.rows.numbers.reshape(ROWS, -1))
    want = net.predict()
    one = make(STRUCTURES[structure], dtype, n=1)
    one.set_theta(net.theta)
    for i in (0, 5, ROWS - 1):
        one.rows.numbers = X[i].copy()
        assert same_bits(one.predict()[0], want[i])


@pytest.mark.parametrize("structure", STRUCTURES)
def test_nan_is_seen(structure, dtype):
    """In the loss of training, and in its own row of a prediction."""
    X, Y = random_data(7, SIZES, SQUARED, dtype)
    X[4, 1] = np.nan
    net = make(STRUCTURES[structure], dtype, data=(X, Y), activation="relu")
    rows = np.isnan(net.predict()).all(axis=1)
    np.testing.assert_array_equal(rows, np.arange(7) == 4)
    assert np.isnan(net.train())
    assert np.isnan(net.gradient).any()


def test_rows_without_hidden_layers(dtype):
    """Dropped inputs of a linear network: the deep pass with nothing to do between."""
    X, Y = random_data(ROWS, (4, 3), SQUARED, dtype)
    net = make({}, dtype, (4, 3), data=(X, Y), dropout=(0.5,))
    want, gradient, _ = expect(net, X, Y, dropout=(0.5,))
    assert_close(net.train(), want, dtype)
    assert_close(net.gradient, gradient, dtype)


OPTIONS = {
    "": {},
    "all": {
        "dropout": DROPOUTS[2], "mixup": True, "n_rows": 40, "l1": True,
        "clips": True, "max_norm": True, "average": True, "weighted": True,
    },
}  # fmt: skip
SHAPES = [(3, 2), (4, 17, 2), SIZES, (2, 16, 64, 128, 130), (1, 1, 1, 1, 1)]


def regions_of(plan, training):
    """Return (start, size, name) of each region, read out of the table alone."""
    net, slots = plan.net, plan.n_slots

    def field(layer, name):
        return int(net[at.HEADER + layer * at.LAYER + getattr(at, name)])

    packed, block = int(net[at.N_PACKED]), int(net[at.BLOCK])
    sizes = {
        "P0": packed, "SLOT0": slots * packed, "G0": packed, "ONES0": 1,
        "CONSTANTS0": at.N_CONSTANTS, "LOSS_PARAMETERS0": max(8, net[at.N_OUTPUTS]),
        "INPUT0": block * net[at.INPUT_STRIDE], "ROW_LOSS0": block,
        "ROW_WEIGHT0": net[at.BATCH] + 1, "TILE_SUM0": net[at.N_TILES],
        "TILE_NORM0": net[at.N_TILES],
        "SCRATCH0": net[at.N_WORKERS] * net[at.SCRATCH_SIZE],
        "AVERAGE0": packed * training.average, "ORTHANT0": packed * training.l1,
        "LAMBDA0": training.n_rows * training.mixup,
    }  # fmt: skip
    found = {(int(net[getattr(at, k)]), int(n), k) for k, n in sizes.items() if n}
    n_layers = int(net[at.N_LAYERS])
    for i in range(plan.n_matrices):
        rows = block * field(i, "STRIDE")
        names = ("A0", "D0", "KEPT0", "Z0", "NORMED0") if i < n_layers else ("D0",)
        found |= {(field(i, name), rows, f"rows of {i}") for name in names}
        if i > 0:
            lanes = plan.lanes
            size = _host.round_up(field(i, "FAN_IN"), lanes) * field(i, "T_ROWS")
            found.add((field(i, "T0"), size, f"T0 of {i}"))
        if i < n_layers - 1 and net[at.NORM] == at.LAYER_NORM:
            found.add((field(i, "NORM_DELTA0"), rows, f"NORM_DELTA0 of {i}"))
            found.add((field(i, "STATISTICS0"), block, f"STATISTICS0 of {i}"))
        if i < n_layers - 1 and net[at.NORM] == at.BATCH_NORM:
            size = normalization.N_STATISTICS * field(i, "STRIDE")
            found.add((field(i, "STATISTICS0"), size, f"STATISTICS0 of {i}"))
    return sorted(found)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_regions_are_disjoint(structure, options, activation, dtype):
    """Every region lies in the arena and none in another, for many networks."""
    for sizes, n_workers, batch in itertools.product(SHAPES, (1, 3), (1, 40)):
        kind = STRUCTURES[structure] if len(sizes) > 2 else {}
        names = (activation,) * (len(sizes) - 2)
        architecture = Architecture(sizes, names, "identity", **kind)
        given = dict(OPTIONS[options])
        if given:
            given["dropout"] = (0.1,) * (len(sizes) - 1)
        step = Training(LOSSES[SQUARED], "amsgrad", sizes[-1], validates=True, **given)
        plan = Plan(
            architecture, dtype, n_workers=n_workers, sparse=False, batch_size=batch,
            training=step,
        )  # fmt: skip
        regions = regions_of(plan, step)
        for (start, size, name), (after, _, other) in itertools.pairwise(regions):
            assert start + size <= after, (sizes, name, other)
            assert start % 16 == 0
        assert regions[-1][0] + regions[-1][1] <= plan.arena_size


@pytest.mark.parametrize("structure", STRUCTURES)
def test_parts_cover_their_places_once(structure, dtype):
    """Parts of P do not overlap, and packing and unpacking is the identity."""
    net = make(STRUCTURES[structure], dtype, solver="adam")
    theta = random_parameters(net.network.architecture, dtype, 3)
    net.set_theta(theta)
    assert same_bits(net.theta, theta)
    marks = np.arange(1, theta.size + 1).astype(np.float64)
    packed = np.zeros(int(net.net[at.N_PACKED]))
    at.pack[np.dtype("float64")](with_lanes_of(net, np.float64), packed, marks, 0)
    assert set(packed[packed != 0]) == set(marks)


def with_lanes_of(net, dtype):
    """Return the table of the same network for another type."""
    plan = net.network.plan
    table = Plan(
        plan.architecture, dtype, n_workers=1, sparse=False, batch_size=1,
        training=plan.training,
    ).net  # fmt: skip
    net.net = table
    return table


@pytest.mark.parametrize("mixup", [False, True])
def test_shares_of_rows(mixup, dtype):
    """Rows' shares w / Σ w of a mini-batch, and the rows that it stands for."""
    n, batch = 10, 4
    weights = {
        "none": None,
        "small": np.full(n, 0.125, dtype),
        "some": np.array([0, 2, 1, 5, 0, 0, 0.5, 3, 0, 7], dtype),
    }
    order = np.array([3, 1, 0, 2, 9, 8, 5, 4, 7, 6])
    for name, weight in weights.items():
        options = {"weight": weight, "mixup": mixup, "n_rows": n * mixup}
        net = make({"norm": "batch"}, dtype, n=n, batch_size=batch, **options)
        share = np.linspace(0.5, 1, n).astype(dtype)
        if mixup:
            start = net.net[at.LAMBDA0]
            net.arena[start : start + n] = share
        for index, begin in enumerate(range(0, n, batch)):
            net.train(order=order, batches=(index, index + 1))
            rows = order[begin : begin + batch]
            w = np.ones(len(rows)) if weight is None else weight[rows].astype(float)
            if mixup and weight is not None:
                own = share[begin : begin + batch].astype(float)
                w = own * w + (1 - own) * np.roll(w, -1)
            start = net.net[at.ROW_WEIGHT0]
            got = net.arena[start : start + len(rows) + 1]
            assert_close(got[:-1], w / w.sum(), dtype, 1e-14, 1e-6, name)
            stands_for = max(w.sum(), (w > 0).sum())
            assert_close(got[-1], stands_for, dtype, 1e-14, 1e-6, name)
