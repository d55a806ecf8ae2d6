"""The face of a meter: what is typed on it comes back to it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.console.dials import EMPTY, Face, complete, faces_of, typed_again
from agent.field.drafts import Draft
from agent.order import Order
from agent.routes.order import AskedRegister, Place, RouteOrder
from drivers.visual.entry import SHOWN

BOXES = st.lists(st.sampled_from(["", *"0123456789"]), min_size=1, max_size=12)


def face(dials: int | None, decimals: int = 0, **register: object) -> Face:
    return Face(0, AskedRegister(**register), dials, decimals)  # type: ignore[arg-type]


@given(BOXES, st.integers(0, 3), st.booleans())
def test_what_is_typed_comes_back_to_the_same_dials(boxes: list[str], decimals: int, below: bool) -> None:
    dials = max(1, len(boxes) - decimals)
    one = face(dials, len(boxes) - dials, direction="net")
    fields = {f"d0-{k}": box for k, box in enumerate(boxes)} | ({"m0": "1"} if below else {})
    value = one.typed(lambda name: fields.get(name, ""))
    if not any(boxes):
        assert value == ""
        return
    assert one.boxes(value) == tuple(boxes)
    assert value.startswith("-") == below
    assert complete(value) == all(boxes)
    assert one.as_whole(value) == ""
    assert bool(SHOWN.fullmatch(value)) == complete(value)


@given(st.dictionaries(st.sampled_from(["d0-0", "d0-1", "w0", "m0"]), st.text(max_size=50)))
def test_no_form_breaks_a_face(fields: dict[str, str]) -> None:
    for one in (face(2), face(1, 1), face(None)):
        value = one.typed(lambda name: fields.get(name, ""))
        assert len(value) <= 41
        assert len(one.boxes(value)) in {0, 2}
        assert one.shown("0").shown == "0"


def test_the_dials_are_those_of_the_register_else_of_the_order() -> None:
    ordered = RouteOrder(
        order=Order("visual://", dials=6, decimals=2),
        method="visual",
        place=Place(address="1 Mill Street"),
        shown=(
            AskedRegister(),
            AskedRegister(quantity="kvarh", dials=4, decimals=1),
            AskedRegister(quantity="kW"),
            AskedRegister(quantity="kVA", dials=3),
        ),
    )
    assert [(one.dials, one.decimals) for one in faces_of(ordered)] == [(6, 0), (4, 1), (None, 2), (3, 2)]


@given(st.lists(st.sampled_from(["11", "22", "1_"]), min_size=3, max_size=3), st.sampled_from(["11", "22", "", "1_"]))
def test_only_the_same_twice_confirms_a_value(values: list[str], anew: str) -> None:
    faces = [Face(number, AskedRegister(), 2, 0) for number in range(3)]
    draft = Draft(values=tuple(values))
    after, differ = typed_again(faces, draft, {1: anew})
    assert (after.values[0], after.values[2], after.again[0], after.again[2]) == (values[0], values[2], "", "")
    if EMPTY in anew or not anew:
        assert (after.values[1], after.again[1], differ) == (values[1], "", ())
    elif anew == values[1]:
        assert (after.values[1], after.again[1], differ) == (anew, anew, ())
    else:
        assert (after.values[1], after.again[1], differ) == (anew, "", (faces[1],))
