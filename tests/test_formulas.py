"""Formulas: what they come to, and what is refused."""

import numpy as np
import pytest
from mouthpiece.errors import RigError
from mouthpiece.retarget.shape_keys import drivers
from mouthpiece.retarget.shape_keys.formulas import parse

VALUES = {"jawOpen": np.array([0.2, 0.8]), "mouthClose": np.array([0.1, 0.5]), "viseme.aa": np.array([1.0, 0.0])}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("jawOpen", [0.2, 0.8]),
        ("jawOpen - mouthClose", [0.1, 0.3]),
        ("-jawOpen + 1", [0.8, 0.2]),
        ("2 * (jawOpen + viseme.aa) / 4", [0.6, 0.4]),
        ("max(jawOpen, viseme.aa, 0.9)", [1.0, 0.9]),
        ("min(jawOpen, mouthClose)", [0.1, 0.5]),
        ("jawOpen * mouthClose", [0.02, 0.4]),
        ("0.25", 0.25),
    ],
)
def test_what_it_comes_to(text, wanted):
    formula = parse(text, drivers.NAMES)
    np.testing.assert_allclose(formula.evaluate(VALUES), wanted)
    assert formula.names <= set(VALUES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a formula"),
        ("jawOpen +", "not a formula"),
        ("jawopen", "Did you mean jawOpen"),
        ("viseme.zz", "Nothing called"),
        ("a.b.c", "too many dots"),
        ("jawOpen ** 2", "no use for"),
        ("jawOpen if 1 else 2", "no use for"),
        ("__import__('os')", "no use for"),
        ("max(jawOpen)", "no use for"),
        ("max(jawOpen, key=1)", "no use for"),
        ("[jawOpen]", "no use for"),
        ("'text'", "no number"),
        ("True", "no number"),
        ("1e999", "too large"),
        ("jawOpen / 0", "or zero"),
        ("jawOpen / mouthClose", "no number"),
        ("1 + " * 200 + "1", "longer than"),
    ],
)
def test_what_is_refused(text, words):
    with pytest.raises(RigError, match=words):
        parse(text, drivers.NAMES)


def test_every_driver_can_be_named():
    for name in drivers.NAMES:
        assert parse(name, drivers.NAMES).names == {name}
