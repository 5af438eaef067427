"""The only place where functions are compiled.

Three kinds of functions make up the kernels:

inner     a helper that is compiled into its callers
unit      a piece of the training step, compiled and cached on its own for one
          dtype; others call it through its address (`Interface.call`)
entry     what Python calls; a unit as well, with Python arguments

A unit is reached by address, so that its callers are compiled without it: Numba
optimises at every level of calls all that is below it, and would compile every
activation, loss and solver that a network might use. As it is, the first fit
compiles what it uses and nothing else, each piece once.
"""

import contextlib
import contextvars
import errno
import os
import sys
import weakref

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.registry import CPUDispatcher
from numba.core.runtime import rtsys
from numba.extending import intrinsic

from . import _cache, _forks, _host
from ._shield import shielded

# nnan and ninf are left out, so that a NaN is seen; arcp is left out as well:
# with it, vector code divides through an estimate and scalar code does not, and a
# row's bits would depend on its place in the batch.
FASTMATH = {"reassoc", "contract", "nsz"}
# Reassociation would undo the two-part constants of exp and its kin.
EXACT_FASTMATH = {"contract", "nsz"}
OPTIONS = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True}
# Nobody calls a helper from Python: without the code for that, all is compiled in two
# thirds of the time.
INNER = {**OPTIONS, "no_cpython_wrapper": True}

# Versions of Numba whose compiled code is known to load without its compiler's tables:
# what is missing would end the process.
_LOADS_ALONE = (0, 61) <= numba.version_info[:2] <= (0, 68)

INT = types.int64
CACHE_FOLDER, CACHE_PROBLEM = None, None
if not _host.JIT_DISABLED:
    CACHE_FOLDER, CACHE_PROBLEM = _cache.find_folder()

FEWEST_CALLS = 300  # within each other; the deepest compilation has 150
_PASSING = (errno.EMFILE, errno.ENFILE)  # no fault of the cache's
_BY_ADDRESS = weakref.WeakValueDictionary()  # without a compiler: id -> unit


class _Helper(CPUDispatcher):  # pragma: llvm only
    """A function that has no code for a call from Python, which would be a crash."""

    def __call__(self, *arguments, **options):
        raise TypeError(f"{self.__name__} is called by other kernels only.")


def compile_inner(function, fastmath, **more):
    """Compile a helper into its callers, with more of Numba's options."""
    helper = numba.njit(function, fastmath=fastmath, **INNER, **more)
    if not _host.JIT_DISABLED:  # pragma: no cover
        helper.__class__ = _Helper
    return helper


def inner(function):
    """Compile a helper into its callers."""
    return compile_inner(function, FASTMATH)


def exact_inner(function):
    """Compile a helper into its callers, keeping the order of its operations."""
    return compile_inner(function, EXACT_FASTMATH)


def array(dtype, readonly=False):
    """Return the Numba type of a contiguous vector."""
    return types.Array(dtype, 1, "C", readonly=readonly)


def doubles():
    """Return the Numba type of a vector of float64, whatever the kernel's dtype."""
    return array(types.float64)


def sparse_matrix(dtype):
    """Return the Numba types of X's numbers, column indices and row starts."""
    return array(dtype, True), array(types.int32, True), array(INT, True)


class Interface:
    """The signature that all units of one kind share, and the call through it.

    Parameters
    ----------
    arguments : callable
        Takes the Numba float type, returns the tuple of argument types. The
        first argument that is an array of floats tells the type in a call.
    n_arguments : int
        How many arguments there are.

    Attributes
    ----------
    call : function for use in kernels
        ``call(address, *arguments)`` runs the unit at that address.
    """

    def __init__(self, arguments, n_arguments):
        self.arguments = arguments
        self.n_arguments = n_arguments
        self.call = _make_call(self)


def _make_call(interface):
    if _host.JIT_DISABLED:
        return lambda address, *arguments: _BY_ADDRESS[address].function(*arguments)
    return intrinsic(_typers(interface)[interface.n_arguments])


def _typers(interface):  # pragma: llvm only
    """Return typing functions by number of arguments; intrinsics take no *args."""

    def build(*given):
        floats = [
            a.dtype
            for a in given
            if isinstance(a, types.Array) and isinstance(a.dtype, types.Float)
        ]
        arguments = interface.arguments(floats[0])
        signature = types.void(INT, *arguments)

        def codegen(context, builder, signature, values):
            convention = context.call_conv
            kind = convention.get_function_type(types.none, arguments)
            pointer = builder.inttoptr(values[0], kind.as_pointer())
            status, _ = convention.call_function(
                builder, pointer, types.none, arguments, values[1:]
            )
            with cgutils.if_unlikely(builder, status.is_error):
                convention.return_status_propagate(builder, status)
            return context.get_dummy_value()

        return signature, codegen

    # fmt: off
    def call3(ctx, address, a, b, c): return build(a, b, c)
    def call4(ctx, address, a, b, c, d): return build(a, b, c, d)
    def call5(ctx, address, a, b, c, d, e): return build(a, b, c, d, e)
    def call6(ctx, address, a, b, c, d, e, f): return build(a, b, c, d, e, f)
    def call7(ctx, address, a, b, c, d, e, f, g): return build(a, b, c, d, e, f, g)
    def call8(ctx, address, a, b, c, d, e, f, g, h):
        return build(a, b, c, d, e, f, g, h)
    def call9(ctx, address, a, b, c, d, e, f, g, h, i):
        return build(a, b, c, d, e, f, g, h, i)
    def call10(ctx, address, a, b, c, d, e, f, g, h, i, j):
        return build(a, b, c, d, e, f, g, h, i, j)
    def call11(ctx, address, a, b, c, d, e, f, g, h, i, j, k):
        return build(a, b, c, d, e, f, g, h, i, j, k)
    def call12(ctx, address, a, b, c, d, e, f, g, h, i, j, k, l):  # noqa: E741
        return build(a, b, c, d, e, f, g, h, i, j, k, l)
    # fmt: on
    functions = (call3, call4, call5, call6, call7, call8, call9, call10, call11)
    return dict(zip(range(3, 13), (*functions, call12), strict=True))


class Unit:
    """A function that is compiled for one dtype at a time, when first needed."""

    is_kept = True  # on disk

    def __init__(self, function, interface, parallel=False):
        self.function = function
        self.interface = interface
        self.parallel = parallel
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self._compiled = {}
        self._addresses = {}
        if _host.JIT_DISABLED:
            _BY_ADDRESS[id(self)] = self

    def __repr__(self):
        return f"<unit {self.__name__}>"

    def __getitem__(self, dtype):
        """Return the function that Python can call, compiled for `dtype`."""
        if _host.JIT_DISABLED:
            return self.function
        return self._get(np.dtype(dtype))

    def address(self, dtype):
        """Return the address that ``interface.call`` takes."""
        if _host.JIT_DISABLED:
            return id(self)
        address = self._addresses.get(dtype)
        if address is None:
            address = _apart(lambda: self._find_address(np.dtype(dtype)))
            self._addresses[dtype] = address
        return address

    def _get(self, dtype):
        compiled = self._compiled.get(dtype)
        if compiled is None:
            compiled = _apart(lambda: self._compile_once(dtype))
        return compiled

    def _find_address(self, dtype):  # pragma: no cover (in a thread of `_thread`)
        with _forks.COMPILING:
            (result,) = self._compile_once(dtype).overloads.values()
            name = result.fndesc.llvm_func_name
            return result.library.get_pointer_to_function(name)

    def _compile_once(self, dtype):  # pragma: no cover (in a thread of `_thread`)
        """Return the compiled function; only one thread at a time makes any.

        The thread that compiles holds the lock, not one that waits for it: what
        compiling calls back (a finaliser, a log) may ask for another unit.
        """
        with _forks.COMPILING:
            compiled = self._compiled.get(dtype)
            if compiled is None:
                compiled = self._compiled[dtype] = _compile(self, dtype)
        return compiled


def unit(interface, parallel=False):
    """Decorate a function as a unit of the given interface."""
    return lambda function: Unit(function, interface, parallel)


# Called, if somebody has set it, when a kernel has to be compiled and not just loaded.
TELL: contextvars.ContextVar = contextvars.ContextVar("tell", default=None)


def _tell():
    say = TELL.get()
    if say is not None:  # pragma: no cover (there is nothing to tell without JIT)
        say()


def _apart(work):
    """Return what the compiler makes, in a thread of its own.

    An interrupt while Numba builds its tables would leave them half built, and no later
    compilation in the process would work; while LLVM's lock is taken, it would stay so;
    and Python drops an interrupt that comes up in a finaliser. The end of the stack is
    no better, where the caller is deep in calls: the other thread is not.
    """
    if sys.getrecursionlimit() < FEWEST_CALLS:
        raise RecursionError(
            f"Kernels are compiled by up to {FEWEST_CALLS} nested calls, but "
            f"sys.setrecursionlimit({sys.getrecursionlimit()}) was called. Raise it "
            "while kernels are used for the first time."
        )
    if _forks.holds_a_lock():
        return work()  # for a handler, or a fork's hook: a thread would wait for us
    return shielded(work, everywhere=True)


def _compile(piece, dtype):
    arguments = piece.interface.arguments(numba.from_dtype(dtype))
    options = dict(OPTIONS, fastmath=FASTMATH)
    if piece.parallel:
        options["parallel"] = True
    signature, fault = types.void(*arguments), None
    for attempt in ("first", "after cleaning"):
        if CACHE_FOLDER is None or not piece.is_kept:
            break
        try:
            return _compile_cached(piece.function, signature, options, dtype)
        except Exception as error:
            _explain(error)
            if getattr(error, "errno", None) in _PASSING:
                break
            # A full disk or a damaged file must not stop a fit. If the cause was
            # another one, compiling without the cache shows it again.
            fault = error
            if attempt == "first":
                _delete_cached(piece.function, dtype)
    _tell()
    try:
        compiled = numba.njit(signature, **options)(piece.function)
    except (RuntimeError, OSError) as error:
        _explain(error)
        raise
    if fault is not None:
        _forget_cache(fault)
    return compiled


def _explain(error):
    """Raise with a remedy if Numba refuses to compile for its number of threads.

    It reads the environment anew before it compiles, and any library may have
    changed a variable. Likewise if there is no working folder any more.
    """
    if isinstance(error, RuntimeError) and "NUMBA_NUM_THREADS" in str(error):
        raise RuntimeError(
            "The environment variable NUMBA_NUM_THREADS was changed after Numba had "
            "started its threads, and Numba compiles nothing more until it is as it "
            "was. Set it back, and limit the threads of a fit by n_threads."
        ) from error
    if isinstance(error, FileNotFoundError) and not _has_working_folder():
        raise FileNotFoundError(
            error.errno,
            "The working folder was deleted, and Numba compiles nothing without one: "
            "call os.chdir with another",
        ) from error


def _has_working_folder():
    try:
        return bool(os.getcwd())
    except FileNotFoundError:
        return False


def _delete_cached(function, dtype):
    """Delete a unit's files from the cache: one of them may be damaged."""
    with contextlib.suppress(OSError):
        for path in (CACHE_FOLDER / dtype.name).rglob(f"*.{function.__name__}-*"):
            path.unlink(missing_ok=True)


def _compile_cached(function, signature, options, dtype):
    """Compile, or load, with a cache folder of the dtype's own.

    One signature for each index file: Numba's index has a lost-update race that
    can hand out another signature's code.
    """
    dispatcher = numba.njit(**options)(function)
    if not _host.JIT_DISABLED:  # pragma: no cover
        folder = CACHE_FOLDER / dtype.name
        CACHE_FOLDER.parent.mkdir(parents=True, exist_ok=True)  # somebody tidied up
        for place in (CACHE_FOLDER, folder):
            _cache.make_private(place)
        dispatcher._cache = _cache_in(folder, function)
        dispatcher.compile(signature.args)
        dispatcher.disable_compile()
    return dispatcher


def _cache_in(folder, function):  # pragma: llvm only
    """Return a cache of Numba's that keeps a function in this folder.

    Numba's own setting for the folder counts for the whole process, and another
    thread may be compiling something else.
    """

    class Locator(_CacheLocator):
        def get_cache_path(self):
            return str(folder)

        def get_source_stamp(self):
            return folder.parent.name  # the hash of all sources

        def get_disambiguator(self):
            return str(function.__code__.co_firstlineno)

        @classmethod
        def from_function(cls, py_func, py_file):
            locator = cls()
            locator.ensure_cache_path()
            return locator

    class Implementation(CompileResultCacheImpl):
        _locator_classes = (Locator,)

        def check_cachable(self, cres):
            # Without optimisations (NUMBA_OPT=0), addresses of this process stay in
            # some units. Numba would warn, with a source file that there is not.
            return not cres.lifted and not cres.library.has_dynamic_globals

    class Cache(FunctionCache):
        _impl_class = Implementation

        def load_overload(self, sig, target_context):
            # Numba's own builds its tables of all that can be compiled first: half of
            # a process's first fit, and of no use to code that is compiled already,
            # which needs the runtime's symbols alone.
            if not _LOADS_ALONE:
                found = super().load_overload(sig, target_context)
            else:
                rtsys.initialize(target_context)
                with self._guard_against_spurious_io_errors():
                    found = self._load_overload(sig, target_context)
            if found is None:
                _tell()
            return found

    return Cache(function)


def _forget_cache(error):
    global CACHE_FOLDER, CACHE_PROBLEM
    CACHE_FOLDER, CACHE_PROBLEM = None, f"{type(error).__name__}: {error}"
