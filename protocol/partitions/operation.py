"""The migration operation that makes a table partitioned, or plain again, and keeps its rows."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.utils import CursorWrapper
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.utils import timezone

from protocol.partitions.care import attach_partition, create_default, create_partition
from protocol.partitions.catalog import columns_of, spans_with_rows
from protocol.partitions.declared import STRAY_DAYS, Interval, PartitionedTable


class CannotPartition(ValueError):
    """Something in the database stands against it; the message names it."""


class PartitionTable(Operation):
    """Cut the table of `model_name` by `column`; the database's primary key becomes `primary_key`.

    That is a list of columns, or the name of a unique constraint which becomes the primary key under its own name:
    one index instead of two.

    The rows are copied while the table is locked, into partitions that cover the last 1,100 days and all after; what
    is older goes to the default partition. Indexes, unique constraints and foreign keys keep their names. Raises
    CannotPartition for a unique constraint without `column`, a foreign key that refers to the table, or a trigger.
    """

    reduces_to_sql = False
    reversible = True

    def __init__(
        self, model_name: str, *, column: str, interval: str, primary_key: list[str] | str, storage: str = ""
    ) -> None:
        self.model_name, self.column, self.interval = model_name, column, interval
        self.primary_key, self.storage = primary_key, storage

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Nothing: Django goes on with its own notion of the model."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        table = self._table(app_label, to_state)
        rebuild(table.table, primary_key=self.primary_key, partitioned=table)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        key = to_state.apps.get_model(app_label, self.model_name)._meta.pk.column
        named = self.primary_key if isinstance(self.primary_key, str) else None
        rebuild(self._table(app_label, to_state).table, primary_key=[str(key)], partitioned=None, once_more=named)

    def describe(self) -> str:
        return f"Partition {self.model_name} by {self.interval} of {self.column}"

    def _table(self, app_label: str, state: ProjectState) -> PartitionedTable:
        model = state.apps.get_model(app_label, self.model_name)
        return PartitionedTable(
            table=model._meta.db_table, column=self.column, interval=Interval(self.interval), storage=self.storage
        )


@dataclass(frozen=True, slots=True)
class _Around:
    """What stands around a table: the statements that make it again, and the last `id` that was given."""

    statements: list[str]
    last_id: int | None


def rebuild(
    table: str, *, primary_key: list[str] | str, partitioned: PartitionedTable | None, once_more: str | None = None
) -> None:
    """Write `table` anew, partitioned or (None) plain, with another primary key, in the running transaction.

    `once_more` names a primary key that becomes a unique constraint again.
    """
    old = f"{table}_before"
    clause = f'PARTITION BY RANGE ("{partitioned.column}")' if partitioned else ""
    with connection.cursor() as cursor:
        cursor.execute(f'LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE')
        _refuse_what_cannot_be_kept(cursor, table, column=partitioned.column if partitioned else None)
        around = _around(cursor, table, primary_key=primary_key, once_more=once_more)
        cursor.execute(f'ALTER TABLE "{table}" RENAME TO "{old}"')
        cursor.execute(f'CREATE TABLE "{table}" (LIKE "{old}" INCLUDING ALL EXCLUDING INDEXES) {clause}')
        if partitioned:
            _make_partitions(cursor, partitioned, old=old)
        columns = ", ".join(f'"{name}"' for name in columns_of(table))
        cursor.execute(f'INSERT INTO "{table}" ({columns}) SELECT {columns} FROM "{old}"')  # noqa: S608
        cursor.execute(f'DROP TABLE "{old}"')
        for statement in around.statements:
            cursor.execute(statement)
        _go_on_counting(cursor, table, around.last_id)
        cursor.execute(f'ANALYZE "{table}"')


def _refuse_what_cannot_be_kept(cursor: CursorWrapper, table: str, *, column: str | None) -> None:
    cursor.execute(
        """SELECT format('the foreign key %%s of %%s refers to it', conname, conrelid::regclass)
        FROM pg_constraint WHERE contype = 'f' AND confrelid = to_regclass(%(table)s)
        UNION ALL
        SELECT format('it has the trigger %%s', tgname) FROM pg_trigger
        WHERE tgrelid = to_regclass(%(table)s) AND NOT tgisinternal
        UNION ALL
        SELECT format('the unique index %%s leaves out %%s', indexrelid::regclass, %(column)s::text) FROM pg_index
        WHERE indrelid = to_regclass(%(table)s) AND indisunique AND NOT indisprimary AND %(column)s::text IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = indrelid AND a.attname = %(column)s::text
                AND a.attnum = ANY((indkey::int2[])[0:indnkeyatts - 1]))""",
        {"table": table, "column": column},
    )
    if reasons := [row[0] for row in cursor.fetchall()]:
        raise CannotPartition(f"{table} cannot be partitioned: {'; '.join(reasons)}")


def _around(cursor: CursorWrapper, table: str, *, primary_key: list[str] | str, once_more: str | None) -> _Around:
    """Indexes and constraints by their own definitions; checks, defaults and comments come with LIKE."""
    cursor.execute(
        """SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') FROM pg_index i
        WHERE indrelid = to_regclass(%(table)s) AND indexrelid <> coalesce(to_regclass(%(promoted)s), 0)
            AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u'))
        UNION ALL
        SELECT format('ALTER TABLE %%I ADD CONSTRAINT %%I %%s', %(table)s::text, conname, pg_get_constraintdef(oid))
        FROM pg_constraint
        WHERE conrelid = to_regclass(%(table)s) AND contype IN ('u', 'f') AND conname IS DISTINCT FROM %(promoted)s""",
        {"table": table, "promoted": primary_key if isinstance(primary_key, str) else None},
    )
    statements = [row[0] for row in cursor.fetchall()]
    statements.append(_key_statement(cursor, table, primary_key))
    if once_more:
        statements.append(_unique_statement(cursor, table, once_more))
    return _Around(statements, _last_id(cursor, table))


def _key_statement(cursor: CursorWrapper, table: str, key: list[str] | str) -> str:
    if isinstance(key, str):
        return f'ALTER TABLE "{table}" ADD CONSTRAINT "{key}" PRIMARY KEY {_columns_of_index(cursor, key)}'
    columns = ", ".join(f'"{name}"' for name in key)
    return f'ALTER TABLE "{table}" ADD CONSTRAINT "{table}_pkey" PRIMARY KEY ({columns})'


def _unique_statement(cursor: CursorWrapper, table: str, name: str) -> str:
    """As Django makes it: with included columns an index, else a constraint."""
    columns = _columns_of_index(cursor, name)
    if " INCLUDE " in columns:
        return f'CREATE UNIQUE INDEX "{name}" ON "{table}" {columns}'
    return f'ALTER TABLE "{table}" ADD CONSTRAINT "{name}" UNIQUE {columns}'


def _columns_of_index(cursor: CursorWrapper, name: str) -> str:
    """(a, b) INCLUDE (c)"""
    cursor.execute("SELECT split_part(pg_get_indexdef(%s::regclass), ' USING btree ', 2)", [name])
    return str(cursor.fetchone()[0])


def _last_id(cursor: CursorWrapper, table: str) -> int | None:
    """The last `id` given, None before the first; frees the sequence's name for the new table."""
    sequence = _identity_of(cursor, table)
    if sequence is None:
        return None
    cursor.execute(f"SELECT last_value FROM {sequence} WHERE is_called")  # noqa: S608
    row = cursor.fetchone()
    cursor.execute(f'ALTER SEQUENCE {sequence} RENAME TO "{table}_id_seq_before"')
    return row[0] if row else None


def _identity_of(cursor: CursorWrapper, table: str) -> str | None:
    cursor.execute(
        """SELECT pg_get_serial_sequence(quote_ident(%(table)s), attname) FROM pg_attribute
        WHERE attrelid = to_regclass(%(table)s) AND attidentity <> ''""",
        {"table": table},
    )
    row = cursor.fetchone()
    return row[0] if row else None


def _go_on_counting(cursor: CursorWrapper, table: str, last_id: int | None) -> None:
    sequence = _identity_of(cursor, table)
    if sequence and last_id is not None:
        cursor.execute("SELECT setval(%s::regclass, %s)", [sequence, last_id])


def _make_partitions(cursor: CursorWrapper, table: PartitionedTable, *, old: str) -> None:
    """The default partition, and one for every span that has rows of the last STRAY_DAYS."""
    create_default(cursor, table)
    for span in spans_with_rows(table, old, since=timezone.now() - timedelta(days=STRAY_DAYS)):
        create_partition(cursor, table, span)
        attach_partition(cursor, table, span)
