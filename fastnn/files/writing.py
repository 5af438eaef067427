"""Writing a file whole or not at all."""

import contextlib
import errno
import os
import stat
import uuid

# Of a draft beside the file; not made of the file's name, which may be as long as names
# can be. One that a killed process leaves behind is in nobody's way.
DRAFT = ".fastnn-{}.tmp"


def write_whole(path, parts):
    """Write parts to a file that takes its place only once all is on the disk.

    The permissions are those that `open` would give: of a new file by the umask, of
    one that is replaced as they were. A link is followed.

    Parameters
    ----------
    path : str or path-like
    parts : list of bytes-like

    Raises
    ------
    OSError
        If that fails; what was there is there still.
    """
    path = os.fsdecode(path)
    if not path:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    # What `realpath` makes of a folder's name is none.
    if os.path.basename(path) in ("", os.curdir, os.pardir):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    target = os.path.realpath(path)
    mode = _mode_of(target)
    folder = os.path.dirname(target)
    draft = os.path.join(folder, DRAFT.format(uuid.uuid4().hex))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(draft, flags, 0o666), "wb") as stream:
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(stream.fileno(), mode)
            for part in parts:
                stream.write(part)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, target)
    except OSError as error:
        if error.filename in (None, draft):  # the user knows of the file, not of it
            raise OSError(error.errno, error.strerror, target) from error
        raise
    finally:
        with contextlib.suppress(OSError):  # it is gone if it took its place
            os.unlink(draft)
    _sync_folder(folder)


def _mode_of(target):
    """Return the permissions of a file that is there, None if there is none, or raise.

    Replacing a device or a pipe by a file would do harm, and one that may not be
    written to must not be replaced either.
    """
    try:
        found = os.stat(target)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), target)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", target)
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), target)
    return stat.S_IMODE(found.st_mode)


def _sync_folder(folder):
    """Make the new name last, where the system can."""
    with contextlib.suppress(OSError):  # Windows opens no folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
