from protocol.models.ledger import InboundMessage
from protocol.models.outbox import DeliveryState, OutboundAttempt, OutboundMessage, PeerHealth
from protocol.models.parties import Company, Manufacturer, Peer, PeerKind

__all__ = [
    "Company",
    "DeliveryState",
    "InboundMessage",
    "Manufacturer",
    "OutboundAttempt",
    "OutboundMessage",
    "Peer",
    "PeerHealth",
    "PeerKind",
]
