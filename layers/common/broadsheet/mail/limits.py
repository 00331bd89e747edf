"""What takes more work to render than any real mail."""


class TooComplex(Exception):
    """Content that isn't rendered, because that could take too long; its text is the reason."""
