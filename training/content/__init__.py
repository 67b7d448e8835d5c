"""The content network: from what is heard to how the mouth moves.

Run ``train``, ``export``, ``evaluate``; ``adapt`` fits the shipped network to one actor. A run is configured by
``config``, learns from ``corpus`` (``data`` and ``targets``), and is itself ``run``, or ``tuning`` if the listener is
trained with it.
"""
