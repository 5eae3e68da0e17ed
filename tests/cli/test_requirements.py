"""Bounds as a user writes them, and rungs judged by them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seamount.compiler.errors import InputError
from seamount.compiler.measures import Likeness, Measures
from seamount.workflows.requirements import EXACT, SHARES, Requirement, judge, parse_requirements
from seamount.workflows.rungs import Form, Rung


def rungs(**changes: Any) -> list[Rung]:
    """A good check of 200 samples: 97.5 % before, 96.5 % after; changes replace members of the named rung."""
    exact = {"exact_with": Form.INTEGER, "differing": 0, "compared": 1000}
    made = {
        "framework": (Form.GOLDEN, 16, None, None, exact),
        "imported": (Form.IMPORTED, 200, 195 / 200, 1.0, {}),
        "integer": (Form.INTEGER, 200, 193 / 200, 0.98, {}),
        "reference": (Form.REFERENCE, 4, None, None, exact),
        "lava": (Form.LAVA, 4, None, None, exact),
        "trace": (Form.TRACE, 4, None, None, exact),
    }
    found = []
    for key, (name, samples, accuracy, agreement, more) in made.items():
        if changes.get(key, {}) is not None:
            members = {"accuracy": accuracy, "agreement": agreement, **more, **changes.get(key, {})}
            members["measures"] = Measures(accuracy=members.pop("accuracy"))
            members["likeness"] = Likeness(same=members.pop("agreement"))
            found.append(Rung(name, samples, **members))
    return found


def problems(text: str, **changes: Any) -> list[str]:
    return [str(p) for p in judge(parse_requirements([text]), rungs(**changes))]


@pytest.mark.parametrize("name", EXACT)
def test_exact(name: str) -> None:
    assert problems(f"{name}=exact") == []
    (found,) = problems(f"{name}=exact", **{name: {"differing": 3}})
    assert found.startswith(f"require {name}=exact: ") and "3 of 1000 entries differ from the integer program" in found
    assert "at least one entry compared" in problems(f"{name}=exact", **{name: {"compared": 0}})[0]


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("change", [None, {"differing": None}])
def test_what_did_not_run_is_not_exact(name: str, change: Any) -> None:
    (found,) = problems(f"{name}=exact", **{name: change})
    assert f"require {name}=exact: {name} was not measured" in found


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("accuracy>=96.5%", True),
        ("accuracy>=96.51%", False),
        ("accuracy>=0%", True),
        ("accuracy>=100%", False),
        ("accuracy-drop<=1%", True),
        ("accuracy-drop<=0.99%", False),
        ("accuracy-drop <= 1.0 %", True),
        ("agreement>=98%", True),
        ("agreement>=98.1%", False),
    ],
)
def test_shares(text: str, holds: bool) -> None:
    """97.5 % - 96.5 % is one point, whatever floating point makes of it."""
    assert (problems(text) == []) is holds


def test_a_gain_is_no_drop() -> None:
    assert problems("accuracy-drop<=0%", integer={"accuracy": 1.0}) == []


@pytest.mark.parametrize("rung", ["imported", "integer"])
def test_shares_that_were_not_measured(rung: str) -> None:
    for change in (None, {"accuracy": None}):
        (found,) = problems("accuracy-drop<=1%", **{rung: change})
        assert "accuracy-drop was not measured" in found and "--data" in found
    assert "was not measured" in problems("accuracy>=1%", integer={"accuracy": None})[0]
    assert "was not measured" in problems("agreement>=1%", integer={"agreement": None})[0]


def test_messages_say_what_was_found_and_the_limit() -> None:
    (found,) = problems("accuracy-drop<=0.5%")
    assert found.splitlines()[:2] == [
        "require accuracy-drop<=0.5%: accuracy-drop is 1.00 points",
        "  limit:  <= 0.5 points",
    ]


def test_all_that_fail_are_reported() -> None:
    found = judge(parse_requirements(["accuracy>=99%", "agreement>=1%", "lava=exact"]), rungs(lava=None))
    assert [p.where for p in found] == ["require accuracy>=99%", "require lava=exact"]
    assert judge((), rungs()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not of the form"),
        ("accuracy", "not of the form"),
        ("accuracy>=", "not of the form"),
        ("accuracy>=95", "not of the form"),
        ("accuracy>=0.95", "not of the form"),
        ("accuracy>95%", "not of the form"),
        ("accuracy>=-5%", "not of the form"),
        ("accuracy>=nan%", "not of the form"),
        ("accuracy>=1e1%", "not of the form"),
        ("accuracy>=95%%", "not of the form"),
        ("accuracy>=95% agreement>=98%", "not of the form"),
        ("accuracy>=\u0669\u0665%", "not of the form"),
        ("Lava=exact", "not of the form"),
        ("accuracy<=95%", "'accuracy' takes >= and a bound in %"),
        ("accuracy=exact", "'accuracy' takes >= and a bound in %"),
        ("accuracy-drop>=1%", "'accuracy-drop' takes <="),
        ("accuracy>=101%", "more than all"),
        ("lava>=98%", "'lava' can only be exact"),
        ("lava<=exact", "'lava' can only be exact"),
        ("spinnaker=exact", "nothing called 'spinnaker'"),
    ],
)
def test_what_is_no_requirement(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_requirements([text])
    assert caught.value.problems[0].remedy.startswith(("write ", "give "))


def test_all_faults_are_reported() -> None:
    with pytest.raises(InputError) as caught:
        parse_requirements(["a", "lava=exact", "b"])
    assert len(caught.value.problems) == 2


@given(st.sampled_from(sorted(SHARES)), st.integers(0, 10000))
def test_requirements_read_as_they_print(name: str, hundredths: int) -> None:
    requirement = Requirement(name, SHARES[name], hundredths / 100)
    assert parse_requirements([str(requirement)]) == (requirement,)
