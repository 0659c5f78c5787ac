"""Tensors as they stand in files, as arrays: what we write ourselves without TensorBoard's own reader, whose import brings fsspec and asyncio."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from tensorboard.compat.proto import types_pb2

_FLOAT = int(types_pb2.DT_FLOAT)
_SINGLE = np.dtype("<f4")


def array_of(tensor: Any) -> npt.NDArray[Any]:
    """A tensor's values, perhaps as a view of its bytes.

    Raises:
        ArithmeticError, LookupError, MemoryError, TypeError, ValueError: it is none.
    """
    content: bytes = tensor.tensor_content
    sizes, kind = tensor.tensor_shape.dim, tensor.dtype
    if kind == _FLOAT and len(sizes) == 1 and len(content) == 4 * sizes[0].size > 0:
        return np.frombuffer(content, _SINGLE)
    if kind == types_pb2.DT_STRING and not sizes and not content:
        texts = list(tensor.string_val)
        return np.array(texts, object).reshape(())
    from tensorboard.util import tensor_util  # noqa: PLC0415  (no ordinary run has such a tensor)

    array: npt.NDArray[Any] = tensor_util.make_ndarray(tensor)
    return array
