"""`python -m platypus` is the command `platypus`."""

from platypus.cli import main

main()
