"""How the threads of this process take turns at the interpreter."""

import sys

_SECONDS = 0.0005


def take_shorter_turns() -> None:
    """Let a thread that waits for the interpreter have it after half a millisecond instead of five.

    The one that a model returns to waits behind those that prepare and finish photos: twice for each, and with five
    milliseconds it would wait as long as a fast model takes. For processes that belong to the model, such as actors.
    """
    sys.setswitchinterval(_SECONDS)
