"""Why a photo was refused."""

from oodinv.text import one_line

_MAX_MESSAGE = 300


class PhotoError(Exception):
    """The bytes are not a photo that can be worked on; repeating the attempt would change nothing.

    Attributes:
        error_class: Short kebab-case reason, stable across versions: `empty`, `too-many-bytes`, `not-an-image`,
            `unsupported-format`, `truncated`, `corrupt`, `too-many-pixels`, `animated`, `unsupported-mode`,
            `decoder-died`, `decoder-timeout`.
    """

    def __init__(self, error_class: str, message: str):
        """Keep the reason and one bounded sentence.

        Args:
            error_class: One of the reasons above.
            message: What was expected, what came, what to do. Cut at 300 characters; control characters are replaced
                with spaces, because parts of it may come out of the file.
        """
        super().__init__(one_line(message, _MAX_MESSAGE))
        self.error_class = error_class

    def __reduce__(self) -> tuple[type["PhotoError"], tuple[str, str]]:
        return PhotoError, (self.error_class, str(self))
