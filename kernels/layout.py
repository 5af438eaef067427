"""How a network lies in flat arrays: one integer table and one arena of floats.

A kernel learns all it needs of a network from `net`, a vector of int64: a header,
one record per layer of weights, the table of weight tiles, and the workers' shares
of it. Every number that a training step reads or writes lies in `arena`, a vector
of one float type::

    arena = [ P | slots | G | transposed W | ones | A0 D1 A1 D2 A2 ... | row losses
              | tile sums | scratch of worker 0 | scratch of worker 1 | ... ]

    P, one slot, G:  [ panels of W0 | panels of W1 | ... | b0 | b1 | ... ]

Weights are packed in panels of a few vectors' width, each panel row-major, so that
the products read them in one stream. Columns are padded with zeros up to a whole
vector, and stay zero: their gradients are zero::

    W (K × 100), 16 lanes          panel 0: K × 64       panel 1: K × 48
                                                          36 columns, 12 zeros

All offsets count numbers, not bytes. "P0" is where a region starts in the arena;
"W0" of a layer counts from the start of P (and of a slot, and of G).
"""

from ._jit import INT, Interface, array, inner, unit
from ._llvm import lanes, view
from .transposition import TRANSPOSE_MATRIX

# The header.
(
    N_LAYERS,  # layers of weights
    N_TARGETS,  # numbers per row of Y
    N_OUTPUTS,
    N_PACKED,  # numbers in P
    N_WEIGHTS,  # of these, weights; the rest are biases
    PANEL,  # columns of a full panel
    BATCH,  # rows of a mini-batch
    BLOCK,  # rows that are held in the arena at once
    N_BLOCKS,  # blocks of a full mini-batch
    N_ROWS,  # rows of the training set
    TILE_ROWS_MAX,  # rows that pass through all layers together
    N_WORKERS,
    N_TILES,
    TILES,  # where the tile table starts in net
    SHARES,  # where the workers' shares start in net
    LOAD,  # from here to END_BATCH, addresses of units
    PRODUCT,
    TRANSPOSE,
    FORWARD_ROWS,
    SPARSE_GRADIENT,
    LOSS,
    OUTPUT,
    BEGIN_STEP,
    UPDATE,
    ROW_PASS,
    PREDICT_PASS,
    WEIGHT_PASS,
    BEGIN_BATCH,
    END_BLOCK,
    END_BATCH,
    P0,
    SLOT0,
    G0,
    ONES0,
    INPUT0,  # the gathered rows of X
    INPUT_STRIDE,
    ROW_LOSS0,
    TILE_SUM0,
    SCRATCH0,
    SCRATCH_SIZE,
    LOSS_PARAMETERS0,  # numbers that a loss depends on
    SPARSE,  # 1: X is CSR, and the first layer reads it there
    WEIGHTED,  # 1: rows have weights
    HEADER,  # size of the header
) = range(44)

# A layer's record; the first starts at HEADER.
(
    FAN_IN,
    FAN_OUT,
    WIDTH,  # fan_out, rounded up to whole vectors
    STRIDE,  # from one row of Z, A or delta to the next: WIDTH or a little more
    W0,
    B0,
    T0,  # transposed weights in the arena
    T_ROWS,  # rows of a panel of transposed weights
    A0,  # outputs of the layer
    D0,  # deltas of the layer
    FORWARD,
    BACKWARD,
    LAYER,  # size of a record
) = range(13)

# Rows that the losses work on together, column by column.
GROUP = 64

# A tile's record: rows [FIRST_ROW, LAST_ROW) of the panel at COLUMN of a layer.
TILE_LAYER, COLUMN, FIRST_ROW, LAST_ROW, TILE = range(5)

# Hyper-parameters and the running sums of a call, in float64. Behind them lie the
# learning rates of the epoch's mini-batches, one each.
(
    ALPHA,  # of the L2 penalty ½ ALPHA Σ W², for the loss that is reported
    L2,  # the same where the solver adds the penalty's gradient, else 0
    GRADIENT_SCALE,  # a solver's gradient is (G + L2 · p) · GRADIENT_SCALE
    FINISHED,  # 1: G is a finished gradient when the solver gets it
    RATE,
    MOMENTUM,
    NESTEROV,
    DAMPENING,
    BETA_1,
    BETA_2,
    RHO,
    EPSILON,
    STEPS,  # steps taken
    POWER_1,  # beta_1 ** STEPS
    POWER_2,
    POWER_MU,  # product of Nadam's momenta
    TINY,  # moments below it become 0
    STEP_SIZE,  # what a solver's begin_step leaves for its update
    STEP_SIZE_2,
    ROOT_SCALE,
    LOSS_SCALE,  # times the sum over outputs
    COUNT_BY_WEIGHT,  # 1: an epoch's loss averages by weight, 0: by rows
    WEIGHT_SUM,  # of the current batch
    DATA_LOSS,  # of the current batch, not divided
    LOSS_SUM,  # of this call, and what it is to be divided by
    LOSS_COUNT,
    N_HYPER,
) = range(27)


@inner
def layer_field(net, layer, field):
    """Return a number of a layer's record."""
    return net[HEADER + layer * LAYER + field]


@inner
def panel_columns(net, layer, column):
    """Return the padded width of the layer's panel that starts at `column`."""
    return min(net[PANEL], layer_field(net, layer, WIDTH) - column)


call_transpose = TRANSPOSE_MATRIX.call

PACK = Interface(lambda F: (array(INT), array(F), array(F, True), INT), 4)
UNPACK = Interface(lambda F: (array(INT), array(F), array(F), INT), 4)
REFRESH = Interface(lambda F: (array(INT), array(F), INT), 3)


@unit(PACK)
def pack(net, arena, theta, start):
    """Copy parameters in row-major order into the panels at arena[start].

    Parameters
    ----------
    net : vector of int64
    arena : vector of floats, OUT; padding is not written
    theta : vector of floats, IN
        [W0 | W1 | ... | b0 | b1 | ...], each W row-major (fan_in, fan_out).
    start : int
        P0, G0 or where a slot starts.
    """
    source = 0
    for layer in range(net[N_LAYERS]):
        K = layer_field(net, layer, FAN_IN)
        N = layer_field(net, layer, FAN_OUT)
        base = start + layer_field(net, layer, W0)
        for column in range(0, N, net[PANEL]):
            width = panel_columns(net, layer, column)
            used = min(width, N - column)
            for k in range(K):
                row = view(theta, source + k * N + column, used)
                packed = view(arena, base + k * width, used)
                for j in range(used):
                    packed[j] = row[j]
            base += K * width
        source += K * N
    for layer in range(net[N_LAYERS]):
        N = layer_field(net, layer, FAN_OUT)
        row = view(theta, source, N)
        packed = view(arena, start + layer_field(net, layer, B0), N)
        for j in range(N):
            packed[j] = row[j]
        source += N


@unit(UNPACK)
def unpack(net, arena, theta, start):
    """Copy the panels at arena[start] into theta (OUT): the inverse of `pack`."""
    source = 0
    for layer in range(net[N_LAYERS]):
        K = layer_field(net, layer, FAN_IN)
        N = layer_field(net, layer, FAN_OUT)
        base = start + layer_field(net, layer, W0)
        for column in range(0, N, net[PANEL]):
            width = panel_columns(net, layer, column)
            used = min(width, N - column)
            for k in range(K):
                row = view(theta, source + k * N + column, used)
                packed = view(arena, base + k * width, used)
                for j in range(used):
                    row[j] = packed[j]
            base += K * width
        source += K * N
    for layer in range(net[N_LAYERS]):
        N = layer_field(net, layer, FAN_OUT)
        row = view(theta, source, N)
        packed = view(arena, start + layer_field(net, layer, B0), N)
        for j in range(N):
            row[j] = packed[j]
        source += N


@inner
def transpose_tile(net, arena, layer, column, first, last):
    """Write rows [first, last) of a panel of W into the panels of Wᵀ.

    ::

        W: rows k, panel at `column`          Wᵀ: rows j, panels over k
        P[w + k * width + j]           ->     T[t + j * width_t + k % PANEL]
    """
    n = lanes(arena)
    panel = net[PANEL]
    K = layer_field(net, layer, FAN_IN)
    width = panel_columns(net, layer, column)
    source = net[P0] + layer_field(net, layer, W0) + column * K
    rows = layer_field(net, layer, T_ROWS)
    padded = (K + n - 1) // n * n
    k = first
    while k < last:  # a tile may lie across two panels of Wᵀ
        start = k // panel * panel
        stop = min(last, start + panel)
        width_t = min(panel, padded - start)
        target = layer_field(net, layer, T0) + start * rows + column * width_t
        call_transpose(
            net[TRANSPOSE],
            arena,
            source + k * width,
            width,
            target + k - start,
            width_t,
            stop - k,
            width,
        )
        k = stop


@unit(REFRESH)
def refresh_transposes(net, arena, first_layer):
    """Write Wᵀ of every layer from `first_layer` on."""
    for layer in range(first_layer, net[N_LAYERS]):
        for column in range(0, layer_field(net, layer, FAN_OUT), net[PANEL]):
            K = layer_field(net, layer, FAN_IN)
            transpose_tile(net, arena, layer, column, 0, K)
