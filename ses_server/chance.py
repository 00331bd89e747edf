"""Chance that can be told again."""

import hashlib


def chance(seed: int, *about: object) -> float:
    """Return a number from 0 up to 1 that depends on the seed and on what it is about only.

    What is decided by it is the same whatever else was decided before, and in whichever order.
    """
    digest = hashlib.blake2b(repr((seed, *about)).encode(), digest_size=8)
    return int.from_bytes(digest.digest()) / 2**64
