"""The configuration with which kubelet asks this program for credentials."""

from collections.abc import Mapping

from .. import config
from ..identity import config_file
from ..kubelet import ROLE_ANNOTATION, VERSIONS
from ..protocol import NAME
from ..registry import PUBLIC_HOSTS, SUFFIXES, parse

# Every answer says how long it is to be kept, so the default does not matter.
_TEXT = f"""\
apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
  - name: {NAME}
    apiVersion: {VERSIONS[0]}
    args: [kubelet]
    defaultCacheDuration: 0s
    matchImages:
@IMAGES@
    # With these, from Kubernetes 1.34 on, each service account has a role of its own:
    # tokenAttributes:
    #   serviceAccountTokenAudience: sts.amazonaws.com
    #   cacheType: ServiceAccount
    #   requireServiceAccount: false
    #   optionalServiceAccountAnnotationKeys: [{ROLE_ANNOTATION}]
"""


def text(environ: Mapping[str, str]) -> str:
    """Return a CredentialProviderConfig, in YAML, for all hosts of ECR.

    It is also for the domain names that the config file lists. Raises `BadConfiguration`.
    """
    images = "".join(f'      - "{glob}"\n' for glob in [*_ecr(), *_own(environ)])
    return _TEXT.replace("@IMAGES@\n", images)


def _ecr() -> list[str]:
    """Return globs for the hosts of ECR; kubelet's wildcards do not match a dot."""
    kinds = {False: "*.dkr.ecr{}.*.{}", True: "*.dkr-ecr{}.*.{}"}
    return [
        kinds[dual_stack].format(variant, suffix)
        for suffix, (_, dual_stack) in SUFFIXES.items()
        for variant in ("", "-fips")
    ] + list(PUBLIC_HOSTS)


def _own(environ: Mapping[str, str]) -> list[str]:
    """Return the domain names for ECR that the config file lists without a wildcard."""
    path = config_file(environ)
    if path is None:
        return []
    own = config.load(path)
    return [host for host in own.hosts if own.settings(host).registry and not parse(host)]
