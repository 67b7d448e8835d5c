"""Runs networks by ONNX Runtime, which only this module knows.

A network from elsewhere is a program of sorts. What it may cost is bounded here: its file stands alone
(:mod:`.graphs`), all networks together take at most :data:`MOST_MEMORY` bytes while they run, and no run lasts longer
than :data:`LONGEST_RUN` seconds. Whatever goes wrong in it is a ModelError that names the network.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from . import graphs

#: Seconds after which a run is stopped. The shipped networks take a second at most, a large encoder of a user's own
#: some tens of them; a network that loops for ever would never return.
LONGEST_RUN: Final = 300.0
#: Bytes that the networks of this process may take together while they run.
MOST_MEMORY: Final = 4 << 30
#: Seconds between two looks at whether a run is to be stopped, and for which one that is stopped is waited for.
_TICK: Final = 0.2
_PATIENCE: Final = 5.0
#: Only errors that end the process are printed by ONNX Runtime itself; all others come as exceptions.
_FATAL: Final = 4
#: Most letters of what ONNX Runtime says that are shown.
_SHOWN: Final = 240


class Session(Protocol):
    """A loaded network: a function from named arrays to named arrays."""

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Return the network's outputs for ``inputs``."""
        ...


@dataclass(frozen=True, slots=True)
class Declared:
    """What a network file declares of an input or output.

    Attributes
    ----------
    numbers : str
        What it holds, as ONNX Runtime names it: ``tensor(float)``, ``tensor(int64)``, …
    shape : tuple
        Its axes, words or None for those of any length; empty where the file says nothing.
    """

    numbers: str
    shape: tuple[int | str | None, ...]


class OnnxSession:
    """A network run by ONNX Runtime on the CPU.

    It uses one thread by default, because takes are short, batches run side by side, and more threads than cores are
    slower than one.

    Attributes
    ----------
    label : str
        What the network is called in messages.
    inputs, outputs : mapping of str to Declared
        What the file declares.
    """

    def __init__(self, content: bytes, label: str, threads: int = 1) -> None:
        """Load a network from the bytes of its file.

        Raises
        ------
        ModelError
            If ONNX Runtime is not installed or refuses the file, or the file needs others.
        """
        graphs.check(content, label)
        self.label = label
        self._runtime = _runtime()
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL
        options.add_session_config_entry("session.use_env_allocators", "1")
        try:
            self._session = self._runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            self.inputs = {one.name: Declared(one.type, tuple(one.shape)) for one in self._session.get_inputs()}
            self.outputs = {one.name: Declared(one.type, tuple(one.shape)) for one in self._session.get_outputs()}
        except Exception as error:  # ONNX Runtime's exceptions share no public base class but Exception
            raise ModelError(
                f"The network '{label}' cannot be loaded ({_said(error)}). Export it again, or, if it came with "
                "Mouthpiece, reinstall Mouthpiece."
            ) from error
        self._names = list(self.outputs)

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Return the network's outputs for ``inputs``, in the types the network declares.

        Raises
        ------
        ModelError
            If it does not take these inputs, needs too much memory or time, or fails otherwise.
        """
        given = {name: np.ascontiguousarray(values) for name, values in inputs.items()}
        limits = self._runtime.RunOptions()
        limits.log_severity_level = _FATAL
        limits.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        found: list[Any] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                found.extend(self._session.run(self._names, given, limits))
            except BaseException as error:  # whatever it is, it is raised again by the thread that waits
                failed.append(error)

        # The run has a thread of its own, so that this one can stop it: for its time is up, or for Ctrl-C.
        thread = threading.Thread(target=run, name=f"network {self.label}", daemon=True)
        thread.start()
        try:
            waited = 0.0
            while thread.is_alive() and waited < LONGEST_RUN:
                thread.join(_TICK)
                waited += _TICK
            late = thread.is_alive()
        finally:
            if thread.is_alive():
                limits.terminate = True
                thread.join(_PATIENCE)
        if late:
            raise ModelError(
                f"The network '{self.label}' was stopped after {LONGEST_RUN:.0f} seconds: it may loop for ever. Export "
                "it without loops, or use a smaller one."
            )
        if failed:
            raise ModelError(
                f"The network '{self.label}' cannot be run on what its description says it takes "
                f"({_said(failed[0])}). Numbers are 32-bit floats; half-precision weights are fine inside."
            ) from failed[0]
        return dict(zip(self._names, found, strict=True))


@lru_cache(maxsize=1)
def _runtime() -> Any:
    """Return ONNX Runtime, with bounded memory.

    Raises
    ------
    ModelError
        If it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(
            "The package 'onnxruntime' is missing or does not fit this Python. In Blender, install the zip made "
            "for this Blender version and system; elsewhere run: python -m pip install onnxruntime"
        ) from error
    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    as_requested = 1
    bounds = {
        "max_mem": MOST_MEMORY,
        "arena_extend_strategy": as_requested,
        "initial_chunk_size_bytes": -1,
        "max_dead_bytes_per_chunk": -1,
    }
    with suppress(Exception):  # another program in this process, in Blender, may have set one: then that one is used
        onnxruntime.create_and_register_allocator(place, onnxruntime.OrtArenaCfg(bounds))
    return onnxruntime


def _said(error: BaseException) -> str:
    """Return what ONNX Runtime says, on one line of bounded length."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]} …"


def open_session(path: Path, threads: int = 1) -> OnnxSession:
    """Return the network stored at ``path``.

    Raises
    ------
    ModelError
        If the file cannot be read or loaded.
    """
    return OnnxSession(read_network(path), path.name, threads)


def read_network(path: Path) -> bytes:
    """Return the bytes of a network file.

    Raises
    ------
    ModelError
        If it is no file, too large, or cannot be read.
    """
    try:
        if not path.is_file():
            raise ModelError(f"The network '{path}' is not a file. Check the path.")
        if path.stat().st_size > graphs.LONGEST:
            raise ModelError(f"The network '{path}' is larger than 2 GB, which no ONNX file can be. Export it again.")
        return path.read_bytes()
    except (OSError, ValueError, MemoryError) as error:
        reason = "there is not enough memory" if isinstance(error, MemoryError) else error
        raise ModelError(f"The network '{path}' cannot be read ({reason}). Copy or export it again.") from error
