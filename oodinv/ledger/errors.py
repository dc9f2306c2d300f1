"""What the ledger refuses."""


class LedgerError(Exception):
    """The dataset's books do not allow this. The message says what was expected, what was found and what to do."""


class PartInvalid(LedgerError):
    """Rows that must not be committed: a value, a null or an accounting that breaks the schema."""
