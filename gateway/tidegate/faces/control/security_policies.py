"""Operations on security policies: Transfer Family's, as its guide lists them."""

from __future__ import annotations

from tidegate.core.security_policies import POLICIES, SecurityPolicy
from tidegate.faces.control.api import Members, Operation
from tidegate.faces.control.errors import unknown
from tidegate.faces.control.paging import cut

# Nothing here speaks TLS to partners: these are told as AWS tells them. Source: AWS Transfer Family User
# Guide, "Security policies for AWS Transfer Family servers"; alike in all policies, but for two.
_TLS_CIPHERS = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
)
_TLS_CIPHERS_WITHOUT_EXCHANGE = ("TLS_RSA_WITH_AES_128_CBC_SHA256", "TLS_RSA_WITH_AES_256_CBC_SHA256")
_OLDEST = "2018-11"


def security_policy_operations() -> dict[str, Operation]:
    return {"DescribeSecurityPolicy": _describe, "ListSecurityPolicies": _list}


def _of_aws() -> dict[str, SecurityPolicy]:
    # Ours has a name that no client of the API may send.
    return {name: policy for name, policy in POLICIES.items() if policy.evidence is not None}


async def _describe(request: Members) -> Members:
    name = request["SecurityPolicyName"]
    policy = _of_aws().get(name)
    if policy is None:
        raise unknown("SecurityPolicy", name)
    more = _TLS_CIPHERS_WITHOUT_EXCHANGE if policy.name.endswith(_OLDEST) else ()
    return {
        "SecurityPolicy": {
            "Fips": policy.fips,
            "SecurityPolicyName": policy.name,
            "SshCiphers": policy.ciphers,
            "SshKexs": policy.kexs,
            "SshMacs": policy.macs,
            "TlsCiphers": (*_TLS_CIPHERS, *more),
            "Type": "SERVER",
            "Protocols": ["SFTP", "FTPS"],
        }
    }


async def _list(request: Members) -> Members:
    names, token = cut(_of_aws(), request, "ListSecurityPolicies", str)
    return {"SecurityPolicyNames": names, "NextToken": token}
