"""A run's model on the hub: what goes there, its card, and the upload.

Knows runs as folders with records, and no tensors.

    content.py          the files of a run that go to the hub, once it is complete
    card.py             the model card
    hub.py              a repository on the hub: checked, filled, tagged
"""
