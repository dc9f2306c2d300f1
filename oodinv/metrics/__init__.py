"""What is measured, one metric per file."""
