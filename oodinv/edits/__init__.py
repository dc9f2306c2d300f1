"""Edits: what the user asks for, as text and as records."""

from oodinv.edits.edit import Edit, EditError, edit_slug, format_edits, parse_edit

__all__ = ["Edit", "EditError", "edit_slug", "format_edits", "parse_edit"]
