"""The table of blocks: each is a function that adds some operations to a network and gives the tensors they make."""

from collections.abc import Callable, Sequence
from typing import Any

from .net import Net, Tensor

Block = Callable[[Net], "Tensor | Sequence[Tensor]"]
#: Name -> what it adds; and how often it is drawn.
BLOCKS: dict[str, Block] = {}
SHARES: dict[str, float] = {}
#: The same for inputs of a network.
SOURCES: dict[str, Block] = {}
SOURCE_SHARES: dict[str, float] = {}


def block(share: float = 1.0) -> Callable[[Block], Block]:
    """Puts a function into the table."""

    def put(function: Any) -> Block:
        BLOCKS[function.__name__], SHARES[function.__name__] = function, share
        return function

    return put


def source(share: float = 1.0) -> Callable[[Block], Block]:
    """Puts a function into the table of inputs."""

    def put(function: Any) -> Block:
        SOURCES[function.__name__], SOURCE_SHARES[function.__name__] = function, share
        return function

    return put
