"""Stops commands, lets their calls on files fail, and changes models; see tests/attacks.

python tests/programs/attack.py stops --count 1000 --seed 1 --jobs 2
python tests/programs/attack.py calls --what EIO
python tests/programs/attack.py mutants --count 5000 --seed 1
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.attacks.campaign import main

if __name__ == "__main__":
    sys.exit(main())
