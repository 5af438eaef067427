"""Time of imports and of first fits, each sample in a process of its own."""

import os

from .processes import run_program, write_fit, write_import

_EMPTY_CACHE = """
import os, tempfile
folder = tempfile.TemporaryDirectory()
os.environ["NUMBA_CACHE_DIR"] = folder.name
"""


class Import:
    """The import alone; the interpreter's own start is not timed."""

    params = ("fastnn", "sklearn")
    param_names = ("library",)
    repeat = 5

    def timeraw_import(self, library):
        return write_import(library)


class Fit:
    """Import and first fit, with nothing compiled before."""

    params = ("fastnn", "sklearn")
    param_names = ("library",)
    repeat = 2
    warmup_time = 0
    timeout = 300

    def timeraw_cold_fit(self, library):
        return write_fit(library), _EMPTY_CACHE


class CachedFit:
    """Import and first fit, with the compiled code on disk."""

    repeat = 5
    timeout = 300

    def setup_cache(self):
        folder = os.path.abspath("compiled")
        run_program(write_fit("fastnn"), folder)
        return folder

    def timeraw_cached_fit(self, folder):
        setup = f"import os; os.environ['NUMBA_CACHE_DIR'] = {folder!r}"
        return write_fit("fastnn"), setup
