"""Who this box is, and whom it trusts: the device key, its certificate, the broker's CA, the MDSP's keys."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509

from agent.credentials import has_credentials, is_credential, located
from agent.doctor.finding import Remark, fault, ok, skipped, warning
from agent.doctor.patient import Patient
from agent.errors import LocalTrouble
from agent.identity.chain import check_chain
from agent.identity.status import EXPIRY_WARNING_DAYS, certificate_status
from agent.keys import MAX_CHAIN_OCTETS, DeviceKey, MdspKeys, load_device_key, load_tls_key, read_key
from agent.private_file import refuse_open_directory

MOST_CA_OCTETS = 4_194_304  # the CAs that a distribution trusts are a quarter of it


def device_key(patient: Patient) -> Iterator[Remark]:
    """Is there a key, readable and closed to others?"""
    directory = patient.config.key_directory
    if not directory.is_dir():
        yield fault(f"there is no key directory {directory}: nothing can be sealed", "`mrsp keys init` makes the key")
        return
    if not patient.is_guest:
        refuse_open_directory(directory)
    key = load_device_key(directory)
    where = f"on the token {key.token}" if key.token else f"in {key.path}"
    yield ok(f"the {key.algorithm} key {key.kid} is {where}")


def certificate(patient: Patient) -> Iterator[Remark]:
    """Does the broker's certificate belong to the key, to this agent, to TLS clients, and to today?"""
    config = patient.config
    path, forward = config.tls_certificate, config.settings.forward
    if forward is None and not path.exists():
        yield skipped("nothing is forwarded: no certificate is needed")
        return
    if not path.is_file():
        yield fault(f"there is no certificate {path}", "`mrsp keys csr`, then `mrsp keys import` what your CA returns")
        return
    if forward is not None and is_credential(forward.key) and not has_credentials():
        yield skipped(f"the key {forward.key} is given to the service only")
        return
    key = _tls_key(patient)
    check_chain(_content(path, MAX_CHAIN_OCTETS), keys=[key], agent_id=config.agent_id, now=patient.now)
    found = certificate_status(path, tls_kid=key.kid, now=patient.now)
    if found.days_left <= EXPIRY_WARNING_DAYS:
        yield warning(
            f"the certificate {path} expires in {found.days_left} days", "`mrsp keys renew` asks for a new one"
        )
    else:
        yield ok(f"the certificate of {found.subject} is valid for {found.days_left} days")


def _tls_key(patient: Patient) -> DeviceKey:
    config = patient.config
    forward = config.settings.forward
    return load_tls_key(config.key_directory) if forward is None else read_key(located(config.path(forward.key)))


def broker_ca(patient: Patient) -> Iterator[Remark]:
    """Can the broker be known by the CA file?"""
    forward = patient.config.settings.forward
    if forward is None:
        yield skipped("nothing is forwarded: no CA is needed")
        return
    path = patient.config.path(forward.ca)
    try:
        found = x509.load_pem_x509_certificates(_content(path, MOST_CA_OCTETS))
    except ValueError:
        found = []
    if not found:
        yield fault(f"{path} is no PEM file of certificates", "ask the broker's operator for the CA's certificate")
        return
    if all(one.not_valid_after_utc <= patient.now for one in found):
        newest = max(one.not_valid_after_utc for one in found)
        yield fault(
            f"every CA in {path} expired, the last on {newest:%Y-%m-%d}", "ask for the new CA; or set the clock"
        )
        return
    ssl.create_default_context(cafile=str(path))  # as the forwarder reads it
    yield ok(f"{path} has {len(found)} CA certificates")


def mdsp_keys(patient: Patient) -> Iterator[Remark]:
    """Can acknowledgements be verified, and documents encrypted where that is wanted?"""
    keys = patient.config.settings.keys
    if keys.mdsp is None:
        yield skipped("no `[keys] mdsp`: nothing is acknowledged to this box")
        return
    found = MdspKeys(patient.config.path(keys.mdsp), require_encryption=keys.encrypt).load()
    if patient.config.settings.requests is not None and not found.requesters:
        yield fault(
            f"[requests] is configured, and no key in {keys.mdsp} may sign requests",
            'ask the MDSP for its JWKS: a key whose "mdsp_roles" name "request", or that has none',
        )
    yield ok(
        f"{len(found.verification)} keys verify acknowledgements; documents are encrypted to {len(found.encryption)}"
    )


def _content(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise LocalTrouble(f"cannot read {path}: {error.strerror}", advice="check path and owner") from error
