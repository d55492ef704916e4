"""What stands in the registry: tables with their columns, families of keys, purposes.

What `erased` means for a row about the person who is erased: `row` the row goes; `pseudonym` this id becomes
one that leads to nobody; `empty` the column gets `becomes`; `shred` it is sealed under their own key and dies
with it; `keep` it stays, and `why` says so; `nobody` it never told anything of a person.
"""

import re
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

THROUGH: Final = re.compile(r"([a-z_0-9, ]+) -> ([a-z_0-9]+) \(([a-z_0-9, ]+)\)")

Sentence = Annotated[str, Meta(min_length=3, max_length=400)]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]
Erased = Literal["row", "pseudonym", "empty", "shred", "keep", "nobody"]
Expires = Literal["row", "columns", "never"]
AgesIn = Literal["ms", "week", "timestamp"]
Category = Literal[
    "account", "sessions", "communications", "payments", "safety", "fraud", "analytics", "staff", "technical"
]
Basis = Literal["contract", "consent", "legal_obligation", "legitimate_interest", "vital_interest"]


class Strict(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a file in which every key is known."""


class Words(Strict, frozen=True):
    """One sentence in each of the languages."""

    en: Sentence
    fr: Sentence


class Purpose(Strict, frozen=True):
    """Why something is kept, and what allows it (GDPR, article 6)."""

    en: Sentence
    fr: Sentence
    basis: Basis


class Through(Struct, frozen=True):
    """Rows that are a person's by their parent: `columns` here are `references` there."""

    columns: tuple[str, ...]
    parent: str
    references: tuple[str, ...]

    def where(self, above: str) -> str:
        """As an SQL condition over a row here: its parent is one for which `above` holds."""
        here, there = (", ".join(f'"{name}"' for name in names) for names in (self.columns, self.references))
        return f'({here}) in (select {there} from "{self.parent}" where {above})'  # noqa: S608


class Column(Strict, frozen=True):
    """One column.

    `person`: it holds somebody's id, and what becomes of that id is decided by who is erased. `shown`: in
    that person's access report and export. `about`: the person column that this datum is about; None for the
    table's first of `whose`, or the person of its parent. `becomes`: for `empty`, an SQL expression over the
    row; None for null. `sealed`: the function of `store.privacy.bindings` that says what the sealed text is
    bound to. `why` of what stays or is not shown, the table's own words where the column has none.
    """

    erased: Erased
    person: bool = False
    shown: bool = True
    about: str | None = None
    becomes: str | None = None
    sealed: str | None = None
    why: Sentence | None = None


class Table(Strict, frozen=True):
    """One table.

    `key`: the columns in whose order rows are read, a page at a time. `whose`: the person columns whose rows
    these are; empty for nobody's. `through`: for rows that are a person's by their parent alone,
    `"session_id -> participants (session_id)"`. `both`: the row is as much the practitioner's as the guest's
    whose part it names. `read_by`: the function that gives a person's own rows, where the table itself shows
    them others'. `keeps` and `hides`: what stays after an erasure, what is not shown, and why.

    `ages_by`: the column from which its age counts, in milliseconds or as `ages_in` says. `ages_with`: it is
    as old as another row, written like `through`. `expires`: with its age the row goes; or of its `columns`
    those that tell of somebody, as at an erasure, while the rest stays; or never, by its age alone.
    `stays_while`: an SQL condition over the row, under which its age does not count. `own_key`: each row has
    a key of its own, by its id, which is destroyed with it. `ended_by`: the duty that ends it by other
    conditions than age.
    """

    name: Name
    holds: Words
    category: Category
    purpose: Name
    retention: Name
    columns: dict[Name, Column]
    key: Annotated[tuple[Name, ...], Meta(min_length=1)]
    whose: tuple[Name, ...] = ()
    through: str | None = None
    both: bool = False
    read_by: Name | None = None
    ages_by: Name | None = None
    ages_in: AgesIn = "ms"
    ages_with: str | None = None
    expires: Expires = "row"
    stays_while: Sentence | None = None
    own_key: bool = False
    ended_by: Name | None = None
    keeps: Words | None = None
    hides: Words | None = None

    @property
    def personal(self) -> bool:
        """Whether its rows are somebody's."""
        return bool(self.whose) or self.through is not None

    @property
    def parent(self) -> Through | None:
        """`through`, taken apart."""
        return _apart(self.through)

    @property
    def elder(self) -> Through | None:
        """`ages_with`, taken apart."""
        return _apart(self.ages_with)

    @property
    def shown(self) -> tuple[str, ...]:
        """The columns that a person is shown of their own rows."""
        if not self.personal:
            return ()
        return tuple(name for name, column in self.columns.items() if column.shown)

    def about(self, name: str) -> str | None:
        """The person column that a column is about; None for the person of the parent, or nobody."""
        column = self.columns[name]
        return name if column.person else column.about or (self.whose[0] if self.whose else None)


class Family(Strict, frozen=True):
    """Keys of the live store of one kind. `pattern` names them as Redis matches names; `ends`: when they go.

    `erased`: `unlink` removed with the person, `expires` gone soon by itself, `nobody` nothing of a person.
    """

    name: Name
    pattern: Annotated[str, Meta(min_length=1, max_length=100)]
    holds: Words
    category: Category
    purpose: Name
    retention: Name
    ends: Words
    erased: Literal["unlink", "expires", "nobody"]
    person: bool = False


class Registry(Struct, frozen=True):
    """All of it. `problems()` is empty; `load` sees to that."""

    tables: dict[str, Table]
    families: dict[str, Family]
    purposes: dict[str, Purpose]


def _apart(way: str | None) -> Through | None:
    found = None if way is None else THROUGH.fullmatch(way)
    if found is None:
        return None
    columns, parent, references = found.groups()
    return Through(tuple(columns.split(", ")), parent, tuple(references.split(", ")))
