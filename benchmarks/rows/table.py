"""The table of rows, in the order in which they are shown."""

from rows import decoding, eight, feeding, media, speech, start, text, training, translation

ROWS = (*training.ROWS, *feeding.ROWS, *decoding.ROWS, *eight.ROWS, *speech.ROWS, *translation.ROWS, *text.ROWS, *media.ROWS, *start.ROWS)
