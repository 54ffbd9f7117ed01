"""Draws networks, quantizes them, and checks what must hold of each; see tests/networks.

python tests/programs/generated_networks.py --count 5000 --seed 1 --jobs 2 --save failures
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.networks.campaign import Drawing, main
from tests.networks.checking import check, run_float
from tests.networks.drawing import draw_recipe
from tests.networks.net import Chance
from tests.networks.options import draw_options
from tests.networks.shrinking import described, shrunk


def smaller(seed: int, signature: str) -> str:
    """The smallest network that fails like that of a seed: its recipe, options and text."""
    return described(shrunk(draw_recipe(seed), draw_options(Chance(seed, 2)), signature))


if __name__ == "__main__":
    drawing = Drawing(
        Path(__file__),
        lambda seed: check(draw_recipe(seed)),
        lambda seed: run_float(draw_recipe(seed)),
        smaller,
    )
    sys.exit(main(drawing))
