"""The content code: speech separated into what is said and who says it (``docs/disentanglement.md``).

Run ``train``, then ``probe``, and ``content_from_code`` to see what the code costs.
"""
