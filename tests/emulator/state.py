"""Who exists in the emulated AWS, and what was issued to them."""

from __future__ import annotations

import base64
import json
import secrets
import time
import uuid
from dataclasses import dataclass, replace
from threading import RLock
from typing import TYPE_CHECKING

from tests.emulator.model import AwsError, IssuedToken, Principal, Role, SsoSession
from tests.emulator.partitions import partition_of
from tests.emulator.repositories import Registries

if TYPE_CHECKING:
    from collections.abc import Iterable

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_HOUR = 3600.0


@dataclass(frozen=True)
class InstanceRole:
    """What the instance metadata service of one EC2 instance knows."""

    name: str
    region: str
    instance_id: str
    principal: Principal


@dataclass(frozen=True)
class ContainerCredentials:
    """What the credentials endpoint of one ECS task, or of one EKS pod, knows."""

    path: str
    authorization_token: str | None
    principal: Principal


@dataclass(frozen=True)
class Device:
    """A sign-in that waits for a person to confirm its code; `decision` is None until then."""

    client_id: str
    start_url: str
    device_code: str
    user_code: str
    expires_at: float
    decision: bool | None = None


class _TokenBucket:
    """`burst` calls at once, refilled by `rate` a second; the caller holds a lock."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst, self._level, self._at = rate, burst, burst, time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


class AwsState:
    """Users, roles and sign-ins, the credentials issued to them, and the registry's passwords.

    All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._principals: dict[str, Principal] = {}
        self._roles: dict[str, Role] = {}
        self._sso_sessions: list[SsoSession] = []
        self._clients: dict[str, tuple[str, bool]] = {}
        self._devices: list[Device] = []
        self._metadata_tokens: dict[str, float] = {}
        self._secrets: set[str] = set()
        self._bucket: _TokenBucket | None = None
        self._issued: dict[str, IssuedToken] = {}
        self.instance: InstanceRole | None = None
        self.container: ContainerCredentials | None = None
        self.registries = Registries()
        self.nobody = Principal("arn:aws:iam::000000000000:user/nobody", "", "")
        """Who has a token that belongs to no principal, and may do what anybody may."""
        self.token_lifetime = 12 * _HOUR
        """Seconds for which an authorization token is valid."""
        self.device_interval = 0
        """Seconds between two CreateToken calls that wait for a person; 1 in AWS."""
        self.device_lifetime = 600.0
        """Seconds for which a person can confirm a code."""
        self.clock_offset = 0.0
        """Seconds by which the clock of AWS is ahead of this machine's."""
        self.rotate_password()

    def now(self) -> float:
        """Return the time, in epoch seconds, by the clock of the emulated AWS."""
        return time.time() + self.clock_offset

    # Who exists

    def add_user(
        self,
        *,
        arn: str = "arn:aws:iam::111111111111:user/dev",
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        session_token: str | None = None,
        expires_at: float | None = None,
        deny: Iterable[str] = (),
    ) -> Principal:
        """Add credentials that may sign: long-term ones, or with a `session_token` temporary ones.

        What is not given is made up in the real shape. `expires_at` is in epoch seconds, None for
        never. To `deny` is to answer AccessDeniedException to these IAM actions.
        """
        return self._register(
            Principal(
                arn=arn,
                access_key_id=access_key_id or _identifier("ASIA" if session_token else "AKIA"),
                secret_access_key=secret_access_key or _secret_access_key(),
                session_token=session_token,
                expires_at=expires_at,
                deny=frozenset(deny),
            )
        )

    def add_role(
        self,
        *,
        arn: str = "arn:aws:iam::222222222222:role/pull",
        trusted: Iterable[str] | None = None,
        external_id: str | None = None,
        mfa_serial: str | None = None,
        mfa_code: str | None = None,
        web_identity_token: str | None = None,
        deny: Iterable[str] = (),
    ) -> Role:
        """Add a role, whose sessions are refused what is in `deny`.

        `trusted` holds ARNs of users, roles or accounts ("…:root"); None is everybody.
        """
        role = Role(
            arn=arn,
            trusted=None if trusted is None else frozenset(trusted),
            external_id=external_id,
            mfa_serial=mfa_serial,
            mfa_code=mfa_code,
            web_identity_token=web_identity_token,
            deny=frozenset(deny),
        )
        with self._lock:
            self._roles[arn] = role
            self._remember(web_identity_token)
        return role

    def add_sso(
        self,
        *,
        start_url: str = "https://example.awsapps.com/start",
        region: str = "us-east-1",
        access_token: str | None = None,
        account_id: str = "333333333333",
        role_name: str = "Developer",
        expired: bool = False,
        refresh_token: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        deny: Iterable[str] = (),
    ) -> SsoSession:
        """Add a sign-in at IAM Identity Center; `expired` makes its access token worthless.

        With a `refresh_token`, CreateToken exchanges it for a new access token. Two roles of one
        sign-in are two calls with the same `access_token`.
        """
        session = SsoSession(
            start_url=start_url,
            region=region,
            access_token=access_token or secrets.token_urlsafe(180),
            expires_at=self.now() + (-1 if expired else 8) * _HOUR,
            account_id=account_id,
            role_name=role_name,
            refresh_token=refresh_token,
            client_id=client_id or secrets.token_urlsafe(16),
            client_secret=client_secret or secrets.token_urlsafe(300),
            deny=frozenset(deny),
        )
        with self._lock:
            self._sso_sessions.append(session)
            self._remember(session.access_token, session.refresh_token, session.client_secret)
        return session

    def set_instance_role(
        self,
        name: str = "ec2-pull",
        *,
        account_id: str = "111111111111",
        region: str = "us-east-1",
        lifetime: float = 6 * _HOUR,
        deny: Iterable[str] = (),
    ) -> Principal:
        """Give the machine an instance profile, served at /latest/ by IMDSv2 (never IMDSv1).

        The credentials stay the same until this is called again.
        """
        role = Role(
            arn=f"arn:{partition_of(region).name}:iam::{account_id}:role/{name}",
            deny=frozenset(deny),
        )
        instance_id = f"i-{secrets.token_hex(9)[:17]}"
        principal = self.start_session(role, instance_id, lifetime)
        self.instance = InstanceRole(name, region, instance_id, principal)
        return principal

    def set_container_credentials(
        self,
        path: str | None = None,
        authorization_token: str | None = None,
        *,
        role_arn: str = "arn:aws:iam::111111111111:role/task-pull",
        lifetime: float = 6 * _HOUR,
        deny: Iterable[str] = (),
    ) -> Principal:
        """Serve credentials at `path` as ECS and EKS Pod Identity do; see `container.path`.

        With an `authorization_token`, requests must carry it in their `Authorization` header. The
        credentials stay the same until this is called again.
        """
        principal = self.start_session(
            Role(arn=role_arn, deny=frozenset(deny)), uuid.uuid4().hex, lifetime
        )
        self.container = ContainerCredentials(
            path or f"/v2/credentials/{uuid.uuid4()}", authorization_token, principal
        )
        with self._lock:
            self._remember(authorization_token)
        return principal

    # What was issued

    def principal(self, access_key_id: str) -> Principal | None:
        """Return the owner of an access key, None if there is none."""
        with self._lock:
            return self._principals.get(access_key_id)

    def principal_named(self, arn: str) -> Principal:
        """Return the principal with that ARN, the newest if there are several; `nobody` if none."""
        with self._lock:
            named = [each for each in self._principals.values() if each.arn == arn]
        return named[-1] if named else self.nobody

    def allow(self, name: str, actions: Iterable[str]) -> None:
        """Stop denying actions to "user/NAME", or to "role/NAME" and its sessions."""
        with self._lock:
            for key, each in self._principals.items():
                if (each.role_arn or each.arn).endswith(f":{name}"):
                    self._principals[key] = replace(each, deny=each.deny - frozenset(actions))
            for arn, role in self._roles.items():
                if arn.endswith(f":{name}"):
                    self._roles[arn] = replace(role, deny=role.deny - frozenset(actions))

    def role(self, arn: str) -> Role | None:
        """Return the role of that ARN, None if there is none."""
        with self._lock:
            return self._roles.get(arn)

    def start_session(
        self, role: Role, session_name: str, lifetime: float, policy: str | None = None
    ) -> Principal:
        """Issue temporary credentials for a role, good for `lifetime` seconds.

        With a `policy`, they are good for nothing else than it allows.
        """
        _, partition, _, _, account_id, resource = role.arn.split(":", 5)
        role_name = resource.rpartition("/")[2]
        return self._register(
            Principal(
                arn=f"arn:{partition}:sts::{account_id}:assumed-role/{role_name}/{session_name}",
                access_key_id=_identifier("ASIA"),
                secret_access_key=_secret_access_key(),
                session_token=_session_token(),
                expires_at=self.now() + lifetime,
                deny=role.deny,
                role_arn=role.arn,
                session_policy=policy,
            )
        )

    def sso_sessions(self, access_token: str) -> list[SsoSession]:
        """Return the roles that an access token opens; none if it is unknown or has expired."""
        with self._lock:
            sessions = [
                session for session in self._sso_sessions if session.access_token == access_token
            ]
        return [session for session in sessions if session.expires_at > self.now()]

    def refresh_sso(
        self, refresh_token: str, client_id: str, client_secret: str
    ) -> SsoSession | None:
        """Exchange a client's refresh token for a new access token; None if it is not good."""
        wanted = (refresh_token, client_id, client_secret)
        access_token = secrets.token_urlsafe(180)
        refreshed = None
        with self._lock:
            for index, session in enumerate(self._sso_sessions):
                if (session.refresh_token, session.client_id, session.client_secret) == wanted:
                    refreshed = replace(
                        session, access_token=access_token, expires_at=self.now() + _HOUR
                    )
                    self._sso_sessions[index] = refreshed
            self._remember(access_token)
        return refreshed

    def register_client(self, *, renews: bool) -> tuple[str, str]:
        """Return id and secret of a new client of OIDC; one that `renews` gets refresh tokens."""
        client_id, client_secret = secrets.token_urlsafe(16), secrets.token_urlsafe(300)
        with self._lock:
            self._clients[client_id] = client_secret, renews
            self._remember(client_secret)
        return client_id, client_secret

    def knows_client(self, client_id: str, client_secret: str) -> bool:
        """Say whether that client is registered."""
        with self._lock:
            return self._clients.get(client_id, ("", False))[0] == client_secret != ""

    def start_device(self, client_id: str, start_url: str) -> Device | None:
        """Begin a sign-in at a start URL, None if nobody can sign in there."""
        letters = "".join(secrets.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(8))
        user_code = f"{letters[:4]}-{letters[4:]}"
        expires_at = self.now() + self.device_lifetime
        device = Device(client_id, start_url, secrets.token_urlsafe(60), user_code, expires_at)
        with self._lock:
            if start_url not in {session.start_url for session in self._sso_sessions}:
                return None
            self._devices.append(device)
            self._remember(device.device_code)
        return device

    def decide_device(self, user_code: str, *, confirm: bool) -> bool:
        """Confirm or reject a code, as a person does; say whether there is such a one."""
        with self._lock:
            for index, device in enumerate(self._devices):
                if device.user_code == user_code:
                    self._devices[index] = replace(device, decision=confirm)
                    return True
        return False

    def confirmed_device(self, device_code: str) -> SsoSession:
        """Sign in whoever has confirmed the code; AwsError as long as nobody has."""
        with self._lock:
            found = [each for each in self._devices if each.device_code == device_code]
            if not found:
                raise AwsError(400, "InvalidGrantException", "Invalid device code provided")
            device = found[0]
            if device.expires_at <= self.now():
                raise AwsError(400, "ExpiredTokenException", "Device code has expired")
            if device.decision is None:
                raise AwsError(400, "AuthorizationPendingException", "Authorization is pending")
            if not device.decision:
                raise AwsError(400, "AccessDeniedException", "The request was denied")
            self._devices.remove(device)
            secret, renews = self._clients[device.client_id]
            access_token = secrets.token_urlsafe(180)
            refresh_token = secrets.token_urlsafe(180) if renews else None
            self._remember(access_token, refresh_token)
            signed_in = []
            for index, session in enumerate(self._sso_sessions):
                if session.start_url == device.start_url:
                    self._sso_sessions[index] = replace(
                        session,
                        access_token=access_token,
                        expires_at=self.now() + 8 * _HOUR,
                        refresh_token=refresh_token,
                        client_id=device.client_id,
                        client_secret=secret,
                    )
                    signed_in.append(self._sso_sessions[index])
        return signed_in[0]

    def issue_metadata_token(self, lifetime: float) -> str:
        """Issue an IMDSv2 session token, good for `lifetime` seconds."""
        metadata_token = base64.b64encode(secrets.token_bytes(40)).decode()
        with self._lock:
            self._metadata_tokens[metadata_token] = self.now() + lifetime
            self._remember(metadata_token)
        return metadata_token

    def accepts_metadata_token(self, metadata_token: str) -> bool:
        """Say whether that IMDSv2 session token was issued, and has not expired."""
        with self._lock:
            return self._metadata_tokens.get(metadata_token, 0.0) > self.now()

    # The registry's passwords

    @property
    def password(self) -> str:
        """A password that a registry accepts until `rotate_password`, for tests that ask no AWS."""
        return self._password

    def rotate_password(self) -> None:
        """Make every password issued until now worthless.

        Passwords differ from call to call, as in AWS, but between two rotations they have their
        first 72 bytes in common: all that bcrypt reads. So a registry whose htpasswd file holds
        `password` accepts every password of the same generation, and none of another.
        """
        with self._lock:
            self._issued = {}
            self._generation = base64.b64encode(secrets.token_bytes(48)).decode()
            self._password, _ = self.issue_password(None, "ecr", "")

    def issue_password(
        self, principal: Principal | None, service: str, region: str
    ) -> tuple[str, float]:
        """Mint a registry password for somebody; return it and the epoch second it expires at.

        It has the shape and the size (2 kB) of a real one: base64 of a JSON object, of which only
        the expiration means anything to anybody but the registry.
        """
        expires_at = self.now() + self.token_lifetime
        with self._lock:
            content = {
                "payload": self._generation + base64.b64encode(secrets.token_bytes(810)).decode(),
                "datakey": base64.b64encode(secrets.token_bytes(184)).decode(),
                "version": "2",
                "type": "DATA_KEY",
                "expiration": int(expires_at),
            }
            password = base64.b64encode(
                json.dumps(content, separators=(",", ":")).encode()
            ).decode()
            self._issued[password] = IssuedToken(
                principal.arn if principal else None, service, region, expires_at, principal
            )
            self._remember(password, authorization_token(password))
        return password, expires_at

    def issued(self, password: str) -> IssuedToken | None:
        """Return to whom a password was issued, None if it was not or has been rotated away."""
        with self._lock:
            return self._issued.get(password)

    def accepts(self, password: str) -> bool:
        """Say whether a registry would accept that password now."""
        token = self.issued(password)
        return token is not None and token.expires_at > self.now()

    def denial(self, password: str, action: str, resource: str) -> str | None:
        """Say why a registry refuses to do that for who has the password, None if it does it."""
        token = self.issued(password)
        return token.holder.denial(action, resource) if token and token.holder else None

    # What goes wrong, what must not leak

    def throttle(self, rate: float, burst: float) -> None:
        """Let GetAuthorizationToken through `burst` times, and `rate` times a second after that.

        AWS counts by account and region; here it is one count for all. A rate of 0 never refills.
        """
        with self._lock:
            self._bucket = _TokenBucket(rate, burst)

    def check_throttle(self) -> None:
        """Raise AwsError (ThrottlingException) if GetAuthorizationToken is called too often."""
        with self._lock:
            if self._bucket is not None and not self._bucket.take():
                raise AwsError(400, "ThrottlingException", "Rate exceeded")

    @property
    def secrets(self) -> set[str]:
        """Every secret that was handed in or out, for a search in logs and caches; a copy.

        MFA codes are left out: six digits turn up by chance.
        """
        with self._lock:
            return set(self._secrets)

    def _register(self, principal: Principal) -> Principal:
        with self._lock:
            self._principals[principal.access_key_id] = principal
            self._remember(principal.secret_access_key, principal.session_token)
        return principal

    def _remember(self, *values: str | None) -> None:
        self._secrets.update(value for value in values if value)


def authorization_token(password: str) -> str:
    """Return the `authorizationToken` that carries a password: base64 of user and password."""
    return base64.b64encode(f"AWS:{password}".encode()).decode()


def _identifier(prefix: str) -> str:
    """Make up an IAM identifier of 20 characters: AKIA… for a user's key, ASIA… for a session's."""
    return prefix + "".join(secrets.choice(_BASE32) for _ in range(16))


def _secret_access_key() -> str:
    return base64.b64encode(secrets.token_bytes(30)).decode()


def _session_token() -> str:
    return "IQoJb3JpZ2luX2Vj" + base64.b64encode(secrets.token_bytes(510)).decode()
