"""Who is who, kept in memory: peers, the companies and manufacturers they speak for, and whom we call about a meter.

Every message needs it, and it changes seldom. A trigger gives each change a new version (migration
`directory_version`), and nobody uses what is remembered without having asked the database for the version, alone or
beside something else: a disabled peer or a changed secret counts from the next message on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db import connection

from protocol.models import Company, Manufacturer, Peer, PeerKind

# A scalar for the select list of any statement.
VERSION_SQL = "(SELECT version FROM protocol_directoryversion)"


@dataclass(frozen=True, slots=True)
class Scope:
    """A peer, and what it may speak about: `companies` by code, `manufacturers` by number (R1).

    An empty list means "all" on the side that the kind of peer is not tied to.
    """

    peer: Peer
    listed_companies: Mapping[str, Company]
    listed_manufacturers: Mapping[str, Manufacturer]
    companies: Mapping[str, Company]
    manufacturers: Mapping[str, Manufacturer]

    def covers(self, company_id: int, manufacturer_id: int) -> bool:
        return any(company.pk == company_id for company in self.companies.values()) and any(
            manufacturer.pk == manufacturer_id for manufacturer in self.manufacturers.values()
        )


@dataclass(frozen=True, slots=True)
class Directory:
    """All of it as it was under `version`."""

    version: int | None
    scopes: Mapping[str, Scope]
    _cis: dict[tuple[int, int], list[Peer]] = field(default_factory=dict)
    _headends: dict[tuple[int, int], list[Peer]] = field(default_factory=dict)

    def cis_peers(self, company_id: int, manufacturer_id: int) -> list[Peer]:
        """The CIS that take calls about meters of a manufacturer at a company."""
        key = (company_id, manufacturer_id)
        if key not in self._cis:
            self._cis[key] = self._reachable(PeerKind.CIS, *key)
        return self._cis[key]

    def headend(self, company_id: int, manufacturer_id: int) -> Peer | None:
        """The head-end that takes messages for such meters, the first of several; None when none has a URL (R14)."""
        key = (company_id, manufacturer_id)
        if key not in self._headends:
            self._headends[key] = sorted(self._reachable(PeerKind.HEADEND, *key), key=lambda peer: peer.pk)[:1]
        return next(iter(self._headends[key]), None)

    def _reachable(self, kind: PeerKind, company_id: int, manufacturer_id: int) -> list[Peer]:
        return [
            scope.peer
            for scope in self.scopes.values()
            if scope.peer.kind == kind and scope.peer.url and scope.covers(company_id, manufacturer_id)
        ]


class _Memory:
    """What this process remembers. The directory is replaced, never changed, so threads may share it."""

    directory: Directory | None = None


def remembered() -> Directory | None:
    """What was known last. Whoever uses it compares its version with the database's before anything comes of it."""
    return _Memory.directory


def current() -> Directory:
    """The directory as the database has it now: one query, six more after a change."""
    version = _version()
    known = _Memory.directory
    if known is not None and known.version is not None and known.version == version:
        return known
    _Memory.directory = _load(version)
    return _Memory.directory


def _version() -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {VERSION_SQL}")
        row = cursor.fetchone()
    return row[0] if row else None


def _load(version: int | None) -> Directory:
    """Read until the version is the same before and after: then nothing has changed in between."""
    while True:
        companies = {company.code: company for company in Company.objects.all()}
        manufacturers = {manufacturer.factor_no: manufacturer for manufacturer in Manufacturer.objects.all()}
        peers = Peer.objects.prefetch_related("companies", "manufacturers")
        scopes = {peer.app_code: _scope(peer, companies, manufacturers) for peer in peers}
        before, version = version, _version()
        if version == before:
            return Directory(version=version, scopes=scopes)


def _scope(peer: Peer, companies: Mapping[str, Company], manufacturers: Mapping[str, Manufacturer]) -> Scope:
    listed_companies = {company.code: company for company in peer.companies.all()}
    listed_manufacturers = {manufacturer.factor_no: manufacturer for manufacturer in peer.manufacturers.all()}
    tied_to_companies = peer.kind == PeerKind.CIS
    return Scope(
        peer=peer,
        listed_companies=listed_companies,
        listed_manufacturers=listed_manufacturers,
        companies=listed_companies if listed_companies or tied_to_companies else companies,
        manufacturers=listed_manufacturers if listed_manufacturers or not tied_to_companies else manufacturers,
    )
