"""Who may do what: one table. Every event and every route has its row here, and takes its roles from it.

A row has a cell for each role, and a cell says how far the role reaches:

    NO      not at all: `forbidden`, whatever it names
    ANY     whatever there is of it
    SELF    about nobody but oneself
    PARTY   sessions that one takes part in; others are `not_found`
    HOST    sessions that one hosts; others are `not_found`
    CASE    everybody's but what concerns oneself, as a party or by an earlier decision: that is `forbidden`
    …_WHY   the same, and only with a reason, which is kept

How far a role reaches is decided where the record is read, under its lock; here stands what is promised, and
a test tries every cell of it. Who is not signed in may do nothing but what stands under `OPEN`. Moderators
and admins are let in with a second factor alone (`SECOND_FACTOR`), but in the sandbox.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

from rooms.ids import Role

Scope = Literal["none", "any", "self", "party", "host", "case"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
"""In the order of the table's columns."""
SECOND_FACTOR: Final[frozenset[Role]] = frozenset({"moderator", "admin"})
"""Whose token has to be of level `aal2`."""
PAYERS: Final[frozenset[Role]] = frozenset({"guest", "practitioner"})
"""Between whom money moves."""


@dataclass(frozen=True, slots=True)
class Cell:
    """How far one role reaches, and whether it has to say why."""

    scope: Scope
    why: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One event or route, for each role."""

    guest: Cell
    practitioner: Cell
    moderator: Cell
    admin: Cell

    def cell(self, role: Role) -> Cell:
        """What stands in a role's column."""
        found: Cell = getattr(self, role)
        return found

    @property
    def who(self) -> frozenset[Role]:
        """The roles that may at all."""
        return frozenset(role for role in ROLES if self.cell(role).scope != "none")


NO, ANY, SELF, PARTY, HOST, CASE = (Cell(scope) for scope in get_args(Scope))
ANY_WHY, CASE_WHY = Cell("any", why=True), Cell("case", why=True)

# fmt: off
EVENTS: Final[dict[str, Row]] = {
    #                                                 guest    practitioner  moderator  admin
    # Join, send: the two in their own session. A moderator reads along unseen, and sends nothing.
    "session:request":                            Row(ANY,     NO,           NO,        NO),
    "session:accept":                             Row(NO,      HOST,         NO,        NO),
    "session:decline":                            Row(NO,      HOST,         NO,        NO),
    "session:cancel":                             Row(PARTY,   NO,           NO,        NO),
    "session:extend":                             Row(PARTY,   NO,           NO,        NO),
    "room:join":                                  Row(PARTY,   PARTY,        NO,        NO),
    "room:leave":                                 Row(PARTY,   PARTY,        NO,        NO),
    # A live room: whoever wants to knocks, and its host lets them in.
    "room:knock":                                 Row(ANY,     NO,           NO,        NO),
    "room:admit":                                 Row(NO,      HOST,         NO,        NO),
    "room:deny":                                  Row(NO,      HOST,         NO,        NO),
    "room:lobby":                                 Row(NO,      HOST,         NO,        NO),
    "chat:send":                                  Row(PARTY,   PARTY,        NO,        NO),
    "chat:history":                               Row(PARTY,   PARTY,        NO,        NO),
    "chat:typing":                                Row(PARTY,   PARTY,        NO,        NO),
    "chat:read":                                  Row(PARTY,   PARTY,        NO,        NO),
    "media:refresh":                              Row(PARTY,   PARTY,        NO,        NO),
    "media:signal":                               Row(PARTY,   PARTY,        NO,        NO),
    # Record: the host, with both people's consent.
    "recording:start":                            Row(NO,      HOST,         NO,        NO),
    "recording:stop":                             Row(NO,      HOST,         NO,        NO),
    "moderation:observe":                         Row(NO,      NO,           CASE_WHY,  NO),
    "moderation:unobserve":                       Row(NO,      NO,           SELF,      NO),

    # Go online.
    "practitioner:online":                        Row(NO,      SELF,         NO,        NO),
    "practitioner:offline":                       Row(NO,      SELF,         NO,        NO),
    "directory:watch":                            Row(ANY,     ANY,          ANY,       ANY),
    "directory:unwatch":                          Row(ANY,     ANY,          ANY,       ANY),

    # End, mute, remove: oneself, in one's own room, or as a decision on record.
    "session:end":                                Row(PARTY,   HOST,         NO,        NO),
    "room:mute":                                  Row(NO,      HOST,         CASE,      NO),
    "room:unmute":                                Row(NO,      HOST,         CASE,      NO),
    "room:remove":                                Row(NO,      HOST,         CASE,      NO),
    # An admin ends a session, and decides nothing else here.
    "moderation:act":                             Row(NO,      NO,           CASE_WHY,  CASE_WHY),

    # Flags, evidence: people file them, moderators work on them.
    "safety:report":                              Row(PARTY,   PARTY,        NO,        NO),
    "safety:block":                               Row(ANY,     ANY,          NO,        NO),
    "moderation:watch":                           Row(NO,      NO,           CASE,      NO),
    "moderation:claim":                           Row(NO,      NO,           CASE,      NO),

    # What may be counted, with consent alone.
    "analytics:event":                            Row(SELF,    SELF,         SELF,      SELF),

    # One's own sign-in.
    "auth:refresh":                               Row(SELF,    SELF,         SELF,      SELF),
}

ROUTES: Final[dict[str, Row]] = {
    #                                                 guest    practitioner  moderator  admin
    # Join, send: what is left of it afterwards.
    "GET /v1/me/sessions":                        Row(SELF,    SELF,         SELF,      SELF),
    "GET /v1/sessions/{id}":                      Row(PARTY,   PARTY,        PARTY,     PARTY),
    "GET /v1/sessions/{id}/transcript":           Row(PARTY,   PARTY,        PARTY,     PARTY),

    # What is said of it, by whom, and who answers. Everybody signed in reads it.
    "POST /v1/sessions/{id}/reviews":             Row(PARTY,   NO,           NO,        NO),
    "PATCH /v1/reviews/{id}":                     Row(PARTY,   NO,           NO,        NO),
    "GET /v1/me/reviews":                         Row(SELF,    SELF,         SELF,      SELF),
    "POST /v1/reviews/{id}/answer":               Row(NO,      HOST,         NO,        NO),
    "GET /v1/practitioners/{id}/reviews":         Row(ANY,     ANY,          ANY,       ANY),
    "POST /v1/reviews/{id}/reports":              Row(ANY,     ANY,          NO,        NO),
    "GET /v1/moderation/reviews/{id}":            Row(NO,      NO,           CASE,      CASE_WHY),

    # Whom one likes, and for whom one waits.
    "GET /v1/me/favourites":                      Row(SELF,    SELF,         NO,        NO),
    "GET /v1/me/favourites/{id}":                 Row(SELF,    SELF,         NO,        NO),
    "PUT /v1/me/favourites/{id}":                 Row(SELF,    SELF,         NO,        NO),
    "DELETE /v1/me/favourites/{id}":              Row(SELF,    SELF,         NO,        NO),
    "GET /v1/me/waitlist":                        Row(SELF,    NO,           NO,        NO),
    "GET /v1/me/waitlist/{id}":                   Row(SELF,    NO,           NO,        NO),
    "PUT /v1/me/waitlist/{id}":                   Row(SELF,    NO,           NO,        NO),
    "DELETE /v1/me/waitlist/{id}":                Row(SELF,    NO,           NO,        NO),

    # Book: the two whose booking it is. Only its guest moves it.
    "GET /v1/me/availability":                    Row(NO,      SELF,         NO,        NO),
    "PUT /v1/me/availability":                    Row(NO,      SELF,         NO,        NO),
    "GET /v1/practitioners/{id}/slots":           Row(ANY,     ANY,          ANY,       ANY),
    "GET /v1/bookings":                           Row(PARTY,   PARTY,        NO,        NO),
    "POST /v1/bookings":                          Row(ANY,     NO,           NO,        NO),
    "GET /v1/bookings/{id}":                      Row(PARTY,   PARTY,        NO,        NO),
    "PATCH /v1/bookings/{id}":                    Row(PARTY,   NO,           NO,        NO),
    "DELETE /v1/bookings/{id}":                   Row(PARTY,   PARTY,        NO,        NO),
    "GET /v1/bookings/{id}/calendar.ics":         Row(PARTY,   PARTY,        NO,        NO),
    "POST /v1/me/calendar-link":                  Row(SELF,    SELF,         NO,        NO),
    "DELETE /v1/me/calendar-link":                Row(SELF,    SELF,         NO,        NO),

    # Go online.
    "GET /v1/practitioners":                      Row(ANY,     ANY,          ANY,       ANY),
    "GET /v1/practitioners/{id}":                 Row(ANY,     ANY,          ANY,       ANY),
    "GET /v1/practitioners/{id}/deal":            Row(ANY,     ANY,          ANY,       ANY),
    "GET /v1/live-rooms":                         Row(ANY,     ANY,          ANY,       ANY),
    "POST /v1/live-rooms":                        Row(NO,      SELF,         NO,        NO),
    "POST /v1/me/payouts/onboarding":             Row(NO,      SELF,         NO,        NO),

    # Flags, evidence. What moderators decided can be appealed, by anybody whom it concerned.
    "GET /v1/me/blocks":                          Row(SELF,    SELF,         NO,        NO),
    "GET /v1/me/blocks/{id}":                     Row(SELF,    SELF,         NO,        NO),
    "PUT /v1/me/blocks/{id}":                     Row(SELF,    SELF,         NO,        NO),
    "DELETE /v1/me/blocks/{id}":                  Row(SELF,    SELF,         NO,        NO),
    "GET /v1/me/actions":                         Row(SELF,    SELF,         SELF,      SELF),
    "POST /v1/me/appeals":                        Row(SELF,    SELF,         SELF,      SELF),
    "GET /v1/me/appeals":                         Row(SELF,    SELF,         SELF,      SELF),
    "GET /v1/moderation/flags":                   Row(NO,      NO,           CASE,      CASE_WHY),
    "GET /v1/moderation/flags/{id}":              Row(NO,      NO,           CASE,      CASE_WHY),
    "GET /v1/moderation/flags/{id}/messages":     Row(NO,      NO,           CASE,      CASE_WHY),
    "GET /v1/moderation/people/{id}":             Row(NO,      NO,           CASE,      CASE_WHY),
    "GET /v1/moderation/actions":                 Row(NO,      NO,           SELF,      NO),
    "GET /v1/moderation/appeals":                 Row(NO,      NO,           CASE,      NO),
    "POST /v1/moderation/appeals/{id}/decide":    Row(NO,      NO,           CASE_WHY,  NO),
    "GET /v1/moderation/evidence":                Row(NO,      NO,           CASE,      CASE_WHY),
    "GET /v1/moderation/evidence/{id}":           Row(NO,      NO,           CASE,      CASE_WHY),
    "PUT /v1/admin/evidence/{id}/hold":           Row(NO,      NO,           NO,        CASE_WHY),
    "DELETE /v1/admin/evidence/{id}/hold":        Row(NO,      NO,           NO,        CASE_WHY),
    # An admin who gives no reason reads, as a moderator does, what they did themselves.
    "GET /v1/moderation/audit":                   Row(NO,      NO,           SELF,      ANY),

    # Ledger, refund. Above a limit a second admin approves: one who did not ask.
    "GET /v1/money/rules":                        Row(ANY,     ANY,          ANY,       ANY),
    "POST /v1/me/card":                           Row(SELF,    NO,           NO,        NO),
    "GET /v1/me/card":                            Row(SELF,    NO,           NO,        NO),
    "POST /v1/sessions/{id}/tip":                 Row(PARTY,   NO,           NO,        NO),
    "GET /v1/sessions/{id}/receipt":              Row(PARTY,   PARTY,        PARTY,     PARTY),
    "GET /v1/me/earnings":                        Row(NO,      SELF,         NO,        NO),
    "POST /v1/admin/refunds":                     Row(NO,      NO,           NO,        CASE_WHY),
    "GET /v1/admin/refunds":                      Row(NO,      NO,           NO,        ANY),
    "POST /v1/admin/refunds/{id}/approve":        Row(NO,      NO,           NO,        CASE),
    "POST /v1/admin/refunds/{id}/reject":         Row(NO,      NO,           NO,        ANY_WHY),
    "GET /v1/admin/disputes":                     Row(NO,      NO,           NO,        ANY),
    "GET /v1/admin/cases":                        Row(NO,      NO,           NO,        ANY),
    "POST /v1/admin/cases/{id}/close":            Row(NO,      NO,           NO,        ANY_WHY),
    "GET /v1/admin/sessions/{id}/operations":     Row(NO,      NO,           NO,        ANY),
    "POST /v1/admin/operations/{number}/retry":   Row(NO,      NO,           NO,        ANY_WHY),
    "GET /v1/admin/actions":                      Row(NO,      NO,           NO,        ANY),
    "GET /v1/admin/fraud":                        Row(NO,      NO,           NO,        ANY),
    "POST /v1/admin/fraud/{id}/decide":           Row(NO,      NO,           NO,        CASE_WHY),

    # Export, erase, correct: oneself.
    "GET /v1/me":                                 Row(SELF,    SELF,         SELF,      SELF),
    "PATCH /v1/me":                               Row(SELF,    SELF,         SELF,      SELF),
    "PUT /v1/me/avatar":                          Row(SELF,    SELF,         SELF,      SELF),
    "DELETE /v1/me/avatar":                       Row(SELF,    SELF,         SELF,      SELF),
    "GET /v1/people/{id}/avatar":                 Row(ANY,     ANY,          ANY,       ANY),
    "POST /v1/admin/people/{id}/birth":           Row(NO,      NO,           NO,        ANY_WHY),
    "GET /v1/me/consents":                        Row(SELF,    SELF,         SELF,      SELF),
    "PUT /v1/me/consents/{purpose}":              Row(SELF,    SELF,         SELF,      SELF),
    "GET /v1/policy":                             Row(ANY,     ANY,          ANY,       ANY),
    "POST /v1/policy/acceptances":                Row(SELF,    SELF,         SELF,      SELF),
    "POST /v1/admin/policies":                    Row(NO,      NO,           NO,        ANY_WHY),
    "GET /v1/admin/analytics":                    Row(NO,      NO,           NO,        ANY),
    "GET /v1/privacy/data-map":                   Row(ANY,     ANY,          ANY,       ANY),
    "GET /v1/me/access":                          Row(SELF,    SELF,         SELF,      SELF),
    "DELETE /v1/me":                              Row(SELF,    SELF,         SELF,      SELF),
    "POST /v1/me/erasure/cancel":                 Row(SELF,    SELF,         SELF,      SELF),
    "GET /v1/me/erasure":                         Row(SELF,    SELF,         SELF,      SELF),
    "POST /v1/admin/data-requests":               Row(NO,      NO,           NO,        CASE_WHY),
    "GET /v1/admin/data-requests":                Row(NO,      NO,           NO,        ANY),
    "POST /v1/admin/data-requests/{id}/answer":   Row(NO,      NO,           NO,        ANY_WHY),
    # What an authority wants to be kept: a copy of it, and nobody's own.
    "PUT /v1/admin/legal-holds":                  Row(NO,      NO,           NO,        CASE_WHY),
    "GET /v1/admin/legal-holds":                  Row(NO,      NO,           NO,        CASE_WHY),
    "GET /v1/admin/legal-holds/{id}":             Row(NO,      NO,           NO,        CASE_WHY),
    "POST /v1/admin/legal-holds/{id}/review":     Row(NO,      NO,           NO,        CASE_WHY),
    "DELETE /v1/admin/legal-holds/{id}":          Row(NO,      NO,           NO,        CASE_WHY),
    "POST /v1/me/exports":                        Row(SELF,    SELF,         SELF,      SELF),
    "GET /v1/me/exports/{id}":                    Row(SELF,    SELF,         SELF,      SELF),
    "GET /v1/me/exports/{id}/download":           Row(SELF,    SELF,         SELF,      SELF),
    "POST /v1/me/sign-out":                       Row(SELF,    SELF,         SELF,      SELF),

    # Roles: never one's own. Guests ask to become practitioners.
    "POST /v1/me/practitioner":                   Row(SELF,    NO,           NO,        NO),
    "GET /v1/me/practitioner":                    Row(SELF,    SELF,         NO,        NO),
    "GET /v1/me/practice":                        Row(NO,      SELF,         NO,        NO),
    "PATCH /v1/me/practice":                      Row(NO,      SELF,         NO,        NO),
    "GET /v1/admin/applications":                 Row(NO,      NO,           NO,        ANY),
    "POST /v1/admin/applications/{id}/decide":    Row(NO,      NO,           NO,        ANY_WHY),
    "GET /v1/admin/people":                       Row(NO,      NO,           NO,        ANY),
    "PUT /v1/admin/people/{id}/role":             Row(NO,      NO,           NO,        CASE_WHY),
}
# fmt: on

OPEN: Final[dict[str, str]] = {
    "GET /": "anybody",
    "GET /front.css": "anybody",
    "GET /healthz": "anybody",
    "GET /readyz": "anybody",
    "GET /metrics": "anybody who reaches this port; figures alone, about nobody",
    "GET /v1/openapi.json": "anybody",
    "GET /v1/asyncapi.json": "anybody",
    "GET /socket.io/": "anybody, until the handshake's token is checked",
    "GET /v1/me/calendar.ics": "whoever has the private address of a calendar",
    "GET /v1/erasures/{receipt}": "whoever has the number; it says nothing about whom",
    "POST /webhooks/agora": "whoever signs with the endpoint's secret",
    "POST /webhooks/stripe": "whoever signs with the endpoint's secret",
    "POST /webhooks/stripe-connect": "whoever signs with the endpoint's secret",
    "POST /webhooks/twilio": "whoever signs with the account's token",
}
"""What asks nobody to sign in, and who may then."""


def of_event(name: str) -> Row:
    """The row of an event. Raises KeyError: without a row, nobody may."""
    return EVENTS[name]


def of_route(method: str, path: str) -> Row:
    """The row of a route. Raises KeyError: without a row, nobody may."""
    return ROUTES[f"{method} {path}"]


def told(row: Row) -> Mapping[str, Any]:
    """A row for the generated documents: `{role: {scope, why, second_factor}}` of the roles that may."""
    return {
        role: {**asdict(row.cell(role)), "second_factor": role in SECOND_FACTOR}
        for role in ROLES
        if role in row.who
    }
