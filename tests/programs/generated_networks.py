"""Draws networks, quantizes them, and checks what must hold of each; see tests/networks.

python tests/programs/generated_networks.py --count 5000 --seed 1 --jobs 2 --save failures
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.networks.campaign import main

if __name__ == "__main__":
    sys.exit(main())
