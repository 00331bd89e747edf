"""Repeatable chance."""

import hashlib


def chance(seed: int, *about: object) -> float:
    """Return a number from 0 up to 1 that depends only on the seed and on ``about``.

    So a decision is the same, whatever was decided before it.
    """
    digest = hashlib.blake2b(repr((seed, *about)).encode(), digest_size=8)
    return int.from_bytes(digest.digest()) / 2**64
