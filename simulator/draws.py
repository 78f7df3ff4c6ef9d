"""Chance that can be repeated: the same seed and names give the same draw, in every process and order."""

from hashlib import blake2b

_CHANCES = 1 << 32


def draw(*names: object, below: int) -> int:
    """A whole number in [0, `below`) that belongs to `names`."""
    text = ":".join(map(str, names)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest()) % below


def happens(*names: object, rate: float) -> bool:
    """True for a share of `rate` of all names."""
    return draw(*names, below=_CHANCES) < rate * _CHANCES
