"""The portrait generator: trained, judged, exported, taught one person."""
