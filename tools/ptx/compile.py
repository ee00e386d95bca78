"""Compiles the CUDA kernels to PTX with NVRTC: `just ptx`.

usage: compile.py LIBNVRTC [OUT]

LIBNVRTC is the library of the version that is pinned in the justfile. Each family src/kernels/cuda/*.cu becomes
OUT/<target>/<family>.ptx (OUT is src/kernels/cuda/ptx if not said). The first line of a file is the sha256 of
port.h, the family's source and the second line, which has the options and the version; a test compares them.
"""

import ctypes
import hashlib
import sys
from pathlib import Path

KERNELS = Path(__file__).resolve().parents[2] / "src/kernels/cuda"
# With copies into shared memory beside computing, and without.
TARGETS = {"sm_80": "compute_80", "sm_75": "compute_75"}
# Nothing may be fused, flushed or approximated that docs/arithmetic.md does not name.
OPTIONS = [
    "--std=c++17",
    "--fmad=false",
    "--prec-div=true",
    "--prec-sqrt=true",
    "--ftz=false",
]


def check(nvrtc, code, what, log=""):
    if code != 0:
        nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
        sys.exit(f"error: {what}: {nvrtc.nvrtcGetErrorString(code).decode()}\n{log}")


def compile_family(nvrtc, source, options):
    """The PTX of a source file, as bytes."""
    program = ctypes.c_void_p()
    header = (KERNELS / "port.h").read_bytes()
    headers = (ctypes.c_char_p * 1)(header)
    names = (ctypes.c_char_p * 1)(b"port.h")
    code = nvrtc.nvrtcCreateProgram(
        ctypes.byref(program), source.read_bytes(), source.name.encode(), 1, headers, names
    )
    check(nvrtc, code, source.name)
    arguments = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    code = nvrtc.nvrtcCompileProgram(program, len(options), arguments)
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    check(nvrtc, code, source.name, log.value.decode())
    if log.value.strip():
        print(log.value.decode(), file=sys.stderr)
    check(nvrtc, nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size)), source.name)
    ptx = ctypes.create_string_buffer(size.value)
    check(nvrtc, nvrtc.nvrtcGetPTX(program, ptx), source.name)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return ptx.value


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    nvrtc = ctypes.CDLL(sys.argv[1])
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else KERNELS / "ptx"
    major, minor = ctypes.c_int(), ctypes.c_int()
    check(nvrtc, nvrtc.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)), "nvrtcVersion")
    for target, architecture in TARGETS.items():
        folder = out / target
        folder.mkdir(parents=True, exist_ok=True)
        options = [f"--gpu-architecture={architecture}", *OPTIONS]
        made_with = f"// NVRTC {major.value}.{minor.value} {' '.join(options)}\n".encode()
        total = 0
        for source in sorted(KERNELS.glob("*.cu")):
            ptx = compile_family(nvrtc, source, options)
            parts = (KERNELS / "port.h").read_bytes(), source.read_bytes(), made_with
            digest = hashlib.sha256(b"".join(parts)).hexdigest()
            text = f"// sha256 {digest}\n".encode() + made_with + ptx
            (folder / f"{source.stem}.ptx").write_bytes(text)
            total += len(text)
        print(f"{target}: {total} bytes")


main()
