"""`python -m irquant`: the command line."""

from irquant.tools.start import main

main()
