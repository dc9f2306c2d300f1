"""Published checkpoints: one file, one layout with its key table; read without running anything a file brings."""
