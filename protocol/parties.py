"""Setting up companies, manufacturers and peers: idempotent, and never silently different from what is there."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db import transaction

from protocol.models import Company, Manufacturer, Peer, PeerKind

Party = TypeVar("Party", Company, Manufacturer)


class PartyError(ValueError):
    """What is asked for contradicts what is there, or names what is not."""


Row = TypeVar("Row", Company, Manufacturer, Peer)


@dataclass(frozen=True)
class Created(Generic[Row]):
    """The row, whether it is new, and the secret when it was made here."""

    row: Row
    is_new: bool
    made_secret: str = ""


def create_company(*, code: str, name: str) -> Created[Company]:
    company, is_new = Company.objects.update_or_create(code=code, defaults={"name": name})
    return Created(company, is_new)


def create_manufacturer(*, factor_no: str, name: str) -> Created[Manufacturer]:
    manufacturer, is_new = Manufacturer.objects.update_or_create(factor_no=factor_no, defaults={"name": name})
    return Created(manufacturer, is_new)


@transaction.atomic
def create_peer(
    *,
    kind: str,
    app_code: str,
    app_secret: str | None,
    name: str | None = None,
    url: str | None = None,
    companies: Sequence[str] = (),
    manufacturers: Sequence[str] = (),
) -> Created[Peer]:
    """A peer as described; one that exists takes over name, URL and further companies and manufacturers.

    Raises PartyError when it exists with another kind or secret, or names an unknown company or manufacturer.
    """
    peer = Peer.objects.select_for_update().filter(app_code=app_code).first()
    made = "" if app_secret or peer else new_secret()
    is_new = peer is None
    if peer is None:
        peer = Peer(kind=PeerKind(kind), app_code=app_code, name=app_code, app_secret=app_secret or made)
    elif peer.kind != kind:
        raise PartyError(f"peer {app_code} exists with another kind: {peer.kind}")
    elif app_secret and not secrets.compare_digest(peer.app_secret.encode(), app_secret.encode()):
        raise PartyError(f"peer {app_code} exists with another secret")
    peer.name = name or peer.name
    peer.url = peer.url if url is None else url
    _save(peer)
    peer.companies.add(*_named(Company, "code", companies))
    peer.manufacturers.add(*_named(Manufacturer, "factor_no", manufacturers))
    _check_scope(peer)
    return Created(peer, is_new, made)


def new_secret() -> str:
    return secrets.token_urlsafe(24)


@transaction.atomic
def rotate_secret(peer: Peer, *, replaces: str, previous_until: datetime | None) -> str:
    """Make a new secret for `peer`, by which we sign at once; returns it, and nobody can read it again.

    The one it replaces is accepted until `previous_until` (None: from now on no more). Raises PartyError when the
    secret is no longer `replaces`: two who rotate at once would make the first new one worthless.
    """
    row = Peer.objects.select_for_update().get(pk=peer.pk)
    if not secrets.compare_digest(row.app_secret.encode(), replaces.encode()):
        raise PartyError(f"peer {row.app_code} has another secret by now")
    row.previous_secret = row.app_secret if previous_until is not None else ""
    row.previous_secret_until = previous_until
    row.app_secret = new_secret()
    row.save(update_fields=["app_secret", "previous_secret", "previous_secret_until"])
    return row.app_secret


def _save(peer: Peer) -> None:
    try:
        peer.full_clean(validate_unique=False)
    except ValidationError as error:
        field, reasons = next(iter(error.message_dict.items()))
        raise PartyError(f"{field}: {reasons[0]}") from None
    peer.save()


def _named(model: type[Party], field: str, names: Sequence[str]) -> list[Party]:
    rows = {getattr(row, field): row for row in model.objects.filter(**{f"{field}__in": names})}
    missing = [name for name in names if name not in rows]
    if missing:
        raise PartyError(f"no such {model._meta.model_name}: {', '.join(missing)}")
    return list(rows.values())


def _check_scope(peer: Peer) -> None:
    """A peer without the scope that its kind is tied to could say nothing."""
    if peer.kind == PeerKind.CIS and not peer.companies.exists():
        raise PartyError("a CIS needs at least one --company")
    if peer.kind == PeerKind.HEADEND and not peer.manufacturers.exists():
        raise PartyError("a head-end needs at least one --factor")
