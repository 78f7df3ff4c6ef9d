"""A test call: does a peer take messages from us, and how does it answer?

The message is one that changes nothing anywhere: it is about a command that nobody has given, of a meter that does not
exist. A head-end is asked to cancel it (1005), a CIS is told that it was not done (2002). Any answer with an echoCode
shows that the peer is there and could read us; 0103 says that it does not know our signature.
"""

import json
from datetime import datetime, timedelta

from protocol.lanes import ClaimedLane, Mail
from protocol.models import Peer, PeerKind
from protocol.outbox import new_serial
from protocol.sending import Outcome, Parcel, send_once
from protocol.wire import compact_time

NO_METER = "000000000000"
LONGEST = timedelta(minutes=5)


def probe(peer: Peer, *, now: datetime) -> Outcome:
    """Call `peer` at its URL, whether or not sending to it is paused. Nothing of it is kept.

    The caller is in no transaction.
    """
    # With everything that signing needs: the courier's loop may not ask the database.
    peer = Peer.objects.get(pk=peer.pk)
    code = "1005" if peer.kind == PeerKind.HEADEND else "2002"
    body = json.dumps({"serialNo": new_serial(now=now), **_body(peer, code, now=now)}, ensure_ascii=False)
    mail = Mail(id=0, code=code, body=body, tries=0, created_at=now, once_only=True)
    claimed = ClaimedLane(peer_id=peer.pk, lane=0, arrivals=0, holder=0, lease=now + LONGEST, mail=(mail,), is_all=True)
    return send_once(Parcel(claimed, peer), mail)


def _body(peer: Peer, code: str, *, now: datetime) -> dict[str, str]:
    company, manufacturer = peer.companies.first(), peer.manufacturers.first()
    body = {
        "userNo": NO_METER,
        "deviceId": "",
        "factorNo": manufacturer.factor_no if manufacturer else "",
        "meterNo": NO_METER,
        "sendSerialNo": new_serial(now=now),
        "companyCode": company.code if company else "",
    }
    if code == "2002":
        body |= {"paramNo": "03", "excuteState": "2", "sdateTime": compact_time(now)}
    return body
