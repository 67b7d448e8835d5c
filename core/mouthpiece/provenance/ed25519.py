"""Ed25519 as RFC 8032 defines it, to make and sign one certificate with the standard library alone.

Not in constant time: it works once, on the user's own machine, on a key that nobody else can ask it to use. Pictures
and films are signed by the C2PA library, never by this.
"""

from __future__ import annotations

import hashlib
from typing import Final

Point = tuple[int, int, int, int]

_P: Final = 2**255 - 19
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_D: Final = -121665 * pow(121666, -1, _P) % _P
#: A square root of -1.
_ROOT: Final = pow(2, (_P - 1) // 4, _P)


def public_key(seed: bytes) -> bytes:
    """Return the public key (32 bytes) of a secret seed (32 bytes)."""
    return _packed(_times(_scalar(seed)[0], _BASE))


def signed(seed: bytes, message: bytes) -> bytes:
    """Return the signature (64 bytes) of a message by a secret seed (32 bytes)."""
    scalar, prefix = _scalar(seed)
    own = _packed(_times(scalar, _BASE))
    nonce = _number(prefix + message)
    first = _packed(_times(nonce, _BASE))
    answer = (nonce + _number(first + own + message) * scalar) % _ORDER
    return first + answer.to_bytes(32, "little")


def _scalar(seed: bytes) -> tuple[int, bytes]:
    if len(seed) != 32:
        raise ValueError("a seed has 32 bytes")
    digest = hashlib.sha512(seed).digest()
    clamped = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | (1 << 254)
    return clamped, digest[32:]


def _number(message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(message).digest(), "little") % _ORDER


def _sum(a: Point, b: Point) -> Point:
    e = (a[1] - a[0]) * (b[1] - b[0]) % _P
    f = (a[1] + a[0]) * (b[1] + b[0]) % _P
    g = 2 * a[3] * b[3] * _D % _P
    h = 2 * a[2] * b[2] % _P
    i, j, k, m = f - e, h - g, h + g, f + e
    return i * j % _P, k * m % _P, j * k % _P, i * m % _P


def _times(factor: int, point: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = _sum(total, point)
        point = _sum(point, point)
        factor >>= 1
    return total


def _packed(point: Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _base() -> Point:
    """Return the base point: y is 4/5, x the even root that belongs to it."""
    y = 4 * pow(5, -1, _P) % _P
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    x = _P - x if x & 1 else x
    return x, y, 1, x * y % _P


_BASE: Final = _base()
