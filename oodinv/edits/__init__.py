"""Edits: what the user asks for, as text and as records."""

from oodinv.edits.edit import Edit, EditError, edit_slug, format_edits, parse_edit
from oodinv.edits.sweep import expand_edits

__all__ = ["Edit", "EditError", "edit_slug", "expand_edits", "format_edits", "parse_edit"]
