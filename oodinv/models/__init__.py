"""The networks: generator, encoder, decomposition, and the model that assembles them."""
