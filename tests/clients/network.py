"""The names in the hosts file, and a certificate for them that clients can be told to trust."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

AWS_ADDRESS = "192.0.2.1"
PRIVATE_ADDRESS = "192.0.2.2"
PUBLIC_ADDRESS = "192.0.2.3"
ORDINARY_ADDRESS = "192.0.2.4"

_HOSTS = Path(__file__).with_name("hosts")


def names_at(address: str) -> list[str]:
    """Return the names that stand for an address."""
    pairs = (line.split() for line in _HOSTS.read_text().splitlines())
    return [name for found, name in pairs if found == address]


@dataclass(frozen=True)
class Authority:
    """PEM files: the certificate of an authority, and one that it issued for every name here."""

    ca_bundle: Path
    certificate: Path
    private_key: Path

    @classmethod
    def create(cls, directory: Path) -> "Authority":
        """Issue the certificates and write them to a directory."""
        self = cls(directory / "ca.pem", directory / "server.pem", directory / "server.key")
        authority = trustme.CA()
        names = [
            name
            for address in (AWS_ADDRESS, PRIVATE_ADDRESS, PUBLIC_ADDRESS, ORDINARY_ADDRESS)
            for name in names_at(address)
        ]
        issued = authority.issue_cert(*names)
        authority.cert_pem.write_to_path(self.ca_bundle)
        issued.private_key_pem.write_to_path(self.private_key)
        self.certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        return self

    def server_context(self) -> ssl.SSLContext:
        """Return what a server in this process needs to speak TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.private_key)
        return context
