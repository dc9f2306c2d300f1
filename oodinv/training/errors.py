"""What stops a training, said so that it can be mended. The commands know these classes by name."""


class TrainingError(ValueError):
    """A training cannot be started as asked."""


class TrainingStopped(Exception):
    """A training was stopped before its end, and what it would have learned was asked for. Its state is saved."""


class TrainingDiverged(Exception):
    """A loss or a weight is no number any more. The last good state is kept; the message names it."""


class CheckpointError(Exception):
    """A checkpoint is damaged, or belongs to another training."""


class FolderInUse(Exception):
    """Another process trains in this folder."""


class DiskFull(Exception):
    """There was no room for a checkpoint, a log line or a picture. What was saved before stays."""
