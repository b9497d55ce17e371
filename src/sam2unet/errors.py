"""What ends a command: bad input, and a wish to stop."""


class InputError(ValueError):
    """What the caller gave can't be used; the commands print the message alone and exit with 2."""


class Stopped(Exception):
    """Training was asked to stop and has saved; the message says how to go on.

    Args:
        message: a sentence.
        code: the exit code, 128 and the number of the signal.
    """

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.code = code
