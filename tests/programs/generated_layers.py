"""Draws single layers at sizes of real models, quantizes them, and compares them with the float ones.

python tests/programs/generated_layers.py --count 5000 --seed 1 --jobs 2 --save failures
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.networks.campaign import Drawing, main
from tests.networks.layers import check_layer, run_layer

if __name__ == "__main__":
    sys.exit(main(Drawing(Path(__file__), check_layer, run_layer)))
