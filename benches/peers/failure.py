"""What a person can do something about."""


class Failure(Exception):
    """Ends the run with its message."""
