"""The speaker branch: voice prints, manners, and how heads move.

Run ``voice`` (the voice print network, from published weights), ``train``, ``evaluate``.
"""
