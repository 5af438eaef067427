"""Forged model files, one by one, and files of other kinds: all are refused."""

import gzip
import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
from file_tools import (
    sealed,
    split,
)
from fuzz_tools import MOST_BYTES

import fastnn
from fastnn import ModelFileError
from fastnn.files import container


def edits():
    """Return named edits of a header, each of which must be refused."""

    def of(*keys, value):
        def edit(header):
            node = header
            for key in keys[:-1]:
                node = node[key]
            node[keys[-1]] = value

        return edit

    def without(*keys):
        def edit(header):
            node = header
            for key in keys[:-1]:
                node = node[key]
            del node[keys[-1]]

        return edit

    layers, state = ("state", "_architecture"), "state"
    first = ("arrays", "coefs_.0")
    return {
        "class of the system": of("class", value="os.system"),
        "class of another kind": of("class", value="Perceptron"),
        "no class": without("class"),
        "extra key": of("code", value="import os"),
        "extra attribute": of(state, "predict", value="no method"),
        "extra parameter": of("parameters", "extra", value=1),
        "missing parameter": without("parameters", "alpha"),
        "parameter out of range": of("parameters", "alpha", value=-1.0),
        "parameter of no type": of("parameters", "solver", value=["adam"]),
        "huge integer": of("parameters", "max_iter", value=10**400),
        "negative size": of(*layers, "sizes", value=[5, -3, 2, 3]),
        "huge size": of(*layers, "sizes", value=[5, 10**12, 10**12, 3]),
        "other sizes": of(*layers, "sizes", value=[5, 2, 3, 3]),
        "fewer layers": of(*layers, "sizes", value=[5, 3]),
        "no layers": of(*layers, "sizes", value=[]),
        "sizes of no integers": of(*layers, "sizes", value=[5.0, 3, 2, 3]),
        "unknown activation": of(*layers, "activations", value=["relu", "evil"]),
        "other output": of(*layers, "output", value="identity"),
        "no norm": of(*layers, "norm", value=""),
        "short cuts": of(*layers, "residual", value=True),
        "negative dimension": of(*first, "shape", value=[-5, -3]),
        "huge dimensions": of(*first, "shape", value=[10**12, 10**12]),
        "transposed": of(*first, "shape", value=[3, 5]),
        "flat": of(*first, "shape", value=[15]),
        "empty and huge": of(*first, "shape", value=[0, 2**60, 2**60]),
        "other dtype": of(*first, "dtype", value="<i4"),
        "objects": of(*first, "dtype", value="|O"),
        "fields": of(*first, "dtype", value="<f4,<f4"),
        "overlap": of("arrays", "coefs_.1", "offset", value=0),
        "negative offset": of(*first, "offset", value=-64),
        "missing array": without(*first),
        "more features": of(state, "n_features_in_", value=6),
        "more outputs": of(state, "n_outputs_", value=4),
        "fewer names": of(state, "feature_names_in_", value={"objects": ["a"]}),
        "names of numbers": of(state, "feature_names_in_", value={"objects": [1] * 5}),
        "no classes": without(state, "classes_"),
        "binary": of(state, "_label_binarizer", value=["binary", False]),
        "kind of no target": of(state, "_label_binarizer", value=["none", False]),
        "other solver": of(state, "_optimizer", "solver", value="sgd"),
        "no rate": of(state, "_optimizer", "rate_init", value=0.0),
        "negative epochs": of(state, "n_iter_", value=-1),
        "stream beyond its end": of(
            state, "_random_state", value={"RandomState": [625, 0, 0.0]}
        ),
        "curve of no length": of(state, "history_", "loss", value=[]),
        "no history": without(state, "history_"),
        "version of no text": of("versions", "fastnn", value=1),
    }


@pytest.mark.parametrize("name", edits())
def test_forgeries_one_by_one(name, data, watched):
    header, tail = split(data)
    before = json.dumps(header)
    edits()[name](header)
    assert json.dumps(header) != before
    assert watched(sealed(header, tail)) is None


def headers(data):
    """Return headers as bytes that are no sensible JSON."""
    text = json.dumps(split(data)[0])
    return {
        "empty": b"",
        "null": b"null",
        "list": b"[]",
        "no JSON": b"{",
        "no ASCII": "{'✓'}".encode(),
        "twice the same": (text[:-1] + ', "class": "MLPEstimator"}').encode(),
        "NaN": text.replace('"alpha": 0.0001', '"alpha": NaN').encode(),
        "infinity": text.replace('"alpha": 0.0001', '"alpha": 1e999').encode(),
        "long number": text.replace("0.0001", "0." + "1" * 9**5).encode(),
        "long integer": text.replace(
            '"max_iter": 3', '"max_iter": 3' + "0" * 9**5
        ).encode(),
        "deep lists": b'{"class": ' + b"[" * 10**5 + b"]" * 10**5 + b"}",
        "deep objects": b'{"a":' * 10**5 + b"1" + b"}" * 10**5,
        "unclosed": b"[" * 10**5,
        "quotes": text.replace('"class"', r'"cl\"[[[ass"').encode(),
        "many values": b"[" + b"[]," * 2**20 + b"1]",
    }


@pytest.mark.parametrize("name", headers(sealed({}, b"")))
def test_headers_of_no_sense(name, data, watched):
    header = headers(data)[name]
    assert header != json.dumps(split(data)[0]).encode()
    forged = sealed(header, split(data)[1])
    watched.bound = MOST_BYTES + 12 * len(forged)  # JSON's lists take more than text
    assert watched(forged) is None


def test_a_header_beyond_the_bound(watched):
    size = container.MAX_HEADER + 1
    fixed = container._FIXED.pack(
        container.MAGIC, container.VERSION, 0, size, container.START + size
    )
    watched.bound = 2**16
    assert watched(fixed + bytes(32) + bytes(size)) is None


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("evil",)


def others():
    """Return the bytes of files of other kinds."""
    pack, npz, archive = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(pack, np.array([Evil()], object), allow_pickle=True)
    np.savez(npz, coefs=np.zeros(3))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("model", bytes(10**7))
    return {
        "nothing": b"",
        "text": b"no model\n" * 99,
        "pickle": pickle.dumps(Evil()),
        "pickle of old": pickle.dumps(Evil(), 0),
        "npy": pack.getvalue(),
        "npz": npz.getvalue(),
        "zip bomb": archive.getvalue(),
        "gzip": gzip.compress(bytes(10**6)),
        "PNG": b"\x89PNG\r\n\x1a\n" + bytes(99),
        "pickle after the start": container.MAGIC + pickle.dumps(Evil()) * 9,
    }


@pytest.mark.parametrize("name", others())
def test_files_of_other_kinds(name, tmp_path, monkeypatch, watched):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.fastnn"
    path.write_bytes(others()[name])
    with pytest.raises(ModelFileError, match=r"model\.fastnn"):
        fastnn.load(path)
    assert watched(others()[name]) is None
    assert os.listdir(tmp_path) == ["model.fastnn"]
