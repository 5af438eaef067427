"""The bytes of a model file: a fixed start, a header in JSON, raw arrays.

Why a layout of our own, and not NumPy's npz: a zip archive says everything twice (in
its entries and in its directory), has lengths, comments and extra fields that no check
sum covers, may be compressed a thousandfold, and its arrays' headers are Python
literals. Here each byte is covered by a hash, the file's size follows from the header
and is compared before anything is allocated, and each array lies there as it is in
memory, in little-endian order, so that a few lines in any language read it. The hashes
tell damage, not forgery: who can write the file can hash it. So all that is read is
checked for sense besides.

    magic 8 | version u32 | zero u32 | header's bytes u64 | file's bytes u64 | sha256 32
    header: JSON in ASCII
    arrays, one after the other, without gaps, in the order of the header's table

The sha256 is that of the 32 bytes before it and of the header, which holds that of
each array.
"""

import hashlib
import json
import math
import os
import re
import struct

import numpy as np

from ..exceptions import ModelFileError

MAGIC = b"\x89fnn\r\n\x1a\n"  # as PNG's: a transfer as text would change it
VERSION = 1
_FIXED = struct.Struct("<8sIIQQ")
START = _FIXED.size + 32
# Many times what a model with a hundred thousand named features needs.
MAX_HEADER = 2**24
MAX_DEPTH = 32
MAX_VALUES = 2**20
_MAX_DIMS = 8
_DTYPES = re.compile(r"\|[bui]1|<[ui][248]|<f[248]|<U[1-9][0-9]{0,6}")
_SHA = re.compile(r"[0-9a-f]{64}")


def _as_stored(array):
    """Return an array as it lies in the file, and its dtype's name."""
    stored = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return stored.reshape(array.shape), stored.dtype.str


def can_hold(dtype):
    """Return whether arrays of a dtype can be in the file."""
    return _DTYPES.fullmatch(np.dtype(dtype).newbyteorder("<").str) is not None


def _bytes_of(array):
    return memoryview(array.reshape(-1).view(np.uint8))


def pack(record, arrays):
    """Return what a file consists of, as a list of bytes and the like.

    Parameters
    ----------
    record : dict
        JSON's types only; without "arrays".
    arrays : dict of str to ndarray

    Raises
    ------
    ValueError
        If the record is larger than `unpack` would read.
    """
    table, parts, end = {}, [], 0
    for name, array in arrays.items():
        stored, dtype = _as_stored(array)
        data = _bytes_of(stored)
        table[name] = {
            "dtype": dtype,
            "shape": list(stored.shape),
            "offset": end,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        end += data.nbytes
        parts.append(data)
    text = json.dumps({**record, "arrays": table}, allow_nan=False)
    header = text.encode("ascii")
    try:
        _check_header(header)
    except ModelFileError as error:
        raise ValueError(f"The model cannot be saved: {error.reason}.") from None
    size = START + len(header) + end
    fixed = _FIXED.pack(MAGIC, VERSION, 0, len(header), size)
    return [fixed, hashlib.sha256(fixed + header).digest(), header, *parts]


def _check_header(header):
    """Raise if reading the header would take more memory or stack than it should."""
    if len(header) > MAX_HEADER:
        raise ModelFileError(
            f"its header of {len(header):,} bytes is longer than {MAX_HEADER:,}"
        )
    # Escapes are taken out first, so that each quote begins or ends a text.
    bare = header.replace(rb"\\", b"").replace(rb"\"", b"")
    marks = np.frombuffer(bare, np.uint8)
    outside = ~np.logical_xor.accumulate(marks == ord('"'))
    opens = ((marks == ord("[")) | (marks == ord("{"))) & outside
    if opens.sum() + ((marks == ord(",")) & outside).sum() > MAX_VALUES:
        raise ModelFileError(f"its header has more than {MAX_VALUES:,} values")
    closes = ((marks == ord("]")) | (marks == ord("}"))) & outside
    depth = np.cumsum(opens.view(np.int8) - closes.view(np.int8), dtype=np.int32)
    if depth.size and depth.max() > MAX_DEPTH:
        raise ModelFileError(f"its header is nested more than {MAX_DEPTH} deep")


class Unpacked:
    """A file's record, and its arrays when they are asked for.

    Parameters
    ----------
    stream : binary file object that can seek

    Attributes
    ----------
    record : dict
        What `pack` was given.
    is_of_another_version : bool
        Whether another version of the library wrote it; for who knows to set.

    Raises
    ------
    ModelFileError
    """

    is_of_another_version = False

    def __init__(self, stream):
        self._stream = stream
        begin = stream.tell()
        size = stream.seek(0, os.SEEK_END) - begin
        stream.seek(begin)
        n_header = self._read_start(size)
        self.record = self._read_header(n_header)
        self._data = begin + START + n_header
        self._arrays = _table(self.record.pop("arrays", None), size - START - n_header)
        self._unread = set(self._arrays)

    def _read_start(self, size):
        """Read the fixed start; return the header's length."""
        if size < START:
            raise ModelFileError(f"it has {size} bytes, which is too few for a model")
        self._start = self._read(START)
        magic, version, zero, n_header, n_bytes = _FIXED.unpack_from(self._start)
        if magic != MAGIC:
            raise ModelFileError("it does not begin as model files do")
        if version != VERSION:
            raise ModelFileError(
                f"it has format version {version}, but this fastnn reads {VERSION}; "
                "use the version of fastnn that wrote it, or a later one"
            )
        if n_bytes != size:
            raise ModelFileError(f"it should have {n_bytes:,} bytes, but has {size:,}")
        if zero or n_header > min(size - START, MAX_HEADER):
            raise ModelFileError(f"a header of {n_header:,} bytes cannot be")
        return n_header

    def _read_header(self, n_header):
        """Return the header, a dict."""
        header = self._read(n_header)
        digest = hashlib.sha256(self._start[: _FIXED.size] + header).digest()
        if digest != self._start[_FIXED.size :]:
            raise ModelFileError("its header is damaged (sha256 differs)")
        _check_header(header)
        try:
            record = json.loads(
                header.decode("ascii"),
                object_pairs_hook=_dict,
                parse_int=_int,
                parse_float=_float,
                parse_constant=_float,
            )
        except ModelFileError:
            raise
        except (ValueError, RecursionError) as error:
            raise ModelFileError(f"its header is no JSON ({error})") from None
        if type(record) is not dict:
            raise ModelFileError("its header is no JSON object")
        return record

    def _read(self, n):
        """Return exactly n bytes."""
        return bytes(self._fill(bytearray(n)))

    def _fill(self, buffer):
        """Fill a buffer from where the stream is."""
        view, done = memoryview(buffer), 0
        while done < len(view):
            n = self._stream.readinto(view[done:])
            if not n:
                raise ModelFileError("it ends too early")
            done += n
        return buffer

    def shape_and_dtype(self, name):
        """Return an array's shape and dtype, as declared, or None if there is none."""
        entry = self._arrays.get(name)
        return entry and (entry.shape, entry.dtype)

    def names(self, prefix):
        """Return the names of arrays that begin so."""
        return {name for name in self._arrays if name.startswith(prefix)}

    def array(self, name, out=None):
        """Return an array, checked; each can be had once.

        out : ndarray or None
            Of the array's shape and dtype, C-contiguous: where to put it.
        """
        if name not in self._unread:
            raise ModelFileError(f"the array {name!r} is missing, or used twice")
        self._unread.remove(name)
        entry = self._arrays[name]
        stored = np.empty(entry.shape, entry.dtype) if out is None else out
        self._stream.seek(self._data + entry.offset)
        raw = self._fill(_bytes_of(stored))
        if hashlib.sha256(raw).hexdigest() != entry.sha256:
            raise ModelFileError(f"the array {name!r} is damaged (sha256 differs)")
        kind = entry.dtype.kind
        if kind == "b" and stored.size and stored.view(np.uint8).max() > 1:
            raise ModelFileError(f"the array {name!r} has neither true nor false")
        if kind == "U" and stored.size:
            points = stored.reshape(-1).view("<u4")
            if points.max() > 0x10FFFF:
                raise ModelFileError(f"the array {name!r} has letters that are none")
        return stored.astype(entry.dtype.newbyteorder("="), copy=False)

    def check_all_read(self):
        """Raise if the file has arrays that nothing refers to."""
        if self._unread:
            raise ModelFileError(f"it has arrays of no use: {sorted(self._unread)[:3]}")


class _Entry:
    """A line of the table of arrays, checked."""

    def __init__(self, name, entry, offset):
        keys = {"dtype", "shape", "offset", "sha256"}
        if type(entry) is not dict or set(entry) != keys:
            raise ModelFileError(f"the array {name!r} is not described by {keys}")
        dtype, shape, sha = entry["dtype"], entry["shape"], entry["sha256"]
        if type(dtype) is not str or not _DTYPES.fullmatch(dtype):
            raise ModelFileError(f"the array {name!r} has an unknown dtype {dtype!r}")
        sound = type(shape) is list and len(shape) <= _MAX_DIMS
        if not sound or not all(type(n) is int and n >= 0 for n in shape):
            raise ModelFileError(f"the array {name!r} has no shape, but {shape!r}")
        if type(entry["offset"]) is not int or entry["offset"] != offset:
            raise ModelFileError(f"the array {name!r} is not where it should be")
        if type(sha) is not str or not _SHA.fullmatch(sha):
            raise ModelFileError(f"the array {name!r} has no sha256")
        self.dtype, self.shape = np.dtype(dtype), tuple(shape)
        self.offset, self.sha256 = offset, sha
        self.n_bytes = math.prod(shape) * self.dtype.itemsize
        # What is empty in one dimension must be possible in the others.
        self.extent = math.prod(n or 1 for n in shape) * self.dtype.itemsize


def _table(table, n_bytes):
    """Return the arrays' entries by name; they fill n_bytes without gaps."""
    if type(table) is not dict:
        raise ModelFileError("its header has no table of arrays")
    entries, end = {}, 0
    for name, entry in table.items():
        entries[name] = _Entry(name, entry, end)
        end += entries[name].n_bytes
        if end > n_bytes or entries[name].extent > 2**62:
            raise ModelFileError(f"the array {name!r} is larger than the file")
    if end != n_bytes:
        raise ModelFileError(f"its arrays have {end:,} bytes, it holds {n_bytes:,}")
    return entries


def _dict(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ModelFileError("its header names something twice")
    return result


def _int(text):
    if len(text) > 20:  # 64 bits and a sign
        raise ModelFileError(f"its header has the number {text[:20]}...")
    return int(text)


def _float(text):
    number = float(text) if len(text) < 40 else math.nan
    if not math.isfinite(number):
        raise ModelFileError(f"its header has the number {text[:40]}")
    return number
