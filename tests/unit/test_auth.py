"""Keys and tokens: only ours, only while they last, only for one's own instances."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey

from coldplate.auth import Auth, Principal
from coldplate.domain.instance import Instance, make_crn
from coldplate.domain.user import EVERYWHERE, Kind, Role, User
from coldplate.errors import InvalidCredentials, InvalidCrn, UnknownInstance, UnknownUser
from coldplate.settings import Settings
from coldplate.store.store import Store

OURS = Instance(make_crn("ada", "ours"), "ours", account="ada")
FOREIGN = Instance(make_crn("eve", "foreign"), "foreign", account="eve")
FOREVER = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Clock:
    """The time, which tests may move; also the one by which looked-up keys are forgotten."""

    def __init__(self):
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'coldplate.db'}")
    store.migrate()
    store.add_instance(OURS)
    store.add_instance(FOREIGN)
    for name in ("ada", "ada.l"):
        store.add_user(User(name, "ada", datetime.now(UTC), roles={EVERYWHERE: Role.MANAGER}))
    yield store
    store.close()


@pytest.fixture
def auth(store, clock, tmp_path):
    return Auth(store, Settings(data=tmp_path, token_ttl_s=3600), clock=clock)


@pytest.fixture
def key(auth):
    return auth.issue_key("ada.l", "ada", "laptop")


@pytest.fixture
def token(auth, key):
    return auth.token(key)["access_token"]


@pytest.fixture
def secret(store):
    """What the server signs with: nobody else has it, but tests may forge with it."""
    return store.secret("token-key", lambda: b"")


def part(value) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims_of(token: str) -> dict:
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


HEADER = {"alg": "HS256", "typ": "JWT"}


def signed(claims, secret: bytes, header=HEADER) -> str:
    """A token made by hand, so that no library refuses to make it."""
    text = f"{part(header)}.{part(claims)}"
    signature = hmac.new(secret, text.encode(), sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


# --- keys ---------------------------------------------------------------------------------------


def test_key_tells_whose_it_is(auth, store, key):
    (record,) = store.keys()
    assert auth.from_key(key) == Principal("ada.l", "ada", record.id, roles={EVERYWHERE: Role.MANAGER})


def test_keys_are_long_random_and_easy_to_recognise(auth):
    keys = {auth.issue_key("ada", "ada", "same name") for _ in range(20)}
    assert len(keys) == 20
    assert all(key.startswith("cp_") and len(key) >= 3 + 43 for key in keys)


def test_key_itself_is_nowhere_on_disk(auth, store, key, token, tmp_path):
    store.close()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for file in files:
        content = Path(file).read_bytes()
        assert key.encode() not in content
        assert key.removeprefix("cp_").encode() not in content
        assert sha256(key.encode()).hexdigest().encode() not in content


def test_digest_depends_on_a_secret_of_this_server(tmp_path, clock, key, store):
    with_another_pepper = Store(f"sqlite:///{tmp_path / 'other.db'}")
    with_another_pepper.migrate()
    with_another_pepper.add_user(store.user("ada", "ada.l"))
    other = Auth(with_another_pepper, Settings(data=tmp_path), clock=clock)
    with_another_pepper.add_key(store.keys()[0])
    with pytest.raises(InvalidCredentials):
        other.from_key(key)
    with_another_pepper.close()


@pytest.mark.parametrize("wrong", ["", "cp_", "x", "cp_" + "A" * 43, "ключ ☃", "\0", "\ud800", "cp_" * 10**5])
def test_unknown_key_is_refused(auth, key, wrong):
    with pytest.raises(InvalidCredentials):
        auth.from_key(wrong)
    with pytest.raises(InvalidCredentials):
        auth.token(wrong)


def test_key_expires(auth, clock):
    key = auth.issue_key("ada", "ada", "short", clock.now + timedelta(seconds=10))
    token = auth.token(key)["access_token"]
    auth.from_key(key), auth.from_token(token)
    clock.now += timedelta(seconds=10)
    for use in (lambda: auth.from_key(key), lambda: auth.token(key), lambda: auth.from_token(token)):
        with pytest.raises(InvalidCredentials):
            use()


def test_revoked_key_is_refused_at_once(auth, store, key, clock):
    store.revoke_key(store.keys()[0].id, clock.now)
    with pytest.raises(InvalidCredentials):
        auth.from_key(key)


def test_token_of_a_revoked_key_is_refused_within_seconds(auth, store, token, clock, monkeypatch):
    passed_s = 0.0
    monkeypatch.setattr("coldplate.auth.time.monotonic", lambda: passed_s)
    auth.from_token(token)
    store.revoke_key(store.keys()[0].id, clock.now)
    passed_s = 2.0
    with pytest.raises(InvalidCredentials):
        auth.from_token(token)


def test_last_use_of_a_key_is_on_record(auth, store, key, clock):
    assert store.keys()[0].last_used is None
    auth.from_key(key)
    store.secret("any write", lambda: b"x")
    assert store.keys()[0].last_used == clock.now


def test_restart_changes_no_key_and_no_token(auth, store, key, token, clock, tmp_path):
    again = Auth(store, Settings(data=tmp_path), clock=clock)
    assert again.from_key(key) == again.from_token(token) == auth.from_key(key)


# --- tokens -------------------------------------------------------------------------------------


def test_token_tells_who_it_was_issued_to(auth, key, token):
    assert auth.from_token(token) == auth.from_key(key)


def test_answer_has_the_fields_that_clients_read(auth, key, clock):
    answer = auth.token(key)
    issued = int(clock.now.timestamp())
    assert (answer["expires_in"], answer["expiration"]) == (3600, issued + 3600)
    assert answer["token_type"] == "Bearer"
    claims = claims_of(answer["access_token"])
    assert (claims["iat"], claims["exp"], claims["sub"]) == (issued, issued + 3600, "ada.l")
    assert claims["account"] == "ada"
    assert {"iss", "aud"} <= set(claims)


@pytest.mark.parametrize(("seconds", "valid"), [(0, True), (3600, True), (3659, True), (3662, False)])
def test_token_expires_with_a_minute_for_clocks_that_differ(auth, token, clock, seconds, valid):
    clock.now += timedelta(seconds=seconds)
    if valid:
        auth.from_token(token)
    else:
        with pytest.raises(InvalidCredentials):
            auth.from_token(token)


def test_token_made_by_hand_is_valid_so_that_the_forgeries_below_fail_for_their_own_reason(
    auth, token, secret
):
    assert auth.from_token(signed(claims_of(token), secret)) == auth.from_token(token)


def without(name):
    return lambda claims: {key: value for key, value in claims.items() if key != name}


def having(**changes):
    return lambda claims: claims | changes


@pytest.mark.parametrize(
    "change",
    [
        having(aud="other"),
        having(aud=["other"]),
        having(aud=None),
        having(iss="https://iam.cloud.ibm.com/identity"),
        having(exp=1),
        having(exp="never"),
        having(exp=None),
        having(iat=10**12),
        having(nbf=10**12),
        having(key="unknown"),
        having(key=None),
        having(key={"$ne": None}),
        *(without(name) for name in ("aud", "iss", "exp", "iat", "key")),
        lambda claims: [claims],
        lambda claims: "claims",
        lambda claims: None,
    ],
)
def test_well_signed_token_with_wrong_claims_is_refused(auth, token, secret, change):
    with pytest.raises(InvalidCredentials):
        auth.from_token(signed(change(claims_of(token)), secret))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": ""},
        {"alg": None},
        {"alg": ["HS256"]},
        {"alg": "HS384"},
        {"alg": "HS512"},
        {"alg": "RS256"},
        {"alg": "EdDSA"},
        {"typ": "JWT"},
        {},
        {"alg": "HS256", "crit": ["exp"]},
        {"alg": "HS256", "b64": False, "crit": ["b64"]},
        [],
        "HS256",
    ],
)
def test_only_one_algorithm_is_accepted_whatever_the_header_says(auth, token, secret, header):
    claims = claims_of(token)
    forgeries = [
        f"{part(header)}.{part(claims)}.",
        signed(claims, secret, header),
        signed(claims, b"", header),
    ]
    for forged in forgeries:
        with pytest.raises(InvalidCredentials):
            auth.from_token(forged)


@pytest.mark.parametrize("name", ["jwk", "jku", "kid", "x5u", "x5c"])
def test_key_that_a_token_brings_along_is_not_used(auth, token, name):
    own = secrets.token_bytes(32)
    value = {
        "jwk": OctKey.import_key(own).as_dict(private=True),
        "jku": "http://127.0.0.1:9/keys",
        "kid": "../../../dev/null",
        "x5u": "http://127.0.0.1:9/keys",
        "x5c": ["MIIB"],
    }[name]
    with pytest.raises(InvalidCredentials):
        auth.from_token(signed(claims_of(token), own, {"alg": "HS256", name: value}))


def test_token_that_was_signed_stronger_with_the_right_secret_is_refused(auth, token, secret):
    header = {"alg": "HS512"}
    forged = jwt.encode(header, claims_of(token), OctKey.import_key(secret), algorithms=["HS512"])
    with pytest.raises(InvalidCredentials):
        auth.from_token(forged)


def test_no_single_bit_can_be_changed(auth, token, key):
    """All but the bits that base64 does not use."""
    who, accepted = auth.from_key(key), []
    for index, character in enumerate(token):
        for bit in range(7):
            changed = token[:index] + chr(ord(character) ^ (1 << bit)) + token[index + 1 :]
            try:
                assert auth.from_token(changed) == who
                accepted.append(index)
            except InvalidCredentials:
                continue
    assert set(accepted) <= {len(token) - 1}


@FOREVER
@given(st.one_of(st.text(), st.lists(st.text(), min_size=3, max_size=3).map(".".join)))
def test_text_is_no_token(auth, text):
    with pytest.raises(InvalidCredentials):
        auth.from_token(text)


@FOREVER
@given(header=st.binary(max_size=60), claims=st.binary(max_size=60))
def test_parts_that_are_no_json_are_no_token(auth, secret, header, claims):
    text = ".".join(base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in (header, claims))
    signature = base64.urlsafe_b64encode(hmac.new(secret, text.encode(), sha256).digest()).rstrip(b"=")
    with pytest.raises(InvalidCredentials):
        auth.from_token(f"{text}.{signature.decode()}")


@pytest.mark.parametrize("nested", ["[" * 3000, '{"a":' * 600, "[" * 10**6])
def test_deeply_nested_header_is_no_token(auth, nested):
    header = base64.urlsafe_b64encode(nested.encode()).rstrip(b"=").decode()
    with pytest.raises(InvalidCredentials):
        auth.from_token(f"{header}.e30.AAAA")


# --- instances ----------------------------------------------------------------------------------


def test_principal_is_scoped_to_an_instance_of_its_account(auth, key):
    who = auth.from_key(key)
    assert who.instance is None
    assert auth.scope(who, OURS.id).instance == OURS


def test_foreign_and_unknown_instances_look_alike(auth, key):
    who = auth.from_key(key)
    with pytest.raises(UnknownInstance) as foreign:
        auth.scope(who, FOREIGN.id)
    with pytest.raises(UnknownInstance) as unknown:
        auth.scope(who, make_crn("ada", "never"))
    assert str(foreign.value) == str(unknown.value)
    assert foreign.value.solution == unknown.value.solution


def test_role_in_one_instance_goes_before_that_in_all(auth, store, clock):
    other = Instance(make_crn("ada", "other"), "other", account="ada")
    store.add_instance(other)
    roles = {EVERYWHERE: Role.READER, other.id: Role.MANAGER}
    store.add_user(User("bob", "ada", clock.now, roles=roles))
    who = auth.from_key(auth.issue_key("bob", "ada", "k"))
    assert (who.role_in(OURS), who.role_in(other)) == (Role.READER, Role.MANAGER)


def test_instance_without_a_role_looks_like_one_that_never_was(auth, store, clock):
    other = Instance(make_crn("ada", "other"), "other", account="ada")
    store.add_instance(other)
    store.add_user(User("bob", "ada", clock.now, roles={other.id: Role.READER}))
    who = auth.from_key(auth.issue_key("bob", "ada", "k"))
    assert auth.scope(who, other.id).instance == other
    told = set()
    for crn in (OURS.id, FOREIGN.id, make_crn("ada", "never")):
        with pytest.raises(UnknownInstance) as error:
            auth.scope(who, crn)
        told.add((error.value.message, error.value.solution))
    assert len(told) == 1


def test_role_in_all_instances_ends_at_the_account(auth, store, key):
    who = auth.from_key(key)
    assert (who.role_in(OURS), who.role_in(FOREIGN)) == (Role.MANAGER, None)


def test_changed_role_counts_within_seconds(auth, store, key, monkeypatch):
    passed_s = 0.0
    monkeypatch.setattr("coldplate.auth.time.monotonic", lambda: passed_s)
    auth.from_key(key)
    store.set_role("ada", "ada.l", EVERYWHERE, None)
    passed_s = 2.0
    with pytest.raises(UnknownInstance):
        auth.scope(auth.from_key(key), OURS.id)


def test_removed_user_has_no_key_and_no_token_and_comes_not_back_with_the_name(auth, store, clock, tmp_path):
    key = auth.issue_key("ada.l", "ada", "laptop")
    token = auth.token(key)["access_token"]
    assert store.remove_user("ada", "ada.l", clock.now)
    store.add_user(User("ada.l", "ada", clock.now, roles={EVERYWHERE: Role.MANAGER}))
    again = Auth(store, Settings(data=tmp_path), clock=clock)
    for use in (lambda: again.from_key(key), lambda: again.from_token(token)):
        with pytest.raises(InvalidCredentials):
            use()


def test_key_needs_a_user(auth):
    with pytest.raises(UnknownUser, match="nobody"):
        auth.issue_key("nobody", "ada", "k")
    with pytest.raises(UnknownUser):
        auth.issue_key("ada.l", "eve", "k")


def test_token_says_whether_it_is_a_programs(auth, store, key, clock):
    store.add_user(User("ci", "ada", clock.now, Kind.SERVICE, {EVERYWHERE: Role.WRITER}))
    service_token = auth.token(auth.issue_key("ci", "ada", "k"))["access_token"]
    assert claims_of(service_token)["sub_type"] == "ServiceId"
    assert auth.from_token(service_token).kind is Kind.SERVICE
    assert claims_of(auth.token(key)["access_token"])["sub_type"] == "User"


@pytest.mark.parametrize(
    ("crn", "error"),
    [
        ("", InvalidCrn),
        ("ours", InvalidCrn),
        ("ibm-q/open/main", InvalidCrn),
        (OURS.id.rstrip(":"), InvalidCrn),
        (OURS.id + ":", InvalidCrn),
        (OURS.id.upper(), InvalidCrn),
        (" " + OURS.id, InvalidCrn),
        (OURS.id + " ", UnknownInstance),
        (OURS.id + "\n", UnknownInstance),
        (make_crn("ada", "☃ %' OR 1=1 --"), UnknownInstance),
        (make_crn("ada", "our_"), UnknownInstance),
    ],
)
def test_text_that_is_not_exactly_a_crn_of_ours_is_refused(auth, key, crn, error):
    with pytest.raises(error):
        auth.scope(auth.from_key(key), crn)
