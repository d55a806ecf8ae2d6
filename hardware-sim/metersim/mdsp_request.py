"""Issue a signed request of the MDSP to an agent, or list what was asked for and what was answered.

    metersim request DIR --agent gw-0001 --action special --meter 00012345 --account A-7 --sdp 1-0-12345-7
    metersim request DIR --agent gw-0001 --route route.json
    metersim request DIR --list

The answers come to `metersim mdsp DIR`, which keeps them in the same store.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
from joserfc import jws
from joserfc.jwk import ECKey, Key

from drivers.errors import TransportError
from metersim.mdsp import Trouble, add_broker_arguments, config_of, mdsp_client
from metersim.mdsp_store import MdspStore
from metersim.mdsp_verify import read_keys

ACTIONS = ("monthly", "final", "special", "revalidation", "historical", "route", "cancel")
VALID = timedelta(hours=24)


def issue(
    content: dict[str, Any], key: Key, *, now: datetime, valid: timedelta = VALID, route: str | None = None
) -> tuple[dict[str, Any], bytes]:
    """Return `content` as a whole request and its JWS: with an envelope of its own unless it brings one.

    `route`: JSON text, signed as it stands, so that the agent names its lines.
    """
    issued = int(now.timestamp())
    envelope = {
        "schema": "mrsp.request/1",
        "jti": str(uuid.uuid4()),
        "iat": issued,
        "exp": issued + int(valid.total_seconds()),
    }
    request = {**envelope, **{name: value for name, value in content.items() if value is not None}}
    text = json.dumps(request)
    if route is not None:
        request["route"] = json.loads(route)
        text = f'{text[:-1]}, "route": {route.strip()}}}'
    algorithm = "ES256" if isinstance(key, ECKey) else "Ed25519"
    header = {"alg": algorithm, "kid": key.kid, "typ": "mdsp-request+jws"}
    return request, jws.serialize_compact(header, text, key, algorithms=[algorithm]).encode("ascii")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`metersim request DIR --agent ID --action ACTION …`"""
    add_broker_arguments(parser)
    parser.add_argument("--list", action="store_true", help="print what was asked for and answered, one JSON line each")
    parser.add_argument("--agent", metavar="ID", help="whom to ask")
    parser.add_argument("--action", choices=ACTIONS, help="default: special, or route with --route")
    parser.add_argument("--route", metavar="FILE", type=Path, help="a route for persons to walk, as JSON")
    parser.add_argument("--meter", metavar="NUMBER", help="as the contract has it")
    parser.add_argument("--account", metavar="ID")
    parser.add_argument("--sdp", metavar="ID", help="service delivery point")
    parser.add_argument("--begin", metavar="TIME", help="of the service period, e.g. 2026-10-01T00:00:00Z")
    parser.add_argument("--end", metavar="TIME")
    parser.add_argument("--deadline", metavar="TIME", help="when the read is given up")
    parser.add_argument("--transaction", metavar="ID", help="default: made up")
    parser.add_argument("--cancels", metavar="ID", help="the transaction that a cancel takes back")
    parser.add_argument("--sender", default="MDSP")
    parser.add_argument("--receiver", help="default: the agent's id")
    parser.add_argument("--valid", type=float, default=VALID.total_seconds(), metavar="SECONDS")


async def serve(args: argparse.Namespace) -> int:
    """Send one request and print its ids, or list them; 2 if it is not said whom to ask, or for what."""
    store = MdspStore(args.store or args.directory / "mdsp.db")
    try:
        if args.list:
            for one in store.requests():
                facts = {"jti": one.jti, "agent_id": one.agent_id, "transaction_id": one.transaction_id}
                _say({**facts, "action": one.action, "outcome": one.outcome, "answers": one.answers})
            return 0
        if not args.agent or (args.route is None) == (_action(args) == "route"):
            sys.stderr.write("metersim: --agent says whom to ask, and --route which route to send\n")
            return 2
        config, now = config_of(args, Trouble()), datetime.now(UTC)
        keys = read_keys(config.pki.mdsp_private_jwks).keys
        key = next(one for one in keys if one.get("use") == "sig")
        valid = timedelta(seconds=args.valid)
        request, token = issue(_content(args), key, now=now, valid=valid, route=_route(args))
        store.asked(request["jti"], request, token, now)
        try:
            async with mdsp_client(config, f"mdsp-request-{request['jti'][:8]}") as client:
                await client.publish(f"mdsp/v1/{args.agent}/requests", token, qos=1)
        except aiomqtt.MqttError as error:
            said = f"the broker {config.host}:{config.port} does not take the request: {error}"
            raise TransportError(said, advice="`--broker HOST:PORT` says where it is") from error
        _say({"jti": request["jti"], "transaction_id": request["transaction_id"]})
        return 0
    finally:
        store.close()


def _content(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "aud": args.agent,
        "transaction_id": args.transaction or str(uuid.uuid4()),
        "action": _action(args),
        "sender": args.sender,
        "receiver": args.receiver or args.agent,
        "meter_id": args.meter,
        "account_id": args.account,
        "service_delivery_point_id": args.sdp,
        "service_period": {"begin": args.begin, "end": args.end} if args.begin and args.end else None,
        "deadline": args.deadline,
        "cancels": args.cancels,
    }


def _action(args: argparse.Namespace) -> str:
    return str(args.action or ("special" if args.route is None else "route"))


def _route(args: argparse.Namespace) -> str | None:
    return None if args.route is None else args.route.read_text("utf-8-sig")


def _say(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()
