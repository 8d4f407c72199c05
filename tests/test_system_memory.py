"""What was freed goes back to the system."""

import sys
from pathlib import Path

import pytest

from dvpt_monai import system_memory as module
from dvpt_monai.system_memory import return_freed


def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_was_freed_goes_back():
    """Small pieces below one that stays are what the C library keeps."""
    libc = module.ctypes.CDLL(None)
    if not hasattr(libc, "malloc_trim"):
        pytest.skip("not glibc")
    libc.malloc.restype, libc.malloc.argtypes = module.ctypes.c_void_p, [module.ctypes.c_size_t]
    libc.free.argtypes = [module.ctypes.c_void_p]
    pieces = [libc.malloc(60_000) for _ in range(1000)]
    for piece in pieces:
        module.ctypes.memset(piece, 1, 60_000)
    last = pieces.pop()
    for piece in pieces:
        libc.free(piece)
    kept = resident()
    return_freed()
    assert resident() < kept - 30
    libc.free(last)


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_another_c_library_is_left_alone(monkeypatch, error):
    def none(*_):
        raise error

    monkeypatch.setattr(module.ctypes, "CDLL", none)
    return_freed()
