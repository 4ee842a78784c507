"""Instances, keys and secrets in the store."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from coldplate.domain.instance import Instance, make_crn
from coldplate.domain.key import KeyRecord
from coldplate.domain.user import EVERYWHERE, Kind, Role, User


@pytest.fixture
def key(store, now):
    key = KeyRecord("k1", "d1", "ada", "ada", "laptop", created=now, expires=now + timedelta(days=1))
    store.add_key(key)
    return key


def test_instance_comes_back_as_it_was_stored(store):
    instance = Instance(
        make_crn("ada", "third"), "Ünï ☃", account="ada", tags=("a",), limit_s=5, backends=("heron",)
    )
    store.add_instance(instance)
    assert store.instance(instance.id) == instance


def test_instances_are_listed_by_account(store, ours, foreign):
    assert store.instances("ada") == [ours]
    assert store.instances() == [foreign, ours]
    assert store.instances("nobody") == []
    assert store.instance(make_crn("ada", "none")) is None


def test_instance_is_changed_but_for_its_crn_and_account(store, ours):
    changed = replace(ours, name="new", limit_s=7, backends=("heron",))
    assert store.replace_instance(changed)
    assert store.instance(ours.id) == changed
    assert not store.replace_instance(replace(ours, account="eve"))
    assert not store.replace_instance(replace(ours, id=make_crn("ada", "none")))


def test_user_comes_back_as_it_was_stored(store, ours, now):
    user = User("ci", "ada", now, Kind.SERVICE, {EVERYWHERE: Role.READER, ours.id: Role.MANAGER})
    assert store.add_user(user)
    assert store.user("ada", "ci") == user
    assert store.users("ada") == store.users() == [user]
    assert store.users("eve") == []
    assert store.user("eve", "ci") is None


def test_name_is_given_once_in_an_account(store, now):
    assert store.add_user(User("ada", "ada", now))
    assert not store.add_user(User("ada", "ada", now))
    assert store.add_user(User("ada", "eve", now))


def test_role_is_replaced_and_taken_away(store, now):
    store.add_user(User("ada", "ada", now, roles={EVERYWHERE: Role.READER}))
    assert store.set_role("ada", "ada", EVERYWHERE, Role.WRITER)
    assert store.user("ada", "ada").roles == {EVERYWHERE: Role.WRITER}
    assert store.set_role("ada", "ada", EVERYWHERE, None)
    assert store.user("ada", "ada").roles == {}
    assert not store.set_role("ada", "nobody", EVERYWHERE, Role.WRITER)


def test_removed_user_leaves_revoked_keys_and_nothing_else(store, key, now):
    store.add_user(User("ada", "ada", now, roles={EVERYWHERE: Role.READER}))
    store.add_user(User("bob", "ada", now))
    store.add_key(replace(key, id="k2", digest="d2", user="bob"))
    assert store.remove_user("ada", "ada", now)
    assert not store.remove_user("ada", "ada", now)
    assert (store.key("k1").revoked, store.key("k2").revoked) == (now, None)
    assert [user.name for user in store.users()] == ["bob"]


def test_key_is_found_by_digest_and_by_id(store, key):
    assert store.key_by_hash("d1") == store.key("k1") == key
    assert store.keys() == [key]
    assert store.key_by_hash("d2") is store.key("k2") is None


def test_key_is_revoked_once(store, key, now):
    assert store.revoke_key("k1", now)
    assert not store.revoke_key("k1", now + timedelta(days=1))
    assert not store.revoke_key("k2", now)
    assert store.key("k1").revoked == now


def test_use_of_a_key_is_on_record_after_the_next_write(store, key, now):
    store.note_use("k1", now)
    store.secret("anything", lambda: b"x")
    assert store.key("k1").last_used == now


def test_secret_is_made_once_also_by_many_at_the_same_time(store):
    made, given = [], []

    def make():
        made.append(b"%d" % len(made))
        return made[-1]

    threads = [threading.Thread(target=lambda: given.append(store.secret("pepper", make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert given == [b"0"] * 8
    assert store.secret("other", lambda: b"\0\xff") == b"\0\xff"
