"""Who else gets something of a person: the vendors, what for, and which columns. One table for everybody.

The hub's allow-list of hosts, the log of disclosures, the access report and the data map all speak of these.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from store.privacy.registry import Words

VendorId = Literal["stripe", "twilio", "agora", "supabase"]
FILE: Final = Path(__file__).with_name("vendors.toml")


class Purpose(Struct, frozen=True, forbid_unknown_fields=True):
    """Why something goes to a vendor, and the columns it comes from, as `table.column`."""

    why: Words
    fields: tuple[str, ...]


class Vendor(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody else's system: what it does for us, what it keeps, and each purpose for which it is told."""

    name: str
    does: Words
    keeps: Words
    purposes: dict[str, Purpose] = {}


# Read when a process starts: a file that is not in order must never be found out by a payment.
_VENDORS: Final = msgspec.toml.decode(FILE.read_bytes(), type=dict[VendorId, Vendor])


def vendors() -> Mapping[VendorId, Vendor]:
    """All there are."""
    return _VENDORS


def fields(vendor: VendorId, purpose: str) -> tuple[str, ...]:
    """The columns that go there for this purpose. Raises KeyError for one that nobody registered."""
    return _VENDORS[vendor].purposes[purpose].fields
