"""Words of the lists of openssl-ciphers(1)."""

import pytest

from gatekeeper.settings.cipher_names import is_cipher, words


def test_a_list_is_split_where_openssl_splits_it() -> None:
    """At colons, commas, semicolons and spaces."""
    assert words("A:B,C;D E:: F") == ("A", "B", "C", "D", "E", "F")
    assert words("") == ()


@pytest.mark.parametrize(
    "word", ["ECDHE-RSA-AES128-GCM-SHA256", "HIGH", "ECDHE+AESGCM", "!aNULL", "-SHA", "+SHA256", "!RC4", "@STRENGTH"]
)
def test_what_means_something(word: str) -> None:
    """Suites, classes of them, both together; to remove, also classes that are no longer built."""
    assert is_cipher(word)


@pytest.mark.parametrize("word", ["FOO", "ECDHE+FOO", "!FOO", "RC4", "+RC4", "TLS_AES_128_GCM_SHA256", "@FOO", "!"])
def test_what_means_nothing(word: str) -> None:
    """Suites of TLS 1.3 are not chosen by such lists."""
    assert not is_cipher(word)
