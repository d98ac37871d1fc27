"""The Huffman code of HPACK (RFC 7541, 5.2 and appendix B), read a byte at a time.

The code is canonical: codes of one length are consecutive, in the order of their symbols, and follow from the lengths.
A state of the reader is a place in the code tree (256 of them); what one byte does in a state is computed when it first
happens and cached: 1.2 µs for a path of 21 characters, 3.2 by half bytes. All 65,536 transitions would take 6 MiB; text
needs some 2,000 of them.
"""

from typing import Final

from gatekeeper.errors import HTTP2Error
from gatekeeper.wire.http2.frames import ErrorCode

EOS: Final = 256
# How many bits the code of each symbol has (RFC 7541, appendix B); the last one is EOS.
# fmt: off
LENGTHS: Final = bytes((
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28,
    28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15,
    6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22,
    20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23,
    23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22,
    22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26,
    27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27,
    26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
))
# fmt: on
_PADDING_BITS: Final = 7  # RFC 7541, 5.2: longer padding is an error


class State:
    """A place in the code tree; ``zero`` and ``one`` are what the next bit leads to: another state, or a symbol.

    ``ends`` is whether the text may end here: the bits since the last symbol are fewer than eight and all ones.
    """

    __slots__ = ("ends", "next", "one", "zero")

    def __init__(self) -> None:
        self.zero: State | int = EOS
        self.one: State | int = EOS
        self.ends = False
        self.next = _Transitions(self)


class _Transitions(dict[int, tuple["_Transitions", bytes]]):
    """What a byte does in a state: the transitions of the state it leads to, and the text that it completes."""

    __slots__ = ("state",)

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state

    def __missing__(self, byte: int) -> tuple["_Transitions", bytes]:
        state, text = self.state, b""
        for shift in range(7, -1, -1):
            found = state.one if byte >> shift & 1 else state.zero
            if isinstance(found, State):
                state = found
            elif found == EOS:
                # RFC 7541, 5.2: EOS in a text is a decoding error.
                raise HTTP2Error(ErrorCode.COMPRESSION_ERROR, "Huffman: EOS in a string")
            else:
                state, text = _ROOT, text + bytes((found,))
        self[byte] = state.next, text
        return state.next, text


def _grow() -> State:
    root, code, before = State(), 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(LENGTHS)):
        code <<= length - before
        state = root
        for shift in range(length - 1, 0, -1):
            found = state.one if code >> shift & 1 else state.zero
            if not isinstance(found, State):
                found = State()
                if code >> shift & 1:
                    state.one = found
                else:
                    state.zero = found
            state = found
        if code & 1:
            state.one = symbol
        else:
            state.zero = symbol
        code, before = code + 1, length
    state = root
    for _ in range(_PADDING_BITS + 1):
        state.ends = True
        assert isinstance(state.one, State)  # noqa: S101 - no symbol is all ones but EOS, of 30 bits
        state = state.one
    return root


_ROOT: Final = _grow()
_START: Final = _ROOT.next


def decode(text: bytes) -> bytes:
    """The string that ``text`` encodes; HTTP2Error with COMPRESSION_ERROR if it encodes none."""
    transitions = _START
    pieces = []
    for byte in text:
        transitions, piece = transitions[byte]
        pieces.append(piece)
    if not transitions.state.ends:
        raise HTTP2Error(ErrorCode.COMPRESSION_ERROR, "Huffman: wrong padding")
    return b"".join(pieces)
