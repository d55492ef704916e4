"""What applicants write, and what they are answered: all of it under the applicant's own key."""

from msgspec import Struct

from store.postgres.practices import Application, Offered, Wanted
from store.privacy import texts
from store.privacy.bindings import (
    application_aad,
    application_headline_aad,
    application_reason_aad,
    application_topics_aad,
)
from store.privacy.keys import DataKey, Keyring


class Written(Struct, frozen=True):
    """An application in plain words; `offered` is None once nobody can read it any more."""

    offered: Offered | None
    about: str | None
    reason: str | None


def sealed(key: DataKey, application_id: str, offered: Offered, about: str | None) -> Wanted:
    """What somebody applies with, under their key. No topic has a line break."""
    return Wanted(
        headline=key.seal(application_headline_aad(application_id), offered.headline.encode()),
        about=None if about is None else key.seal(application_aad(application_id), about.encode()),
        topics=key.seal(application_topics_aad(application_id), "\n".join(offered.topics).encode()),
        rate_minor_per_minute=offered.rate_minor_per_minute,
        currency=offered.currency,
    )


async def opened(keyring: Keyring, found: Application) -> Written:
    """An application in plain words."""
    whose, row = found.person_id, found.id
    headline = await texts.opened(keyring, whose, application_headline_aad(row), found.headline)
    topics = await texts.opened(keyring, whose, application_topics_aad(row), found.topics)
    offered = None
    if headline is not None and topics is not None:
        listed = topics.split("\n") if topics else []
        offered = Offered(headline, listed, found.rate_minor_per_minute, found.currency)
    return Written(
        offered,
        await texts.opened(keyring, whose, application_aad(row), found.about),
        await texts.opened(keyring, whose, application_reason_aad(row), found.reason),
    )
