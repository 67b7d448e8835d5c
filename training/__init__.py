"""Training of the networks and tables Mouthpiece ships: from videos to ONNX files with sidecars. Not in the add-on.

``pack`` makes a training pack of videos; ``listener``, ``content``, ``speaker``, ``conversion`` and ``portrait`` each
train and export one network or a few; ``tables`` measures recorded faces; ``measures`` and ``studies`` judge. Programs
are run from the repository root with the core installed (``python -m training.content.train``); README.md lists them.
``networks`` and the modules beside the folders are shared by all. Importing the package loads nothing heavy.
"""
