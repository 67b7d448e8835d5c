"""Training of the networks Mouthpiece ships: from videos to an ONNX file with a sidecar. Not part of the add-on.

Run from the repository root with the core installed: ``python -m training.pack.prepare``, ``.train``, ``.export``,
``.evaluate``. Importing this package loads nothing heavy; torch is imported by the modules that train.
"""
