"""The table of rows, in the order in which they are shown."""

from rows import decoding, eight, media, speech, start, text, training, translation

ROWS = (*training.ROWS, *decoding.ROWS, *eight.ROWS, *speech.ROWS, *translation.ROWS, *text.ROWS, *media.ROWS, *start.ROWS)
