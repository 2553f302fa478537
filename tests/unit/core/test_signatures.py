"""What the header Authorization says, and the forms it may not have."""

from __future__ import annotations

import pytest

from tidegate.core.signatures import ApiRequest, CallerRefused, any_caller, authorization_of

SCOPE = "AKIDEXAMPLE/20260131/eu-west-1/transfer/aws4_request"
SIGNATURE = "0123456789abcdef" * 4
HEADER = (
    f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=content-type;host;x-amz-date, Signature={SIGNATURE}"
)


def request(header: str) -> ApiRequest:
    return ApiRequest("POST", "/", "", {"authorization": header} if header else {}, b"")


@pytest.mark.parametrize("header", [HEADER, HEADER.replace(", ", ","), f" {HEADER} "])
def test_what_it_says(header):
    """With blanks behind the commas or without, as SDKs write it."""
    said = authorization_of(request(header))
    assert (said.access_key_id, said.date, said.region) == ("AKIDEXAMPLE", "20260131", "eu-west-1")
    assert (said.service, said.signature) == ("transfer", SIGNATURE)
    assert said.signed_headers == ("content-type", "host", "x-amz-date")
    assert any_caller(request(header)).access == "admin"


def test_an_unsigned_request():
    """AWS has an error of its own for it."""
    with pytest.raises(CallerRefused) as refused:
        any_caller(request(""))
    assert (refused.value.name, refused.value.http_status) == ("MissingAuthenticationTokenException", 403)


@pytest.mark.parametrize(
    "header",
    [
        "Basic dGVzdDp0ZXN0",
        "AWS4-HMAC-SHA256",
        HEADER.replace("HMAC-SHA256", "ECDSA-P256-SHA256"),
        HEADER.replace("Credential", "Credentials"),
        HEADER.replace("SignedHeaders", "Headers"),
        HEADER.replace(SIGNATURE, ""),
        HEADER.replace(SIGNATURE, "0"),
        HEADER.replace(SIGNATURE, SIGNATURE.upper()),
        HEADER.replace("/aws4_request", ""),
        HEADER.replace("20260131", "yesterday"),
        HEADER.replace("AKIDEXAMPLE", ""),
        HEADER.replace("AKIDEXAMPLE", "AKID/EXAMPLE"),
        HEADER.replace("host;", "Host;"),
        HEADER.replace("host;", ";"),
    ],
)
def test_headers_of_another_form(header):
    """Anything else is an incomplete signature: HTTP 400."""
    with pytest.raises(CallerRefused) as refused:
        authorization_of(request(header))
    assert (refused.value.name, refused.value.http_status) == ("IncompleteSignatureException", 400)
