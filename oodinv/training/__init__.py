"""Training of the embedded model: generator, encoder, decomposition, directions.

Imports only torch, numpy, pillow, safetensors, jaxtyping and this library, so that it runs on a bare machine.
"""
