"""What is too old: one rule for what is shown no more, and the statements that remove it, from the registry.

`Ages.shown_after_ms` is that rule. Whoever shows rows of a table that expires asks it, so that nothing
expired is shown, whether or not it was removed yet.
"""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Final, NamedTuple, Protocol

from rooms import analytics
from store.privacy.registry import Registry, Table, load

DAY_MS: Final = 86_400_000


class Period(Protocol):
    """How long something is kept; `config.retention` has them."""

    @property
    def days(self) -> int | None:
        """So old it is shown nowhere any more. None: it ends with something else."""

    @property
    def hidden_days(self) -> int:
        """So many days later it is removed."""


class Reference(NamedTuple):
    """A foreign key of one column: whoever removes the parent first looks for children."""

    child: str
    child_column: str
    parent: str
    parent_column: str


class Purge(NamedTuple):
    """What ends rows of one table, a batch at a time; it gives how many.

    $1 is the age, as `before` says it, $2 how many at most, and where `shredding`, $3 now_ms.
    """

    table: Table
    sql: str

    @property
    def shredding(self) -> bool:
        """Whether each row's own key is destroyed with it."""
        return self.table.own_key


class Ages:
    """What is too old at some time, by an installation's periods. Raises KeyError for a missing one."""

    def __init__(self, periods: Mapping[str, Period], registry: Registry | None = None) -> None:
        self.registry = registry or load()
        self._periods = {name: periods[table.retention] for name, table in self.registry.tables.items()}

    def shown_after_ms(self, table: str, now_ms: int) -> int:
        """Rows of the table that are not younger are shown nowhere. 0 where nothing expires by its age."""
        if not self._expires(self.registry.tables[table]):
            return 0
        return now_ms - (self._periods[table].days or 0) * DAY_MS

    def gone_before_ms(self, table: str, now_ms: int) -> int | None:
        """Rows of the table that are not younger are removed; None where nothing is, by its age."""
        if not self._expires(self.registry.tables[table]):
            return None
        return self.shown_after_ms(table, now_ms) - self._periods[table].hidden_days * DAY_MS

    def _expires(self, table: Table) -> bool:
        dated = table.ages_by is not None or table.ages_with is not None
        return dated and table.expires != "never" and self._periods[table.name].days is not None


def shown(table: Table, alias: str, place: str) -> str | None:
    """The rule as a condition over a row; `place` is that of `shown_after_ms`. None for what never expires.

    Of what is as old as another row, that one decides.
    """
    if table.expires == "never" or table.ages_by is None or table.ages_in != "ms":
        return None
    young = f'{alias}."{table.ages_by}" > {place}'
    # Without a time it was never anything that could be shown.
    return f"({young})" if table.stays_while is None else f"({young} or ({table.stays_while}))"


def before(table: Table, age_ms: int) -> int:
    """An age as the statements of a table take it."""
    return analytics.week(age_ms) if table.ages_in == "week" else age_ms


def plan(ages: Ages, references: Sequence[Reference]) -> list[Purge]:
    """Every statement, children before what they refer to."""
    tables = ages.registry.tables
    aging = [name for name in sorted(tables) if ages.gone_before_ms(name, 0) is not None]
    due = [name for name in aging if tables[name].ended_by is None]
    sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(due, ()))
    for reference in references:
        if reference.child in due and reference.parent in due and reference.child != reference.parent:
            sorter.add(reference.parent, reference.child)
    return [_purge(tables[name], ages.registry, references) for name in sorter.static_order()]


def _purge(table: Table, registry: Registry, references: Sequence[Reference]) -> Purge:
    conditions = [_aged(table, registry)]
    if table.stays_while is not None:
        conditions.append(f"({table.stays_while}) is not true")
    if table.expires == "columns":
        return Purge(table, _emptying(table, conditions))
    for number, one in enumerate(one for one in references if one.parent == table.name):
        child = f"child_{number}"
        conditions.append(
            f'not exists (select from "{one.child}" {child} where {child}."{one.child_column}"'
            f' = "{table.name}"."{one.parent_column}")'
        )
    going = f'delete from "{table.name}" where {_batch(table, conditions)}'  # noqa: S608
    if not table.own_key:
        return Purge(table, f"with gone as ({going} returning 1) select count(*) from gone")  # noqa: S608
    return Purge(
        table,
        f"with gone as ({going} returning id), ended as ("  # noqa: S608
        "update subject_keys set wrapped = null, shredded_at_ms = coalesce(shredded_at_ms, $3::bigint)"
        " where subject_id in (select id from gone)) select count(*) from gone",
    )


def _emptying(table: Table, conditions: list[str]) -> str:
    """Take out what tells of somebody, of rows in which it still stands."""
    changes = dict(_changes(table))
    differ = " or ".join(f'"{name}" is distinct from {value}' for name, value in changes.items())
    sets = ", ".join(f'"{name}" = {value}' for name, value in changes.items())
    batch = _batch(table, [*conditions, f"({differ})"])
    return (
        f'with gone as (update "{table.name}" set {sets} where {batch} returning 1)'  # noqa: S608
        " select count(*) from gone"
    )


def _changes(table: Table) -> Iterator[tuple[str, str]]:
    for name, column in table.columns.items():
        if column.erased == "pseudonym":
            # An id that leads to nobody, the same the second time, and another in every row.
            row = " || ':' || ".join([f"'{table.name}:{name}'", *(f'"{one}"::text' for one in table.key)])
            yield name, f'case when "{name}" is not null then md5({row})::uuid end'
        elif column.erased == "empty":
            yield name, column.becomes or "null"
        elif column.erased == "shred":
            yield name, "null"


def _aged(table: Table, registry: Registry) -> str:
    elder = table.elder
    if elder is not None:
        return elder.where(_aged(registry.tables[elder.parent], registry))
    if table.ages_in == "timestamp":
        return f'"{table.ages_by}" <= to_timestamp($1::bigint / 1000.0)'
    # Of the week itself, its last day may be younger.
    sign = "<" if table.ages_in == "week" else "<="
    return f'"{table.ages_by}" {sign} $1::bigint'


def _batch(table: Table, conditions: Sequence[str]) -> str:
    where = " and ".join(conditions)
    # A row that somebody changes in this moment has another place afterwards, and is looked at the next time.
    return f'ctid = any (array(select ctid from "{table.name}" where {where} limit $2))'  # noqa: S608
