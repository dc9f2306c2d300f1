"""What a label may be called: its name becomes a file's name, and a key in tables and logs."""

import re

from oodinv.training.data.errors import DatasetError

_NAME = re.compile(r"[A-Za-z0-9_.+-]{1,100}")


def check_label(name: object, where: object) -> str:
    """The name, if files may be named by it.

    Args:
        name: Of a label.
        where: For the message: the file it comes from.

    Raises:
        DatasetError: It holds anything but letters of the English alphabet, digits and ``_ . + -``, or is dots only.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not name.strip("."):
        raise DatasetError(
            f"{where}: a label cannot be called {str(name)!r:.60}: expected letters a to z, digits, and _ . + - only, "
            "since files are named by it; rename it"
        )
    return name
