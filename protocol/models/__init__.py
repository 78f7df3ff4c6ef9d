from protocol.models.ledger import InboundMessage, InboundSerial
from protocol.models.outbox import (
    BreakerState,
    DeliveryState,
    OutboundAttempt,
    OutboundLane,
    OutboundMessage,
    PeerHealth,
)
from protocol.models.parties import Company, Manufacturer, Peer, PeerKind

__all__ = [
    "BreakerState",
    "Company",
    "DeliveryState",
    "InboundMessage",
    "InboundSerial",
    "Manufacturer",
    "OutboundAttempt",
    "OutboundLane",
    "OutboundMessage",
    "Peer",
    "PeerHealth",
    "PeerKind",
]
