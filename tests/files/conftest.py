"""A model, its file, and loading under watch: for the tests of broken files."""

import pytest
from file_tools import bytes_of, load_bytes
from fuzz_tools import MOST_BYTES, model_of, watch


@pytest.fixture(scope="module")
def model():
    """Return a model of many parts."""
    return model_of()


@pytest.fixture(scope="module")
def data(model):
    """Return the bytes of its file."""
    load_bytes(bytes_of(model))  # what is imported at first is imported now
    return bytes_of(model)


@pytest.fixture
def watched():
    """Return a function that loads, and check in the end what it took."""
    loads = watch()
    loads.bound = MOST_BYTES
    yield loads
    assert 0 < loads.most < loads.bound
