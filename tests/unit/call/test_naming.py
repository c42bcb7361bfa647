"""The ids that we choose."""

from __future__ import annotations

from callbridge.call.naming import Names


def test_no_id_comes_twice() -> None:
    names = Names()
    assert [names.next_item_id(), names.next_item_id()] == ["cb_item_1", "cb_item_2"]
    assert [names.next_command_id(), names.next_command_id()] == ["cb_1", "cb_2"]


def test_a_session_of_another_stream_has_other_ids_that_are_short_enough() -> None:
    """The vendor takes 32 characters."""
    one, two = Names(), Names()
    one.keep_apart("MZ" + "0" * 31 + "1")
    two.keep_apart("MZ" + "0" * 31 + "2")
    ids = {names.next_item_id() for names in (Names(), one, two)}
    assert len(ids) == 3
    assert max(map(len, ids)) <= 24
