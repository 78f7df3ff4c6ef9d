"""The migration operation: an empty and a populated table become partitioned, keep all, and go back."""

from datetime import UTC, datetime, timedelta

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from django.db.migrations.state import ModelState, ProjectState

from protocol.partitions.catalog import partitioned_by
from protocol.partitions.operation import CannotPartition, PartitionTable
from tests.protocol.partitioned import names, sql

pytestmark = pytest.mark.django_db

OPERATION = PartitionTable("Trial", column="at", interval="month", primary_key=["meter_id", "at", "index"])
DOUBLE = models.F("index") * 2
THIS_MONTH = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
LAST_MONTH = (THIS_MONTH - timedelta(days=1)).replace(day=1)


def state_of(**options):
    fields = [
        ("id", models.BigAutoField(primary_key=True)),
        ("company", models.ForeignKey("protocol.Company", models.PROTECT)),
        ("meter_id", models.BigIntegerField()),
        ("at", models.DateTimeField()),
        ("index", models.DecimalField(max_digits=9, decimal_places=2, db_default=0)),
        ("doubled", models.GeneratedField(expression=DOUBLE, output_field=models.IntegerField(), db_persist=True)),
    ]
    state = ProjectState.from_apps(apps)
    state.add_model(ModelState("protocol", "Trial", fields, {"db_table": "trial", **options}))
    return state


@pytest.fixture
def state(world):
    state = state_of(
        indexes=[
            models.Index(fields=["at"], name="trial_at"),
            models.Index(fields=["id"], name="trial_odd", condition=models.Q(index=1)),
        ],
        constraints=[
            models.UniqueConstraint(fields=["meter_id", "at"], include=["index"], name="trial_once"),
            models.CheckConstraint(condition=models.Q(index__gte=0), name="trial_not_negative"),
        ],
    )
    with connection.schema_editor(atomic=False) as editor:
        editor.create_model(state.apps.get_model("protocol", "Trial"))
    return state


def partition(state, backwards=False, operation=OPERATION):
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    with connection.schema_editor(atomic=False) as editor:
        run = operation.database_backwards if backwards else operation.database_forwards
        run("protocol", editor, state, state)


def add(state, company, at, meter_id=1, index=1):
    return state.apps.get_model("protocol", "Trial").objects.create(
        company_id=company.pk, meter_id=meter_id, at=at, index=index
    )


def rows(state):
    return list(state.apps.get_model("protocol", "Trial").objects.order_by("id").values())


def shape(table="trial"):
    """Definitions of all that stands around the table, names included."""
    return sql(
        """SELECT replace(indexdef, ' ON ONLY ', ' ON ') FROM pg_indexes
        WHERE tablename = %s AND indexname <> 'trial_pkey'
        UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid = to_regclass(%s) AND contype <> 'p' ORDER BY 1""",
        table,
        table,
    )


def test_an_empty_table(world, state):
    before = shape()
    partition(state)
    assert (partitioned_by("trial"), names()) == ("at", ["trial_default"])
    assert shape() == before
    assert sql("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'trial_pkey'") == [
        ("PRIMARY KEY (meter_id, at, index)",)
    ]


def test_a_populated_table_keeps_its_rows_and_goes_on_counting(world, state):
    for n, at in enumerate([THIS_MONTH, LAST_MONTH, datetime(2000, 1, 1, tzinfo=UTC), THIS_MONTH + timedelta(days=9)]):
        add(state, world.company, at, index=n)
    before = rows(state)
    partition(state)
    assert rows(state) == before
    assert names() == [f"trial_p{LAST_MONTH:%Y%m%d}", f"trial_p{THIS_MONTH:%Y%m%d}", "trial_default"]
    assert sql("SELECT count(*) FROM trial_default") == [(1,)]
    new = add(state, world.company, THIS_MONTH, meter_id=2)
    assert (new.pk, new.doubled) == (before[-1]["id"] + 1, 2)
    with pytest.raises(IntegrityError, match="meter_id_at"):
        add(state, world.company, THIS_MONTH, meter_id=2, index=7)


def test_a_partitioned_table_goes_back(world, state):
    before = shape()
    partition(state)
    add(state, world.company, THIS_MONTH)
    add(state, world.company, LAST_MONTH)
    kept = rows(state)
    partition(state, backwards=True)
    assert (rows(state), shape(), partitioned_by("trial")) == (kept, before, None)
    assert sql("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'trial_pkey'") == [
        ("PRIMARY KEY (id)",)
    ]
    assert add(state, world.company, THIS_MONTH, meter_id=3).pk == kept[-1]["id"] + 1


def test_a_unique_constraint_can_become_the_primary_key_and_go_back(world, state):
    before = shape()
    operation = PartitionTable("Trial", column="at", interval="month", primary_key="trial_once")
    partition(state, operation=operation)
    keys = "SELECT contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'trial_once'"
    assert sql(keys) == [("p", "PRIMARY KEY (meter_id, at) INCLUDE (index)")]
    assert sql("SELECT count(*) FROM pg_indexes WHERE tablename = 'trial'") == [(4,)]
    add(state, world.company, THIS_MONTH)
    with pytest.raises(IntegrityError, match="pkey"), transaction.atomic():
        add(state, world.company, THIS_MONTH)
    partition(state, operation=operation, backwards=True)
    assert (shape(), len(rows(state))) == (before, 1)


@pytest.mark.parametrize(
    ("obstacle", "named"),
    [
        (
            "CREATE UNIQUE INDEX trial_meter ON trial (meter_id) INCLUDE (at)",
            "the unique index trial_meter leaves out at",
        ),
        (
            "CREATE TABLE child (trial_id bigint CONSTRAINT to_trial REFERENCES trial)",
            "the foreign key to_trial of child refers to it",
        ),
        (
            "CREATE TRIGGER shout BEFORE UPDATE ON trial EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "it has the trigger shout",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused_and_nothing_changes(world, state, obstacle, named):
    sql(obstacle)
    before = shape()
    with pytest.raises(CannotPartition) as refusal:
        partition(state)
    assert str(refusal.value) == f"trial cannot be partitioned: {named}"
    assert (shape(), partitioned_by("trial")) == (before, None)
