from __future__ import annotations

import base64

import pytest
from starlette.datastructures import Headers

from strandline.collector.guard import LOOPBACK, Access, host_name, presented_key


@pytest.mark.parametrize(
    ("host", "extra", "hosts", "read_key"),
    [
        ("127.0.0.1", (), LOOPBACK, False),
        ("::1", (), LOOPBACK, False),
        ("127.0.0.1", ("127.0.0.1",), LOOPBACK, False),
        ("127.0.0.1", ("Drift.example.org",), LOOPBACK | {"drift.example.org"}, True),
        ("192.0.2.7", (), LOOPBACK | {"192.0.2.7"}, True),
        ("0.0.0.0", (), None, True),
        ("::", (), None, True),
        ("0.0.0.0", ("drift.example.org",), LOOPBACK | {"drift.example.org"}, True),
        ("2001:db8::1", (), LOOPBACK | {"[2001:db8::1]"}, True),
    ],
)
def test_reading_is_open_only_to_this_machine(
    host: str, extra: tuple[str, ...], hosts: frozenset[str] | None, read_key: bool
) -> None:
    assert Access.of(host, extra) == Access(hosts, read_key)


def test_the_operator_decides_in_the_end() -> None:
    assert Access.of("127.0.0.1", read_key=True).read_key
    assert not Access.of("0.0.0.0", read_key=False).read_key


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost:8765", "localhost"),
        ("LOCALHOST", "localhost"),
        ("[::1]:8765", "[::1]"),
        ("[::1]", "[::1]"),
        ("", ""),
    ],
)
def test_host_names_lose_their_port(header: str, name: str) -> None:
    assert host_name(header) == name


def test_keys_come_as_bearer_or_as_a_password() -> None:
    def key(value: str) -> str:
        return presented_key(Headers({"authorization": value}))

    assert key("Bearer secret") == "secret"
    assert key("Basic " + base64.b64encode(b"anyone:se:cret").decode()) == "se:cret"
    assert key("Basic ???") == ""
    assert key("Basic " + base64.b64encode(b"\xff\xff").decode()) == ""
    assert key("Digest secret") == ""
    assert presented_key(Headers({})) == ""
