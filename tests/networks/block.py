"""The table of blocks: each is a function that adds some operations to a network and gives the tensors they make."""

from collections.abc import Callable, Sequence

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
    return _putting(BLOCKS, SHARES, share)


def source(share: float = 1.0) -> Callable[[Block], Block]:
    """Puts a function into the table of inputs."""
    return _putting(SOURCES, SOURCE_SHARES, share)


def _putting(blocks: dict[str, Block], shares: dict[str, float], share: float) -> Callable[[Block], Block]:
    def put(function: Block) -> Block:
        name = getattr(function, "__name__", "")
        blocks[name], shares[name] = function, share
        return function

    return put
