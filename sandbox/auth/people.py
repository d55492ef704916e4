"""Users, their passwords, their sessions with rotating refresh tokens."""

import hashlib
import hmac
import secrets
import uuid
from datetime import UTC, datetime

from sandbox.auth.errors import AuthRefused, bad_request
from sandbox.auth.tokens import ACCESS_LASTS_S, SigningKey, access_claims
from sandbox.clock import Clock
from sandbox.state import Json, Store

PASSWORD_MIN, PASSWORD_MAX = 6, 72


class People:
    """The users of one Supabase project. Changes are in the store; the server commits them."""

    def __init__(self, store: Store, clock: Clock, key: SigningKey, issuer: str) -> None:
        self._store, self._clock, self.key, self.issuer = store, clock, key, issuer
        self._by_email = {user["email"]: user["id"] for user in store.all("user")}
        self._tokens_of: dict[str, set[str]] = {}
        for token in store.all("refresh_token"):
            self._tokens_of.setdefault(token["session_id"], set()).add(token["token"])
        self._sessions_of: dict[str, set[str]] = {}
        for session in store.all("session"):
            self._sessions_of.setdefault(session["user_id"], set()).add(session["id"])

    def create(
        self,
        email: str,
        password: str,
        *,
        app_metadata: Json | None = None,
        user_metadata: Json | None = None,
        ident: str | None = None,
        phone: str = "",
    ) -> Json:
        """A confirmed user. Raises `AuthRefused` for a bad or taken address or a weak password."""
        email = _email(email)
        _check_password(password)
        if email in self._by_email:
            raise AuthRefused(422, "user_already_exists", "User already registered")
        now = self._now()
        user: Json = {
            "id": ident or str(uuid.uuid4()),
            "aud": "authenticated",
            "role": "authenticated",
            "email": email,
            "email_confirmed_at": now,
            "phone": phone,
            "confirmed_at": now,
            "last_sign_in_at": None,
            "app_metadata": {"provider": "email", "providers": ["email"], **(app_metadata or {})},
            "user_metadata": dict(user_metadata or {}),
            "created_at": now,
            "updated_at": now,
            "is_anonymous": False,
            "banned_until": None,
            "_password": _hashed(password),
        }
        self._by_email[email] = user["id"]
        return self._store.put("user", user["id"], user)

    def get(self, ident: str) -> Json:
        """Raises `AuthRefused` 404."""
        user = self._store.get("user", ident)
        if user is None:
            raise AuthRefused(404, "user_not_found", "User not found")
        return user

    def by_email(self, email: str) -> Json | None:
        """The user with this address, in any case, or None."""
        ident = self._by_email.get(email.strip().lower())
        return self.get(ident) if ident else None

    def all(self) -> list[Json]:
        """Oldest first."""
        return list(self._store.all("user"))

    def check_password(self, email: str, password: str) -> Json:
        """The user who may sign in so. Raises `AuthRefused` without saying what was wrong."""
        user = self.by_email(email)
        if user is None or not _same(password, user["_password"]):
            raise AuthRefused(400, "invalid_credentials", "Invalid login credentials")
        if user["banned_until"]:
            raise AuthRefused(400, "user_banned", "User is banned")
        return user

    def update(self, user: Json, changes: Json) -> Json:
        """Apply `email`, `phone`, `password`, `user_metadata`, `app_metadata` (merged), `ban_duration`."""
        if (email := changes.get("email")) and _email(email) != user["email"]:
            if _email(email) in self._by_email:
                raise AuthRefused(422, "email_exists", "A user with this email address exists already")
            self._by_email.pop(user["email"], None)
            user["email"] = _email(email)
            self._by_email[user["email"]] = user["id"]
        if password := changes.get("password"):
            _check_password(password)
            user["_password"] = _hashed(password)
        if "phone" in changes:
            user["phone"] = str(changes["phone"] or "").removeprefix("+")
        if ban := changes.get("ban_duration"):
            user["banned_until"] = None if ban == "none" else "2999-12-31T00:00:00Z"
        for name in ("user_metadata", "app_metadata"):
            merged = {**user[name], **(changes.get(name) or {})}
            user[name] = {key: value for key, value in merged.items() if value is not None}
        user["updated_at"] = self._now()
        return self._store.put("user", user["id"], user)

    def delete(self, ident: str) -> None:
        """Remove the user and end every session."""
        user = self.get(ident)
        self.end_sessions(ident)
        self._by_email.pop(user["email"], None)
        self._store.delete("user", ident)

    def sign_in(self, user: Json, *, aal: str = "aal1") -> Json:
        """A new session with its first tokens."""
        now_s = self._clock.wall_s()
        session = {"id": str(uuid.uuid4()), "user_id": user["id"], "aal": aal, "created_s": now_s}
        self._store.put("session", session["id"], session)
        self._sessions_of.setdefault(user["id"], set()).add(session["id"])
        user["last_sign_in_at"] = self._now()
        self._store.put("user", user["id"], user)
        return self._grant(user, session)

    def refresh(self, token: str) -> Json:
        """Rotate: the token given is spent. A spent one ends the whole session, as it may be stolen."""
        known = self._store.get("refresh_token", token)
        if known is None:
            raise AuthRefused(
                400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found"
            )
        session = self.session(known["session_id"])
        if known["spent"]:
            self.end_session(session)
            raise AuthRefused(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used")
        self._store.put("refresh_token", token, known | {"spent": True})
        return self._grant(self.get(session["user_id"]), session)

    def access_token(self, user: Json, session: Json, lasts_s: int = ACCESS_LASTS_S) -> str:
        """A signed access token for an existing session."""
        claims = access_claims(user, session, issuer=self.issuer, now_s=self._clock.wall_s(), lasts_s=lasts_s)
        return self.key.sign(claims)

    def _grant(self, user: Json, session: Json) -> Json:
        token = secrets.token_urlsafe(9)
        self._store.put("refresh_token", token, {"token": token, "session_id": session["id"], "spent": False})
        self._tokens_of.setdefault(session["id"], set()).add(token)
        return {
            "access_token": self.access_token(user, session),
            "token_type": "bearer",
            "expires_in": ACCESS_LASTS_S,
            "expires_at": self._clock.wall_s() + ACCESS_LASTS_S,
            "refresh_token": token,
            "user": shown(user),
            "weak_password": None,
        }

    def session(self, ident: str) -> Json:
        """Raises `AuthRefused` 403 once it has ended."""
        session = self._store.get("session", ident)
        if session is None:
            raise AuthRefused(403, "session_not_found", "Session from session_id claim in JWT does not exist")
        return session

    def end_session(self, session: Json) -> None:
        """End one session; its refresh tokens are worth nothing any more."""
        for token in self._tokens_of.pop(session["id"], set()):
            self._store.delete("refresh_token", token)
        self._sessions_of.get(session["user_id"], set()).discard(session["id"])
        self._store.delete("session", session["id"])

    def end_sessions(self, user_id: str, *, but: str | None = None) -> None:
        """End all sessions of a user, except `but`."""
        for ident in sorted(self._sessions_of.get(user_id, set())):
            if ident != but:
                self.end_session(self.session(ident))

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).isoformat().replace("+00:00", "Z")


def shown(user: Json) -> Json:
    """A user as the API shows it."""
    identity = {
        "identity_id": user["id"],
        "id": user["id"],
        "user_id": user["id"],
        "provider": "email",
        "identity_data": {
            "email": user["email"],
            "email_verified": True,
            "phone_verified": False,
            "sub": user["id"],
        },
        "last_sign_in_at": user["last_sign_in_at"],
        "created_at": user["created_at"],
        "updated_at": user["updated_at"],
        "email": user["email"],
    }
    return {**{k: v for k, v in user.items() if not k.startswith("_")}, "identities": [identity]}


def _email(text: object) -> str:
    email = text.strip().lower() if isinstance(text, str) else ""
    name, at, domain = email.rpartition("@")
    if not (name and at and domain) or len(email) > 254 or " " in email:
        raise bad_request("Unable to validate email address: invalid format")
    return email


def _check_password(password: object) -> None:
    if not isinstance(password, str) or not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise AuthRefused(
            422,
            "weak_password",
            f"Password should be at least {PASSWORD_MIN} characters.",
            weak_password={"reasons": ["length"], "message": "too short or too long"},
        )


def _hashed(password: str) -> str:
    # One fast hash: thousands of people are made at once here, and the passwords protect nothing.
    salt = secrets.token_hex(8)
    return f"{salt}${hashlib.sha256(f'{salt}{password}'.encode()).hexdigest()}"


def _same(password: str, stored: str) -> bool:
    salt, _, digest = stored.partition("$")
    return hmac.compare_digest(hashlib.sha256(f"{salt}{password}".encode()).hexdigest(), digest)
