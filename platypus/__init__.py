"""Platypus turns a tool catalogue into a planner: a small, fine-tuned model that answers a request with a valid plan.

Importing the package imports nothing else, so that `platypus --help` answers at once: import from its modules.
"""

__version__ = "0.1.0"
