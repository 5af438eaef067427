"""The compiled core: loops over flat arrays, and nothing else.

A kernel gets a network as a table of integers and an arena of floats (`layout`),
validates nothing, raises nothing, allocates nothing and knows nothing of
estimators. The files, from what computes one number to what trains a network::

    _host, _cache, _jit, _llvm      the machine, the compiler, vector code
    elementary                      exp, log, tanh of one number
    activations, losses, optimizers one variant each: a unit of a common interface
    products                        matrix products
    layout                          where everything lies; packing
    loading, sparse                 rows of X, dense or CSR
    forward, row_pass, weight_pass  one mini-batch: rows, then weights
    training                        many mini-batches: what Python calls
"""
