"""Controls that drive shape keys: expressions that are followed without being run, and the values controls have."""

import numpy as np
import pytest
from mouthpiece.errors import RigError
from mouthpiece.retarget.controls.courses import course
from mouthpiece.retarget.controls.expressions import parse

VAR = frozenset({"var"})
UNIT = (0.0, 1.0)
ENDLESS = (-np.inf, np.inf)


@pytest.mark.parametrize(
    "text",
    [
        "var", "var*2", "-var + 1", "max(0, var)", "min(1, max(var, 0), 2)", "clamp(var)", "clamp(var, 0.1, 0.5)",
        "(var - 0.2) / 0.6", "var if var > 0.5 else 0", "abs(var)", "radians(90) * var", "var ** 2", "pi * var",
        "2 * (var < 0.5)", "float(var)",
    ],
)  # fmt: skip
def test_an_expression_gives_what_python_would(text):
    from math import pi, radians

    values = np.linspace(-1, 1, 21)
    known = {"clamp": lambda v, a=0.0, b=1.0: min(max(v, a), b), "pi": pi, "radians": radians}
    told = [eval(text, {**known, "var": float(x)}) for x in values]
    np.testing.assert_allclose(parse(text, VAR).evaluate({"var": values}), told, atol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "", "var +", "other", "sin(var)", "__import__('os')", "var.real", "[var]", "var[0]", "lambda: var", "'a'",
        "var and 1", "max(var)", "clamp(var, high=1)", "var if var else (yield)", "1e999", "a" * 600, "var@var",
        "noise(var)", "frame",
    ],
)  # fmt: skip
def test_anything_else_is_refused_and_not_run(text):
    with pytest.raises(RigError, match="beyond"):
        parse(text, VAR)


def test_a_value_that_is_none_is_not_finite():
    assert not np.isfinite(parse("1 / var", VAR).evaluate({"var": np.zeros(2)})).any()
    assert found("1 / var", UNIT) is None


def found(text, limits=ENDLESS, default=0.0, span=UNIT):
    expression = parse(text, VAR)
    return course({"a": lambda x: expression.evaluate({"var": x})}, {"a": span}, default, limits)


AIM = np.array([0.0, 0.1, 0.5, 0.99, 1.0])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("var", AIM),
        ("var * 50", AIM / 50),
        ("var / 3000", AIM * 3000),
        ("-var", -AIM),
        ("max(0, var)", AIM),
        ("max(0, 4 * var - 1)", np.where(AIM > 0, (AIM + 1) / 4, 0)),
    ],
)
def test_the_control_is_where_its_key_is_as_it_should_be(text, values):
    one = found(text)
    assert one.is_straight
    track = one.track({"a": AIM})
    np.testing.assert_allclose(one.played(track)[0], AIM, atol=2e-3)
    np.testing.assert_allclose(track, values, atol=2e-3 * max(1, np.abs(values).max()))


def test_an_inverted_control_rests_where_its_key_does():
    one = found("1 - var", UNIT)
    assert one.values[one.rest] == 1.0
    np.testing.assert_allclose(one.track({"a": AIM}), 1 - AIM, atol=2e-3)


def test_a_control_keeps_within_its_limits():
    track = found("var", (0.0, 0.4)).track({"a": AIM})
    assert track.max() == pytest.approx(0.4)


def test_a_bent_key_is_not_straight_and_one_that_does_not_follow_is_none():
    assert not found("var ** 2", UNIT).is_straight
    assert not found("abs(var) ** 1.5 + var", UNIT, span=(0.0, 2.0)).is_straight
    assert found("0 * var") is None
    assert found("var", (0.0, 0.0)) is None


def both(up, down):
    follows = {"up": lambda x: np.maximum(x, 0), "down": lambda x: np.maximum(-x, 0)}
    one = course(follows, {"up": UNIT, "down": UNIT}, 0.0, ENDLESS)
    return one.track({"up": np.asarray(up), "down": np.asarray(down)})


def test_keys_on_both_sides_are_weighed_against_each_other_without_a_jump():
    np.testing.assert_allclose(both([0.6, 0.0, 0.6], [0.0, 0.4, 0.2]), [0.6, -0.4, 0.4], atol=2e-3)
    near = both(np.linspace(0.25, 0.35, 50), np.linspace(0.35, 0.25, 50))
    assert np.abs(np.diff(near)).max() < 0.01


def test_keys_on_one_side_share_what_they_cannot_all_have():
    one = course({"a": lambda x: x, "b": lambda x: 2 * x}, {"a": UNIT, "b": UNIT}, 0.0, UNIT)
    track = one.track({"a": np.array([0.2, 0.5]), "b": np.array([0.4, 0.5])})
    np.testing.assert_allclose(track, [0.2, 0.3], atol=2e-3)  # least squares: (a + 2 b) / 5
