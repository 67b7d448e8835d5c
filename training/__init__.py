"""Training of the networks and tables Mouthpiece ships: from videos to ONNX files with sidecars. Not in the add-on.

``pack`` makes a training pack of videos; ``listener``, ``content``, ``speaker``, ``conversion`` and ``portrait`` each
train and export one network or a few; ``tables`` measures recorded faces; ``measures`` and ``studies`` judge. Programs
are run from the repository root with the core installed (``python -m training.content.train``); README.md lists them.
``networks`` and the modules beside the folders are shared by all: this folder has more than a dozen entries, since each
is one network's folder, a kind of stored data (``configs``, ``checkpoints``), or a module that every program needs.
Importing the package loads nothing heavy.
"""
