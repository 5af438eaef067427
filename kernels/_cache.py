"""Where compiled kernels are kept between processes.

Numba looks at one source file only when it decides whether a cached kernel is
fresh, although a kernel is made of many. So the folder's name is a hash of all
kernel sources, of the versions and of the processor: an edit, an upgrade or
another machine means another folder. A cached file is code that will be run:
the folder belongs to the user, mode 0700, and any other is refused.
"""

import hashlib
import os
import stat
import sys
from pathlib import Path

import llvmlite
import numba

from . import _host


def _user_folder():
    if sys.platform == "win32":  # pragma: no cover
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":  # pragma: no cover
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base)


def _key():
    digest = hashlib.sha256()
    sources = sorted(Path(__file__).parent.glob("*.py"))
    if not sources:  # imported from an archive, or without sources
        raise OSError("the sources of the kernels are not files that can be read")
    for source in sources:
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    versions = (numba.__version__, llvmlite.__version__, sys.version, _host.describe())
    digest.update("|".join(versions).encode())
    return digest.hexdigest()[:20]


def _is_private(folder):
    if not hasattr(os, "geteuid"):  # pragma: no cover
        return True  # Windows: the profile's own permissions hold
    status = folder.stat()
    others_write = stat.S_IWGRP | stat.S_IWOTH
    return status.st_uid == os.geteuid() and not status.st_mode & others_write


def make_private(folder):
    """Make a folder that only the user can write to, or raise OSError.

    A cached file is code that will be run, wherever below the folder it lies.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    if not _is_private(folder):
        raise PermissionError(f"{folder} can be written by other users")


def find_folder():
    """Return the cache folder and None, or None and the reason it is not used."""
    try:
        chosen = os.environ.get("NUMBA_CACHE_DIR")
        # Absolute: the program may go elsewhere.
        root = (Path(chosen).absolute() if chosen else _user_folder()) / "fastnn"
        folder = root / _key()
        root.parent.mkdir(parents=True, exist_ok=True)
        for place in (root, folder):  # the mode of `parents` would be the umask's
            make_private(place)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        return None, str(error)
    return folder, None
