"""Runs networks by ONNX Runtime, which only this module knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError


class Session(Protocol):
    """A loaded network: a function from named arrays to named arrays."""

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Return the network's outputs for ``inputs``."""
        ...


class OnnxSession:
    """A network run by ONNX Runtime on the CPU.

    It uses one thread by default, because takes are short, batches run side by side, and more threads than cores are
    slower than one.
    """

    def __init__(self, content: bytes, label: str, threads: int = 1) -> None:
        """Load a network from the bytes of its file.

        Raises
        ------
        ModelError
            If ONNX Runtime is not installed or refuses the file.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise ModelError(
                "The package 'onnxruntime' is missing or does not fit this Python. In Blender, install the zip made "
                "for this Blender version and system; elsewhere run: python -m pip install onnxruntime"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's exceptions share no public base class but Exception
            raise ModelError(f"The network '{label}' cannot be loaded ({error}). Reinstall Mouthpiece.") from error
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Return the network's outputs for ``inputs``, in the types the network declares."""
        values = self._session.run(self._outputs, {name: np.ascontiguousarray(x) for name, x in inputs.items()})
        return dict(zip(self._outputs, values, strict=True))


def open_session(path: Path, threads: int = 1) -> OnnxSession:
    """Return the network stored at ``path``.

    Raises
    ------
    ModelError
        If the file cannot be read or loaded.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"The network '{path}' cannot be read: {error.strerror}. Reinstall Mouthpiece.") from error
    return OnnxSession(content, path.name, threads)
