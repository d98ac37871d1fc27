"""Which files are watched, and what is noticed of a change."""

import os
from pathlib import Path
from typing import Any

import pytest

import gatekeeper
from gatekeeper.process.watch import Watch
from gatekeeper.settings.files import files_of, stat_all, written_files
from gatekeeper.settings.tables import Settings
from gatekeeper.settings.validation import Loading

# A configuration with every key that names a file; its value is the name of the key.
EVERY_FILE: dict[str, Any] = {
    "server": {
        "certificate": "certificate",
        "key": "key",
        "key_passphrase_file": "key_passphrase_file",
        "certificates": [
            {"certificate": "sni-crt", "key": "sni-key", "key_passphrase_file": "sni-pass"},
            {"domains": ["www.example.com", "m.example.com"]},
        ],
    },
    "client_auth": {"ca": ["ca"], "crl": ["crl", "crl2"], "hosts": [{"hosts": "a", "ca": "host-ca"}]},
    "upstream": {"url": "http://127.0.0.1:1"},
    "upstreams": {"api": {"url": "https://127.0.0.1:1", "ca": "up-ca", "certificate": "up-crt", "key": "up-key"}},
    "refusal": {"template": "template"},
    "maintenance": {"file": "maintenance"},
    "acme": {"accept_terms": True, "folder": "acme", "domains": ["gate.example.com"]},
    "identity": {"jwt": {"key": ["jwt-key", "jwt-old"], "audience": "app"}},
}


def test_every_file_of_the_configuration_is_watched(tmp_path: Path) -> None:
    """Every name in the table above, and no folder or log."""
    settings = Settings.model_validate(EVERY_FILE, context=Loading(tmp_path))
    watched = {path.name for path in files_of(settings)}
    assert watched == {"certificate", "key", "key_passphrase_file", "ca", "crl", "crl2"} | {
        *(
            "certificate.pem",
            "certificate-www.example.com.pem",
            "host-ca",
            "sni-crt",
            "sni-key",
            "sni-pass",
            "up-ca",
            "up-crt",
            "up-key",
            "template",
            "jwt-key",
            "jwt-old",
            "maintenance",
        )
    }


def test_what_workers_write_is_not_read_by_root_for_them(tmp_path: Path) -> None:
    """It is watched, but no sealed copy is made: it could be a link."""
    settings = Settings.model_validate(EVERY_FILE, context=Loading(tmp_path))
    assert {path.name for path in written_files(settings)} == {"certificate.pem", "certificate-www.example.com.pem"}


def test_every_key_that_names_a_file_is_in_the_table() -> None:
    """A new one in the settings must come here, and so into the watch."""
    sources = (Path(gatekeeper.__file__).parent / "settings").glob("*.py")
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    lines = [line for line in text.splitlines() if ": File" in line or "tuple[File" in line]
    keys = [line.split(":")[0].strip() for line in lines]
    assert sorted(keys) == sorted(
        [
            *("certificate", "key", "key_passphrase_file"),
            *("certificate", "key", "key_passphrase_file"),
            *("hmac_key_file", "ca"),  # of [acme]: read for each order
            "ca",
            "ca",
            "ca",
            "certificate",
            "key",
            "template",
            "key",
            "file",
        ]
    )


def in_place(path: Path) -> None:
    path.write_text("two")


def by_rename(path: Path) -> None:
    new = path.with_suffix(".new")
    new.write_text("one")
    os.replace(new, path)


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [in_place, by_rename, removed])
def test_a_change_is_noticed(tmp_path: Path, change: Any) -> None:
    """In the same second, of the same length, with the same content even."""
    path = tmp_path / "file"
    path.write_text("one")
    os.utime(path, (1, 1))
    before = stat_all([path])
    assert stat_all([path]) == before
    change(path)
    assert stat_all([path]) != before


def test_the_swap_of_a_link_above_is_noticed(tmp_path: Path) -> None:
    """Kubernetes: ``ca.crl`` leads through ``..data`` to a folder, and ``..data`` is replaced."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ca.crl").write_text("one")
    (tmp_path / "..data").symlink_to("first")
    path = tmp_path / "ca.crl"
    path.symlink_to("..data/ca.crl")
    before = stat_all([path])
    (tmp_path / "..new").symlink_to("second")
    os.replace(tmp_path / "..new", tmp_path / "..data")
    assert stat_all([path]) != before


# -- watching


def test_a_change_counts_when_it_is_at_rest(tmp_path: Path) -> None:
    """A certificate and its key come one by one; and it counts once."""
    path = tmp_path / "file"
    path.write_text("one")
    watch = Watch([path])
    assert not watch.changed()
    path.write_text("longer")
    assert not watch.changed()
    path.write_text("longer still")
    assert not watch.changed()
    assert watch.changed()
    watch.loading()
    assert not watch.changed()


def test_what_changes_while_it_is_read_is_not_missed(tmp_path: Path) -> None:
    """What a file is counts from the look before it was read; for one that is new to the watch, from now."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("one")
    watch = Watch([old])
    old.write_text("changed while it was read")
    new.write_text("two")
    watch.loading(old, new)
    assert not watch.changed()
    assert watch.changed()
    watch.loading(old, new)
    assert not watch.changed()
    new.unlink()
    assert not watch.changed()
    assert watch.changed()


def test_a_file_that_is_no_longer_named_does_not_matter(tmp_path: Path) -> None:
    """The configuration has another one now."""
    old, new = tmp_path / "old", tmp_path / "new"
    watch = Watch([old, new])
    watch.loading(new)
    old.write_text("changed")
    assert not watch.changed()
    assert not watch.changed()
