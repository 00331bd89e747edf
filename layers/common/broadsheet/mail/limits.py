"""What takes more work to render than any real mail."""


class TooComplex(Exception):
    """Content that isn't rendered, because that could take too long.

    ``why``: the variant of the sentence of ``too-complex``, with its parameters.
    """

    def __init__(self, why: str, **parameters: int) -> None:
        super().__init__(why)
        self.why, self.parameters = why, parameters
