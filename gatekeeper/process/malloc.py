"""Tuning of glibc's malloc for large buffers, and for OpenSSL's handshakes."""

import ctypes

_M_MXFAST, _M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = 1, -1, -3  # malloc.h
_KEEP = 4 * 1024 * 1024


def keep_large_buffers() -> bool:
    """Make glibc's malloc serve buffers up to 4 MiB from its heap and keep that much of it; True if it does.

    By default it maps and unmaps every buffer above 128 KiB (mallopt(3)): each 256 KiB read of a large body would fault
    64 fresh pages. False on other C libraries.

    And without fastbins: OpenSSL takes and frees a buffer of 16 KiB for each record, and malloc would each time merge
    the small chunks that were freed meanwhile, which is 1 % of a handshake.
    """
    try:
        mallopt = ctypes.PyDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    mallopt.restype, mallopt.argtypes = ctypes.c_int, (ctypes.c_int, ctypes.c_int)
    large = mallopt(_M_MMAP_THRESHOLD, _KEEP) and mallopt(_M_TRIM_THRESHOLD, _KEEP)
    return bool(large and mallopt(_M_MXFAST, 0))
