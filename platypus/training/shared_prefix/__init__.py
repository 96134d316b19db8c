"""A prefix that all examples of a step share is computed once; the gradients are those of the ordinary batch.

Models stay as they are: transformers' attention interface and hooks are all that is used.

    attention.py        exact attention of rows behind a shared prefix, merged by log-sum-exp
    prefix.py           forward passes over prefix and suffixes, and the gradients between them
    loss.py             the loss of a step's examples and its gradients
"""
