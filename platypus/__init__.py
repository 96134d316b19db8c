"""Platypus turns a tool catalogue into a planner: a small, fine-tuned model that answers a request with a valid plan.

Importing the package imports nothing heavy, so that `platypus --help` answers at once: import from its modules.
"""

import logging

# Where bitsandbytes is installed, PEFT imports it, and it warns of kernels that it lacks and of each cast to 8 bits.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

__version__ = "0.1.0"
