"""The portrait generator, which repairs warped portraits.

Run ``train``, ``export``, ``evaluate`` (with ``measures``); ``adapt`` fits the shipped generator to one person, whose
clips ``subject_video`` makes; ``sidecar`` describes a generator of your own.
"""
