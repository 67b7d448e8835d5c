"""Weights of networks in .safetensors files, with notes on how they were made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)


def half_floats(state: Mapping[str, Tensor], exact: Collection[str] = ()) -> dict[str, Tensor]:
    """Return the weights in ``state`` as half floats, to save room; those named ``exact`` stay as they are."""
    return {name: (value if name in exact else value.half()).contiguous() for name, value in state.items()}


def load_network(path: Path, make: Callable[[dict[str, str]], Net], name: str) -> tuple[Net, dict[str, str]]:
    """Return the network stored in ``path``, ready to run, and the notes stored with it.

    ``make`` returns a network of the right shape for the notes; ``name`` says in errors what it is.

    Raises
    ------
    ValueError
        If the file is not a checkpoint of such a network.
    """
    try:
        with safe_open(path, "pt") as stored:
            notes = dict(stored.metadata() or {})
            net = make(notes)
            net.load_state_dict({key: stored.get_tensor(key).float() for key in stored.keys()})
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise ValueError(f"'{path}' is not a checkpoint of {name} ({error})") from error
    return net.eval(), notes
