"""gatekeeper.ca.names"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.ca.names import check_name, printable, same_name
from gatekeeper.errors import AuthorityError


@pytest.mark.parametrize("name", ["alice", "Alice's phone", "müller", "a.b", "alice@example.com", "x-1_2", "日本"])
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    """Names of people and devices in any script are names of files too."""
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "../ca",
        "a/b",
        "/etc/passwd",
        "..",
        ".",
        ".hidden",
        "-rf",
        "a\\b",
        "a:b",
        "a*",
        "a\x00b",
        "a\nb",
        "",
        " ",
        " a",
        "a ",
        "a.",
    ],
)
def test_names_that_leave_the_folder_or_fool_a_shell_are_refused(name: str) -> None:
    """A name never becomes a path, a hidden file or an option."""
    with pytest.raises(AuthorityError):
        check_name(name)


@pytest.mark.parametrize("name", ["ca", "CA", "Ca"])
def test_the_authoritys_own_name_is_taken(name: str) -> None:
    """NAME.key of a client called ca would be the authority's key, on some file systems in any case."""
    with pytest.raises(AuthorityError, match="authority's own"):
        check_name(name)


@pytest.mark.parametrize("name", ["CON", "nul", "com1.laptop", "LPT9", "aux.tar.gz"])
def test_names_of_windows_devices_are_refused(name: str) -> None:
    """CON.p12 cannot be carried to Windows: it opens the console there."""
    with pytest.raises(AuthorityError, match="device's on Windows"):
        check_name(name)
    assert check_name(f"x{name}")


@pytest.mark.parametrize(
    ("one", "other"), [("Alice", "aLICE"), ("mu\u0308ller", "M\u00dcLLER"), ("Stra\u00dfe", "STRASSE")]
)
def test_names_that_share_their_files_are_the_same(one: str, other: str) -> None:
    """As APFS and NTFS compare them: neither by case nor by composition."""
    assert same_name(one, other)
    assert not same_name(one, other + "2")


def test_a_name_is_composed() -> None:
    """The same name in two Unicode forms is one name."""
    assert check_name("mu\u0308ller") == check_name("m\u00fcller") == "m\u00fcller"


@given(st.text(max_size=80))
def test_whatever_is_accepted_is_one_plain_file_name(name: str) -> None:
    """No accepted name holds a separator, a control character, or a leading dot."""
    try:
        accepted = check_name(name)
    except AuthorityError:
        return
    assert accepted.isprintable()
    assert not set(accepted) & set("/\\\0")
    assert accepted[0] not in ".-"
    assert len(f".{accepted}.key.new".encode()) <= 255


def test_what_drives_a_terminal_is_written_as_an_escape() -> None:
    """Names from foreign requests are printed, but cannot colour or move anything."""
    assert printable("a\x1b[31mb\nc\u202ed") == "a\\x1b[31mb\\nc\\u202ed"
    assert printable("a\u3164b\ufe0f") == "a\\u3164b\\ufe0f"
    assert printable("müller") == "müller"
