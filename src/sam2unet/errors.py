"""The one exception of bad input: its message is a sentence that names the file and the way out."""


class InputError(ValueError):
    """What the caller gave can't be used; the commands print the message alone and exit with 2."""
