"""API keys, tokens, and who may use which instance."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from coldplate.domain.instance import Instance, InstanceId
from coldplate.domain.key import KeyRecord
from coldplate.domain.user import Kind, Role, User, role_in
from coldplate.errors import InvalidCredentials, InvalidCrn, UnknownInstance, UnknownUser
from coldplate.settings import Settings
from coldplate.store.store import Store

ALGORITHM = "HS256"  # the only one, whatever a token's header says
ISSUER = AUDIENCE = "coldplate"
SKEW_S = 60  # how far clocks may differ
REMEMBER_S = 2.0  # how long a revoked key or role may still be believed
CRN_FIELDS = 10
MAX_TOKEN = 4096  # characters


Holder = tuple[KeyRecord, User]


@dataclass(frozen=True)
class Principal:
    """Who asks: a user of an account by one key, and for which instance."""

    user: str
    account: str
    key_id: str
    instance: Instance | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)  # by instance, see `domain.user`
    kind: Kind = Kind.PERSON

    def role_in(self, instance: Instance) -> Role | None:
        """What the asker may do in an instance; None: it is as if it did not exist."""
        return role_in(self.roles, instance.id) if instance.account == self.account else None


class Auth:
    """Issues and checks keys and tokens. Keys have 256 bits, so a keyed hash is all they need."""

    def __init__(self, store: Store, settings: Settings, *, clock: Callable[[], datetime] | None = None):
        self._store = store
        self._ttl_s = settings.token_ttl_s
        self._clock = clock or (lambda: datetime.now(UTC))
        self._pepper = store.secret("key-pepper", lambda: secrets.token_bytes(32))
        self._signer = OctKey.import_key(store.secret("token-key", lambda: secrets.token_bytes(32)))
        self._lock = threading.Lock()
        self._remembered: dict[str, tuple[float, Holder]] = {}

    # --- keys -----------------------------------------------------------------------------------

    def issue_key(self, user: str, account: str, name: str, expires: datetime | None = None) -> str:
        """A new key of a user; the only time it is seen.

        Raises:
            UnknownUser: The account has no such user.
        """
        if self._store.user(account, user) is None:
            raise UnknownUser(f"There is no user {user!r} in the account {account!r}.")
        key = f"cp_{secrets.token_urlsafe(32)}"
        record = KeyRecord(
            secrets.token_hex(8), self._digest(key), user, account, name, self._clock(), expires
        )
        self._store.add_key(record)
        return key

    def from_key(self, key: str) -> Principal:
        """Who a key belongs to.

        Raises:
            InvalidCredentials: It is unknown, expired or revoked.
        """
        digest = self._digest(key)
        return self._principal(self._recent(digest, lambda: self._store.key_by_hash(digest)))

    def _holder(self, record: KeyRecord | None) -> Holder | None:
        """The key that was just looked up, with its user and its use on record; None when either is gone."""
        user = None if record is None else self._store.user(record.account, record.user)
        if record is None or user is None:
            return None
        self._store.note_use(record.id, self._clock())
        return record, user

    def _digest(self, key: str) -> str:
        return hmac.new(self._pepper, key.encode("utf-8", "replace"), sha256).hexdigest()

    def _principal(self, holder: Holder | None) -> Principal:
        if holder is None or not holder[0].works(self._clock()):
            raise InvalidCredentials("Provided API key could not be found.")
        record, user = holder
        return Principal(record.user, record.account, record.id, roles=user.roles, kind=user.kind)

    # --- tokens ---------------------------------------------------------------------------------

    def token(self, api_key: str, *, ttl_s: int | None = None) -> dict[str, Any]:
        """What a token service answers: an access token for a key, and how long it lasts.

        Args:
            ttl_s: Seconds; the operator's setting when not given.

        Raises:
            InvalidCredentials: The key is unknown, expired or revoked.
        """
        who, ttl_s = self.from_key(api_key), ttl_s or self._ttl_s
        issued = int(self._clock().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": who.user,
            "sub_type": "ServiceId" if who.kind is Kind.SERVICE else "User",
            "account": who.account,
            "key": who.key_id,
            "iat": issued,
            "exp": issued + ttl_s,
        }
        return {
            "access_token": jwt.encode({"alg": ALGORITHM}, claims, self._signer),
            "refresh_token": "not_supported",
            "token_type": "Bearer",
            "expires_in": ttl_s,
            "expiration": issued + ttl_s,
            "scope": "ibm openid",
        }

    def from_token(self, token: str) -> Principal:
        """Who a token was issued to.

        Raises:
            InvalidCredentials: It is forged, expired, for somebody else, or its key was revoked.
        """
        if len(token) > MAX_TOKEN:
            raise InvalidCredentials("The access token is not valid.")
        try:
            claims = jwt.decode(token, self._signer, algorithms=[ALGORITHM]).claims
            rules = jwt.JWTClaimsRegistry(
                now=int(self._clock().timestamp()),
                leeway=SKEW_S,
                iss={"essential": True, "value": ISSUER},
                aud={"essential": True, "value": AUDIENCE},
                exp={"essential": True},
                iat={"essential": True},
            )
            rules.validate(claims)
            key_id = str(claims["key"])
        except (JoseError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InvalidCredentials("The access token is not valid.") from error
        return self._principal(self._recent(key_id, lambda: self._store.key(key_id)))

    def _recent(self, name: str, look_up: Callable[[], KeyRecord | None]) -> Holder | None:
        """A key and its user, at most two seconds old: a status read should not cost a query."""
        now = time.monotonic()
        with self._lock:
            known = self._remembered.get(name)
            if known is not None and now - known[0] < REMEMBER_S:
                return known[1]
        holder = self._holder(look_up())
        with self._lock:
            if holder is None:
                self._remembered.pop(name, None)
            else:
                self._remembered[name] = (now, holder)
        return holder

    # --- instances ------------------------------------------------------------------------------

    def scope(self, who: Principal, crn: str) -> Principal:
        """The same principal, for one of the instances that it has a role in.

        Raises:
            InvalidCrn: The text is not a CRN.
            UnknownInstance: There is none, or it is another account's, or the asker has no role in it: all
                look alike.
        """
        if not crn.startswith("crn:") or crn.count(":") != CRN_FIELDS - 1:
            raise InvalidCrn("The Service-CRN is not a CRN of ten fields.")
        instance = self._store.instance(InstanceId(crn))
        if instance is None or who.role_in(instance) is None:
            raise UnknownInstance("There is no instance with this CRN.")
        return replace(who, instance=instance)
