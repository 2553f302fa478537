"""Transfer Family's security policies as tables, and what AWS says of them in prose."""

from __future__ import annotations

from typing import get_args

import pytest

from tidegate.core.evidence import Evidence
from tidegate.core.security_policies import POLICIES, SecurityPolicy, SecurityPolicyName

OF_AWS = [each for name, each in POLICIES.items() if name.startswith("TransferSecurityPolicy-")]
CHACHA = "chacha20-poly1305@openssh.com"


def of(name: str) -> SecurityPolicy:
    (found,) = [each for each in OF_AWS if each.name == f"TransferSecurityPolicy-{name}"]
    return found


def test_there_are_fifteen_and_one_of_ours():
    """Every name a configuration may say is a policy, and the other way round."""
    assert len(OF_AWS) == 15
    assert list(POLICIES) == list(get_args(SecurityPolicyName))
    assert [name for name in POLICIES if POLICIES[name] not in OF_AWS] == ["tidegate-2026-11"]


@pytest.mark.parametrize("policy", POLICIES.values(), ids=lambda policy: policy.name)
def test_no_list_is_empty_or_says_a_name_twice(policy: SecurityPolicy):
    """A policy that offers nothing of a kind would let nobody in."""
    for names in (policy.ciphers, policy.kexs, policy.macs, policy.host_key_algorithms):
        assert names
        assert len(set(names)) == len(names)


def test_those_for_fips_say_so_and_have_no_curve_25519():
    """Nor chacha20, nor UMAC: the names with FIPS in them and the flag agree."""
    for policy in OF_AWS:
        assert policy.fips == ("-FIPS-" in policy.name)
        if policy.fips:
            assert not [name for name in policy.kexs if name.startswith("curve25519")]
            assert CHACHA not in policy.ciphers
            assert not [name for name in policy.macs if name.startswith("umac")]


@pytest.mark.parametrize("year", ["2020-06", "2018-11"])
def test_restricted_is_the_same_without_chacha20(year: str):
    """In everything else, and in order, the two agree."""
    free, restricted = of(year), of(f"Restricted-{year}")
    assert free.ciphers == (CHACHA, *restricted.ciphers)
    assert (free.kexs, free.macs) == (restricted.kexs, restricted.macs)
    assert free.host_key_algorithms == restricted.host_key_algorithms
    assert restricted.host_key_evidence is Evidence.INFERRED


def test_sha_1_signatures_are_in_those_the_guide_names():
    """Five by name, and the restricted twins of two of them."""
    having = {
        each.name.removeprefix("TransferSecurityPolicy-")
        for each in OF_AWS
        if "ssh-rsa" in each.host_key_algorithms
    }
    named = {"2018-11", "2020-06", "FIPS-2020-06", "FIPS-2023-05", "FIPS-2024-01"}
    assert having == named | {"Restricted-2018-11", "Restricted-2020-06"}


def test_the_two_of_fips_2024_differ_in_ssh_rsa_alone():
    """FIPS-2024-05 has it no more."""
    older, newer = of("FIPS-2024-01"), of("FIPS-2024-05")
    assert (older.ciphers, older.kexs, older.macs) == (newer.ciphers, newer.kexs, newer.macs)
    assert set(older.host_key_algorithms) - set(newer.host_key_algorithms) == {"ssh-rsa"}


def test_post_quantum_key_exchange_is_in_all_of_2025_but_one():
    """SshAuditCompliant-2025-02 is a month older than the first that has it."""
    having = {each.name for each in OF_AWS if any(name.startswith("mlkem") for name in each.kexs)}
    of_2025 = {each.name for each in OF_AWS if "-2025-" in each.name}
    assert of_2025 - having == {"TransferSecurityPolicy-SshAuditCompliant-2025-02"}
    assert having <= of_2025


@pytest.mark.parametrize("word", ["sha1", "cbc", "chacha20", "nistp", "umac"])
def test_ours_has_nothing_weak_or_slow(word: str):
    """No SHA-1, no CBC, no NIST curves in the key exchange, no cipher that costs more than AES."""
    ours = POLICIES["tidegate-2026-11"]
    assert not [name for name in (*ours.ciphers, *ours.kexs, *ours.macs) if word in name]
    assert "ssh-rsa" not in ours.host_key_algorithms
