"""A certificate that is exchanged while people connect."""

import ssl
import threading

import pytest

from classroom.web.local_ca import make_certificate
from classroom.web.tls import BadCertificate, Tls


def shown(context: ssl.SSLContext, ca, name: str | None = "localhost") -> bytes:
    """The certificate that a handshake in memory shows, DER."""
    trusted = ssl.create_default_context(cafile=ca)
    trusted.check_hostname = name is not None
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusted.wrap_bio(down, up, server_hostname=name)
    server = context.wrap_bio(up, down, server_side=True)
    waiting = [client, server]
    while waiting:
        for end in tuple(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                pass
    certificate = client.getpeercert(binary_form=True)
    assert certificate is not None
    return certificate


@pytest.mark.parametrize("name", ["localhost", None], ids=["by name", "by address, which names nobody"])
def test_who_connects_after_it_was_read_again_gets_the_new_one(tmp_path, name):
    made = make_certificate(tmp_path, ["ketang.lan"])
    tls = Tls(made.certificate, made.key)
    before = shown(tls.context, made.ca, name)
    make_certificate(tmp_path, ["ketang.lan"])
    assert shown(tls.context, made.ca, name) == before
    tls.reload()
    after = shown(tls.context, made.ca, name)
    assert after != before
    made.key.write_text("no key")
    with pytest.raises(BadCertificate, match="cannot be used"):
        tls.reload()
    assert shown(tls.context, made.ca, name) == after


def test_nobody_who_connects_in_that_moment_is_turned_away(tmp_path):
    """A handshake between the new certificate and the new key fails."""
    made = make_certificate(tmp_path, ["ketang.lan"])
    tls = Tls(made.certificate, made.key)
    pairs = [(made.certificate.read_bytes(), made.key.read_bytes())]
    make_certificate(tmp_path, ["ketang.lan"])
    pairs.append((made.certificate.read_bytes(), made.key.read_bytes()))
    done = threading.Event()

    def exchange() -> None:
        for turn in range(150):
            certificate, key = pairs[turn % 2]
            made.certificate.write_bytes(certificate)
            made.key.write_bytes(key)
            tls.reload()
        done.set()

    exchanging = threading.Thread(target=exchange)
    exchanging.start()
    seen = set()
    try:
        while not done.is_set():
            seen.add(shown(tls.context, made.ca))
    finally:
        exchanging.join()
    assert 1 <= len(seen) <= len(pairs)
