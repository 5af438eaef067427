"""Reads and writes of shared int64 numbers that other threads see in order."""

import sys

from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

from ._host import JIT_DISABLED
from ._jit import INT

if JIT_DISABLED:

    def load(A, i):
        """Return A[i]; what its writer wrote before it is seen as well."""
        return A[i]

    def store(A, i, value):
        """Set A[i]; who sees it also sees all that was written before."""
        A[i] = value

    def add(A, i, value):
        """Add to A[i] and return what it was."""
        A[i] += value
        return A[i] - value

    def replace(A, i, expected, value):
        """Set A[i] if it is `expected`; return what it was."""
        old = A[i]
        if old == expected:
            A[i] = value
        return old

    def relax():
        """Tell the processor that this thread waits."""

    def give_way():
        """Let another thread have the processor."""

else:  # pragma: llvm only

    def _place(context, builder, kind, A, i):
        array = context.make_array(kind)(context, builder, A)
        return builder.gep(array.data, [i])

    @intrinsic
    def load(typingctx, A, i):
        """Return A[i]; what its writer wrote before it is seen as well."""

        def codegen(context, builder, signature, values):
            place = _place(context, builder, signature.args[0], *values)
            return builder.load_atomic(place, ordering="acquire", align=8)

        return INT(A, INT), codegen

    @intrinsic
    def store(typingctx, A, i, value):
        """Set A[i]; who sees it also sees all that was written before."""

        def codegen(context, builder, signature, values):
            place = _place(context, builder, signature.args[0], *values[:2])
            builder.store_atomic(values[2], place, ordering="release", align=8)
            return context.get_dummy_value()

        return types.void(A, INT, INT), codegen

    @intrinsic
    def add(typingctx, A, i, value):
        """Add to A[i] and return what it was."""

        def codegen(context, builder, signature, values):
            place = _place(context, builder, signature.args[0], *values[:2])
            return builder.atomic_rmw("add", place, values[2], ordering="seq_cst")

        return INT(A, INT, INT), codegen

    @intrinsic
    def replace(typingctx, A, i, expected, value):
        """Set A[i] if it is `expected`; return what it was."""

        def codegen(context, builder, signature, values):
            place = _place(context, builder, signature.args[0], *values[:2])
            pair = builder.cmpxchg(place, values[2], values[3], ordering="seq_cst")
            return builder.extract_value(pair, 0)

        return INT(A, INT, INT, INT), codegen

    _PAUSE = {
        "x86_64": ("llvm.x86.sse2.pause", ()),
        "aarch64": ("llvm.aarch64.hint", (1,)),
        "arm64": ("llvm.aarch64.hint", (1,)),
    }

    @intrinsic
    def relax(typingctx):
        """Tell the processor that this thread waits."""

        def codegen(context, builder, signature, values):
            machine = binding.get_process_triple().split("-")[0]
            if machine in _PAUSE:
                name, numbers = _PAUSE[machine]
                i32 = ir.IntType(32)
                kind = ir.FunctionType(ir.VoidType(), [i32] * len(numbers))
                function = builder.module.globals.get(name)
                if function is None:
                    function = ir.Function(builder.module, kind, name)
                builder.call(function, [i32(n) for n in numbers])
            return context.get_dummy_value()

        return types.void(), codegen

    @intrinsic
    def give_way(typingctx):
        """Let another thread have the processor."""

        def codegen(context, builder, signature, values):
            if sys.platform != "win32":  # POSIX's sched_yield, in every process
                kind = ir.FunctionType(ir.IntType(32), [])
                function = builder.module.globals.get("sched_yield")
                if function is None:
                    function = ir.Function(builder.module, kind, "sched_yield")
                builder.call(function, [])
            return context.get_dummy_value()

        return types.void(), codegen
