"""onnxruntime's exceptions by their names; as there, each is an `Exception` of its own kind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from strandline.onnx.wire import ModelError
from strandline.ops.registry import UnsupportedOperator
from strandline.runtime.feeds import FeedError


class Fail(Exception):
    """Anything that has no name of its own: a run that the data made impossible, for example."""


class InvalidArgument(Exception):
    """A feed or a name that does not fit the model."""


class InvalidGraph(Exception):
    """A model that can be read and makes no sense."""


class InvalidProtobuf(Exception):
    """Bytes that are no ONNX model."""


class NoSuchFile(Exception):
    """A path at which there is no model."""


class NotImplemented(Exception):
    """An operator that this runtime does not have."""


class RuntimeException(Exception):
    """A run that failed."""


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise this package's errors as onnxruntime's, with the same message."""
    try:
        yield
    except FeedError as error:
        raise InvalidArgument(str(error)) from error
    except UnsupportedOperator as error:
        raise NotImplemented(str(error)) from error
    except ModelError as error:
        raise InvalidProtobuf(str(error)) from error
    except FileNotFoundError as error:
        raise NoSuchFile(
            f"Load model from {error.filename} failed: there is no such file"
        ) from error
