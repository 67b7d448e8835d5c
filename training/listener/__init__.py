"""The listener, which turns sound into the features that the content network takes: built from speech recognisers.

Run ``export`` to build ``phonetic.onnx``, or ``encoders`` to describe an encoder of your own.
"""
