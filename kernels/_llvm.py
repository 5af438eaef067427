"""What only LLVM can say: views, register tiles and transposed blocks.

Each has a plain twin, which runs without a compiler, under bounds checks and on
unknown processors.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._host import JIT_DISABLED, SIMD, lanes_of
from ._jit import INT, inner

if JIT_DISABLED:

    def view(A, start, n):
        """Return A[start:start + n] as an array of its own."""
        return A[start : start + n]

    def lanes(A):
        """Return how many numbers of A's type a vector holds."""
        return lanes_of(A.itemsize)

    def attempt(function, z):
        """Return function(z), or NaN if it raises."""
        try:
            return function(z)
        except Exception:
            return np.nan

else:  # pragma: llvm only

    @intrinsic
    def view(typingctx, A, start, n):
        """Return A[start:start + n] as an array of its own.

        Unlike a slice it takes no reference and no time, and its indices start
        at 0, so that loops over it need no check for negative ones.
        """
        kind = types.Array(A.dtype, 1, "C", readonly=not A.mutable)

        def codegen(context, builder, signature, values):
            array = context.make_array(signature.args[0])(context, builder, values[0])
            item = context.get_abi_sizeof(context.get_data_type(A.dtype))
            size = context.get_constant(types.intp, item)
            result = context.make_array(kind)(context, builder)
            context.populate_array(
                result,
                data=builder.gep(array.data, [values[1]]),
                shape=cgutils.pack_array(builder, [values[2]]),
                strides=cgutils.pack_array(builder, [size]),
                itemsize=size,
                meminfo=None,
            )
            return result._getvalue()

        return kind(A, INT, INT), codegen

    @intrinsic
    def lanes(typingctx, A):
        """Return how many numbers of A's type a vector holds, as a constant."""

        def codegen(context, builder, signature, values):
            return context.get_constant(INT, lanes_of(A.dtype.bitwidth // 8))

        return INT(A), codegen

    @intrinsic
    def attempt(typingctx, function, z):
        """Return function(z) as a number of z's type, or NaN if it raises.

        An error that left a kernel would leave other threads waiting.
        """
        signature = function.get_call_type(typingctx, (z,), {})
        kind = signature.return_type

        def codegen(context, builder, outer, values):
            compiled = function.dispatcher.overloads[signature.args]
            context.active_code_library.add_linking_library(compiled.library)
            status, result = context.call_internal_no_propagate(
                builder, compiled.fndesc, signature, values[1:]
            )
            number = context.cast(builder, result, kind, z)
            return builder.select(
                status.is_error, context.get_constant(z, float("nan")), number
            )

        return z(function, z), codegen


def _plain_tile(rows, vectors):
    """Return the twin of `_vector_tile` in plain loops."""

    @inner
    def tile(arena, c0, cs, a0, ars, acs, right, b0, bs, K):
        width = vectors * lanes(arena)
        for i in range(rows):
            C = view(arena, c0 + i * cs, width)
            for k in range(K):
                a = arena[a0 + i * ars + k * acs]
                B = view(right, b0 + k * bs, width)
                for j in range(width):
                    C[j] += a * B[j]

    return tile


def _vector_tile(rows, vectors):  # pragma: llvm only
    """Return C += A·B for a tile of C that fits in the registers.

    ::

        C[i, j] = arena[c0 + i * cs + j]          i < rows, j < vectors * lanes
        A[i, k] = arena[a0 + i * ars + k * acs]   k < K
        B[k, j] = right[b0 + k * bs + j]

    For every k the vectors of B's row are loaded once and multiplied by each
    row's broadcast A[i, k]. One chain of fused multiply-adds in the order of k
    makes each C[i, j], whatever the tile: a row's bits do not depend on where
    in the batch it stands.
    """

    @intrinsic
    def tile(typingctx, arena, c0, cs, a0, ars, acs, right, b0, bs, K):
        signature = types.void(arena, *([INT] * 5), right, *([INT] * 3))

        def codegen(context, builder, signature, values):
            data, right = (
                context.make_array(signature.args[i])(context, builder, values[i]).data
                for i in (0, 6)
            )
            c0, cs, a0, ars, acs = values[1:6]
            b0, bs, K = values[7:]
            item = signature.args[0].dtype.bitwidth // 8
            n_lanes = lanes_of(item)
            number = context.get_data_type(signature.args[0].dtype)
            vector = ir.VectorType(number, n_lanes)
            suffix = f"v{n_lanes}f{item * 8}"
            fma = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(vector, [vector] * 3),
                f"llvm.fma.{suffix}",
            )

            def load(place):
                pointer = builder.bitcast(place, vector.as_pointer())
                return builder.load(pointer, align=item)

            def at(base, *terms):
                for term in terms:
                    base = builder.gep(base, [term])
                return base

            c_rows = [
                at(data, c0, builder.mul(cs, ir.Constant(cs.type, i)))
                for i in range(rows)
            ]
            sums = []
            for i in range(rows):
                for v in range(vectors):
                    slot = cgutils.alloca_once(builder, vector)
                    place = at(c_rows[i], ir.Constant(cs.type, v * n_lanes))
                    builder.store(load(place), slot)
                    sums.append(slot)
            a_rows = [
                at(data, a0, builder.mul(ars, ir.Constant(ars.type, i)))
                for i in range(rows)
            ]
            b_row = at(right, b0)
            with cgutils.for_range(builder, K) as loop:
                k_a = builder.mul(loop.index, acs)
                k_b = builder.mul(loop.index, bs)
                B = [
                    load(at(b_row, k_b, ir.Constant(bs.type, v * n_lanes)))
                    for v in range(vectors)
                ]
                for i in range(rows):
                    a = builder.load(at(a_rows[i], k_a))
                    first = builder.insert_element(
                        ir.Constant(vector, ir.Undefined),
                        a,
                        ir.Constant(ir.IntType(32), 0),
                    )
                    mask = ir.Constant(
                        ir.VectorType(ir.IntType(32), n_lanes), [0] * n_lanes
                    )
                    spread = builder.shuffle_vector(
                        first, ir.Constant(vector, ir.Undefined), mask
                    )
                    for v in range(vectors):
                        slot = sums[i * vectors + v]
                        total = builder.call(fma, [spread, B[v], builder.load(slot)])
                        builder.store(total, slot)
            for i in range(rows):
                for v in range(vectors):
                    place = at(c_rows[i], ir.Constant(cs.type, v * n_lanes))
                    pointer = builder.bitcast(place, vector.as_pointer())
                    builder.store(
                        builder.load(sums[i * vectors + v]), pointer, align=item
                    )
            return context.get_dummy_value()

        return signature, codegen

    return tile


make_tile = _vector_tile if SIMD else _plain_tile


@inner
def _plain_transpose(source, s0, ss, target, t0, ts):
    n = lanes(target)
    for i in range(n):
        for j in range(n):
            target[t0 + j * ts + i] = source[s0 + i * ss + j]


def _vector_transpose():  # pragma: llvm only
    """Return target[j, i] = source[i, j] for a block of lanes × lanes numbers.

    log2(lanes) rounds of shuffles, as a butterfly: round r swaps blocks of 2^r
    columns between rows that are 2^r apart.
    """

    @intrinsic
    def transpose(typingctx, source, s0, ss, target, t0, ts):
        signature = types.void(source, INT, INT, target, INT, INT)

        def codegen(context, builder, signature, values):
            kinds = signature.args
            source = context.make_array(kinds[0])(context, builder, values[0]).data
            target = context.make_array(kinds[3])(context, builder, values[3]).data
            item = kinds[0].dtype.bitwidth // 8
            n = lanes_of(item)
            vector = ir.VectorType(context.get_data_type(kinds[0].dtype), n)
            index = ir.IntType(64)

            def place(data, start, step, i):
                offset = builder.mul(step, ir.Constant(index, i))
                pointer = builder.gep(builder.gep(data, [start]), [offset])
                return builder.bitcast(pointer, vector.as_pointer())

            rows = [
                builder.load(place(source, values[1], values[2], i), align=item)
                for i in range(n)
            ]
            half = 1
            while half < n:
                low = [
                    j if not j & half else n + (j ^ half) for j in range(n)
                ]  # a's left blocks, then b's left blocks moved right
                high = [(j | half) if not j & half else n + j for j in range(n)]
                kind = ir.VectorType(ir.IntType(32), n)
                for i in range(n):
                    if not i & half:
                        a, b = rows[i], rows[i | half]
                        rows[i] = builder.shuffle_vector(a, b, ir.Constant(kind, low))
                        rows[i | half] = builder.shuffle_vector(
                            a, b, ir.Constant(kind, high)
                        )
                half *= 2
            for i in range(n):
                pointer = place(target, values[4], values[5], i)
                builder.store(rows[i], pointer, align=item)
            return context.get_dummy_value()

        return signature, codegen

    return transpose


transpose_block = _vector_transpose() if SIMD else _plain_transpose
