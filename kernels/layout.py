"""How a network lies in flat arrays: one integer table and one arena of floats.

A kernel learns all it needs of a network from `net`, a vector of int64: a header,
one record per matrix of weights, the table of weight tiles, the workers' shares of
it, and the parts that parameters consist of. Every number that a training step reads
or writes lies in `arena`, a vector of one float type::

    arena = [ P | slots | G | transposed W | ones | A0 D1 A1 D2 A2 ... | row losses
              | tile sums | scratch of worker 0 | scratch of worker 1 | ... ]

    P, one slot, G:  [ panels of W0 | panels of W1 | ... | b0 | b1 | ... | others ]

Weights are packed in panels of a few vectors' width, each panel row-major, so that
the products read them in one stream. Columns are padded with zeros up to a whole
vector, and stay zero: their gradients are zero::

    W (K × 100), 16 lanes          panel 0: K × 64       panel 1: K × 48
                                                          36 columns, 12 zeros

All offsets count numbers, not bytes. "P0" is where a region starts in the arena;
"W0" of a layer counts from the start of P (and of a slot, and of G).
"""

from ._atomic import load
from ._jit import INT, Interface, array, inner, unit
from ._llvm import lanes, view
from .transposition import TRANSPOSE_MATRIX

# The header.
(
    N_LAYERS,  # layers of weights
    N_TARGETS,  # numbers per row of Y
    N_OUTPUTS,
    N_PACKED,  # numbers in P
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
    N_PARTS,
    PARTS,  # where the table of parts starts in net
    ROW_PHASES,  # barriers in the row pass
    WEIGHT_PHASES,  # barriers in the weight pass after the last block
    N_SHARES,  # of a block's rows, each with a G of its own if there are several
    BATCH_FIRST,  # 1: rows need what begins a batch
    SYNC,  # where the workers' meeting is recorded in net
    STOP,  # 1: leave off, the arena is of no use any more
    LOAD,  # from here to TRAIN, addresses of units; 0 for none
    MIX,
    DISTURB,
    PRODUCT,
    TRANSPOSE,
    FORWARD_ROWS,
    SPARSE_GRADIENT,
    TARGETS,
    LOSS,
    OUTPUT,
    LOSS_OUTPUT,  # of a composed loss: output, value's loss, output's derivative
    VALUE_LOSS,
    OUTPUT_BACKWARD,
    BEGIN_STEP,
    UPDATE,
    ROW_PASS,
    PREDICT_PASS,
    WEIGHT_PASS,
    BEGIN_BATCH,
    END_BLOCK,
    MASK,
    NORM_ROWS,  # normalise rows in training
    NORM_PREDICTED,  # in prediction
    NORM_BACK,  # back through the normalisation of rows
    NORM_COLUMNS,  # a phase of batch normalisation
    DEEP_LAYER,  # one hidden layer forward, see `deep_layer`
    DEEP_BACK,
    NORM_GRADIENT,  # a tile of scale and shift
    ADD_L1,
    BOUND_NORMS,  # phases of the weight pass
    AVERAGE,
    END_BATCH,
    TRAIN_SERIAL,
    TRAIN_WORKER,
    TRAIN,  # what an epoch is trained by: the serial or the parallel twin
    P0,
    SLOT0,
    G0,
    AVERAGE0,  # running averages of P
    ORTHANT0,  # signs that weights must keep under an L1 penalty
    ONES0,
    INPUT0,  # the gathered rows of X
    INPUT_STRIDE,
    ROW_LOSS0,
    ROW_WEIGHT0,  # rows' weights, where normalisation needs them
    LAMBDA0,  # of mixup, one for each place in the epoch's order
    CONSTANTS0,  # numbers that a pass depends on: INPUT_NOISE and so on
    TILE_SUM0,
    TILE_NORM0,  # the norms of the tiles' gradients
    SCRATCH0,
    SCRATCH_SIZE,
    LOSS_PARAMETERS0,  # numbers that a loss depends on
    SPARSE,  # 1: X is CSR, and the first layer reads it there
    WEIGHTED,  # 1: rows have weights
    SEED,  # of masks and noise
    EPOCH,  # likewise: what tells this epoch from all others
    INPUT_DROP,  # share of inputs that are dropped, times 2³²
    HIDDEN,  # the layer whose outputs a prediction is about
    NORM,  # what hidden layers are normalised over: NO_NORM and so on
    HEADER,  # size of the header
) = range(82)

# A layer's record; the first starts at HEADER. Behind the layers' come those of the
# projections on short cuts, with the fields that a product needs.
(
    FAN_IN,
    FAN_OUT,
    WIDTH,  # fan_out, rounded up to whole vectors
    STRIDE,  # from one row of Z, A or delta to the next: WIDTH or a little more
    W0,
    B0,  # -1: no biases
    T0,  # transposed weights in the arena
    T_ROWS,  # rows of a panel of transposed weights
    IN0,  # inputs of the layer
    IN_STRIDE,
    A0,  # outputs of the layer
    D0,  # deltas of the layer
    FORWARD,
    BACKWARD,
    KEPT0,  # what BACKWARD reads: f(z) or z; A0 where that holds it
    READS_Z,  # 1: BACKWARD reads z
    Z0,  # where the product puts z: KEPT0, or NORMED0 if it is to be normalised
    NORMED0,  # (z - mean) / deviation
    NORM_DELTA0,  # dloss/dy of y = scale · normed + shift
    STATISTICS0,  # of the batch
    SCALE0,  # from here to COUNT0, places in P
    SHIFT0,
    MEAN0,  # of the population
    VARIANCE0,
    COUNT0,  # batches that they come from
    SHORTCUT,  # 0: none, 1: identity, else the projection's record
    DROP,  # share of outputs that are dropped, times 2³²
    LAYER,  # size of a record
) = range(28)

NO_NORM, LAYER_NORM, BATCH_NORM = range(3)

# At CONSTANTS0: the standard deviation of noise on inputs; what is added to variances.
INPUT_NOISE, NORM_EPSILON, N_CONSTANTS = range(3)

# Rows that the losses work on together, column by column.
GROUP = 64

# A tile's record: rows [FIRST_ROW, LAST_ROW) of the panel at COLUMN of a matrix; a
# FIRST_ROW of -1 means the scale and shift of a normalised layer.
TILE_LAYER, COLUMN, FIRST_ROW, LAST_ROW, TILE = range(5)

FIRST_BLOCK, LAST_BLOCK = 1, 2  # bits of a block's stage in its mini-batch

# A part's record: where its panels start in P, and its shape. A vector is one row.
PART_START, PART_ROWS, PART_COLUMNS, PART = range(4)

# Hyper-parameters and the running sums of a call, in float64. Behind them lie the
# learning rates of the epoch's mini-batches, one each.
(
    ALPHA,  # the loss that is reported has ½ ALPHA times the sum of TILE_SUM0
    L2,  # a solver's gradient is (G + L2 · p) · GRADIENT_SCALE
    GRADIENT_SCALE,
    FINISHED,  # 1: G is a finished gradient when the solver gets it
    PENALTY_1,  # what finishes it: penalties, bounds, decay
    PENALTY_2,
    CLIP_NORM,
    CLIP_VALUE,
    DECAY,
    MAX_NORM,
    AVERAGE_DECAY,
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
) = range(34)


@inner
def layer_field(net, layer, field):
    """Return a number of a layer's record."""
    return net[HEADER + layer * LAYER + field]


@inner
def is_stopped(net):
    """Return whether another thread wants no more of this call.

    Asked where work is parted: by tiles of rows or of weights, and by panels.
    """
    return load(net, STOP) != 0


@inner
def panel_columns(net, layer, column):
    """Return the padded width of the layer's panel that starts at `column`."""
    return min(net[PANEL], layer_field(net, layer, WIDTH) - column)


call_transpose = TRANSPOSE_MATRIX.call

PACK = Interface(lambda F: (array(INT), array(F), array(F, True), INT), 4)
UNPACK = Interface(lambda F: (array(INT), array(F), array(F), INT), 4)
REFRESH = Interface(lambda F: (array(INT), array(F), INT), 3)


@inner
def part_field(net, part, field):
    """Return a number of a part's record."""
    return net[net[PARTS] + part * PART + field]


@inner
def pack_parameters(net, arena, theta, start):
    """Do what `pack` does, as a part of another unit."""
    source = 0
    for part in range(net[N_PARTS]):
        K = part_field(net, part, PART_ROWS)
        N = part_field(net, part, PART_COLUMNS)
        padded = (N + lanes(arena) - 1) // lanes(arena) * lanes(arena)
        base = start + part_field(net, part, PART_START)
        for column in range(0, N, net[PANEL]):
            width = min(net[PANEL], padded - column)
            used = min(width, N - column)
            for k in range(K):
                row = view(theta, source + k * N + column, used)
                packed = view(arena, base + k * width, used)
                for j in range(used):
                    packed[j] = row[j]
            base += K * width
        source += K * N


@unit(PACK)
def pack(net, arena, theta, start):
    """Copy parameters in row-major order into the panels at arena[start].

    Parameters
    ----------
    net : vector of int64
    arena : vector of floats, OUT; padding is not written
    theta : vector of floats, IN
        The parts one after the other, each row-major: [W0 | W1 | ... | b0 | ...].
    start : int
        P0, G0 or where a slot starts.
    """
    pack_parameters(net, arena, theta, start)


@unit(UNPACK)
def unpack(net, arena, theta, start):
    """Copy the panels at arena[start] into theta (OUT): the inverse of `pack`."""
    source = 0
    for part in range(net[N_PARTS]):
        K = part_field(net, part, PART_ROWS)
        N = part_field(net, part, PART_COLUMNS)
        padded = (N + lanes(arena) - 1) // lanes(arena) * lanes(arena)
        base = start + part_field(net, part, PART_START)
        for column in range(0, N, net[PANEL]):
            width = min(net[PANEL], padded - column)
            used = min(width, N - column)
            for k in range(K):
                row = view(theta, source + k * N + column, used)
                packed = view(arena, base + k * width, used)
                for j in range(used):
                    row[j] = packed[j]
            base += K * width
        source += K * N


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
def refresh_transposes(net, arena, n_matrices):
    """Write Wᵀ of every matrix but the first."""
    for layer in range(1, n_matrices):
        for column in range(0, layer_field(net, layer, FAN_OUT), net[PANEL]):
            K = layer_field(net, layer, FAN_IN)
            transpose_tile(net, arena, layer, column, 0, K)
