"""The certificate that `--tls` serves with."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from outcrop.server.certificate import VALID_FOR, ensure_certificate

NOW = datetime(2026, 3, 4, tzinfo=UTC)


def made(folder: Path, host: str = "127.0.0.1", now: datetime = NOW) -> tuple[Path, Path]:
    certificate, key = folder / "tls" / "certificate.pem", folder / "tls" / "key.pem"
    ensure_certificate(certificate, key, host, now)
    return certificate, key


def test_the_key_is_its_owners_alone(tmp_path: Path) -> None:
    _, key = made(tmp_path)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700


def test_it_names_localhost_the_loopback_and_the_host(tmp_path: Path) -> None:
    certificate, _ = made(tmp_path, "outcrop.example")
    parsed = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sorted(str(name.value) for name in names) == ["127.0.0.1", "localhost", "outcrop.example"]


def test_it_stays_while_it_serves(tmp_path: Path) -> None:
    certificate, _ = made(tmp_path)
    before = certificate.read_bytes()
    assert made(tmp_path)[0].read_bytes() == before


def test_it_is_made_anew_before_it_expires_for_another_host_and_when_broken(tmp_path: Path) -> None:
    certificate, _ = made(tmp_path)
    first = certificate.read_bytes()
    made(tmp_path, now=NOW + VALID_FOR - timedelta(days=1))
    second = certificate.read_bytes()
    made(tmp_path, "outcrop.example", now=NOW + VALID_FOR - timedelta(days=1))
    third = certificate.read_bytes()
    assert len({first, second, third}) == 3
    certificate.write_text("no certificate")
    made(tmp_path)
    x509.load_pem_x509_certificate(certificate.read_bytes())
