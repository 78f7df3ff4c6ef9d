"""How many rows an export will have, by the planner's guess: nothing is read for it."""

import json
from typing import Any

from django.db.models import QuerySet


def estimated_rows(rows: QuerySet[Any]) -> int:
    """About how many rows `rows` has; 0 when none can match."""
    # Of a query that can match nothing, Django says so in an empty plan.
    plan = rows.order_by().values("pk").explain(format="json")
    return int(json.loads(plan)[0]["Plan"]["Plan Rows"]) if plan else 0
