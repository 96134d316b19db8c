"""Compute the prefix that all examples of a step share once, with the gradients of the ordinary batch.

Models stay as they are: only transformers' attention interface and hooks are used.

    attention.py        exact attention of rows behind a shared prefix, merged by log-sum-exp
    prefix.py           forward passes over prefix and suffixes, and the gradients between them
    frozen.py           prefixes that no adapter acts on, computed once for a whole training
    loss.py             the loss of a step's examples and its gradients
"""
