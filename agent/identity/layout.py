"""The files of a key directory, by name. What lies where decides everything; there is no other record.

    device-key.pem    the private key (PKCS#8): TLS client, and signer of documents unless `token.json` names another
    device-cert.pem   its certificate and those between it and the CA's root, the device's first
    next-key.pem      the key that a rotation made and that has no certificate yet
    previous-cert.pem previous-key.pem   what the broker accepted last, until it has accepted what replaced it
    token.json        where the key that signs documents lies on a PKCS#11 token
    retired.jwks      public halves of the keys that signed documents before: `spool verify` needs them

Replacing `device-cert.pem` is the one step that makes a new key the present one: whichever private key the certificate
belongs to is in use. Everything before and after that step may be interrupted and is finished later.
"""

from __future__ import annotations

KEY_FILE = "device-key.pem"
CERTIFICATE_FILE = "device-cert.pem"
NEXT_KEY_FILE = "next-key.pem"
PREVIOUS_KEY_FILE = "previous-key.pem"
PREVIOUS_CERTIFICATE_FILE = "previous-cert.pem"
TOKEN_FILE = "token.json"  # noqa: S105  (a file name)
RETIRED_FILE = "retired.jwks"
CREDENTIAL = "mrsp-device-key"  # systemd: LoadCredential=mrsp-device-key:…
