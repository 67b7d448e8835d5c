"""What all networks share: export to ONNX, weights in files, spectra as layers, and fitting to one person."""
