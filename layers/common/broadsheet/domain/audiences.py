"""How large an audience is, for what is counted of it."""

LARGE = 100_000  # recipients; so many take 50 ms to count


def is_large(audience: int | None) -> bool:
    """Return whether an issue with such an audience is counted by dispatch alone."""
    return (audience or 0) > LARGE
