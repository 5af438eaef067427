"""The compiled core: loops over flat arrays, and nothing else.

A kernel gets a network as a table of integers and an arena of floats (`layout`),
validates nothing, raises nothing, allocates nothing and knows nothing of
estimators. The files, from what computes one number to what trains a network::

    _host, _cache, _jit, _llvm      the machine, the compiler, vector code
    elementary, special             exp, log, tanh and their kin, of one number

    activations                     units of common interfaces: one variant each
    losses, value_losses, deviances, classification_losses, quantile_losses, outputs
    optimizers, adaptive

    products, transposition         matrices
    layout                          where everything lies; packing
    loading, sparse                 rows of X, dense or CSR
    forward, row_pass, weight_pass  one mini-batch: rows, then weights
    training                        many mini-batches: what Python calls
    evaluation                      rows' losses, hidden outputs

    noise, mixing, normalization    what rows may go through besides
    deep_layer, deep_pass           the row pass of networks that do
    penalties, phased_weight_pass   the weight pass where a solver is not all

    neurons                         single neurons, sample by sample
"""
