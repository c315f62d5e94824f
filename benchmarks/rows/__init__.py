"""Rows: what is measured, by groups. A new row is one function and one line of its file's ROWS."""
