from meters.models.account import Account, AccountEntry, EntryKind
from meters.models.meter import (
    BillingModel,
    CustomerType,
    Meter,
    MeterPrice,
    MeterState,
    MeterStatus,
    MeterType,
    PayMode,
    ValveState,
)

__all__ = [
    "Account",
    "AccountEntry",
    "BillingModel",
    "CustomerType",
    "EntryKind",
    "Meter",
    "MeterPrice",
    "MeterState",
    "MeterStatus",
    "MeterType",
    "PayMode",
    "ValveState",
]
