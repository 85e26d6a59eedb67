"""Which device computes, and in which precision."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from core.configuration import reading
from core.training.threads import cores
from core.types import BadRequest

MOST_THREADS = 4_096  # that anybody can mean
DEVICES = ("auto", "cuda", "mps", "cpu")
VARIABLE = "POISONSCOPE_DEVICE"  # what auto takes, for the app's worker as well
CPU_INSTEAD = f"`core run --here --device cpu`, or {VARIABLE}=cpu in the app's environment"

_passed_over: dict[str, str] = {}  # devices that are there and were found not to work, and what they said


def choose(wanted: str = "auto") -> torch.device:
    """The device for a wish: auto takes POISONSCOPE_DEVICE, or else what works of CUDA, MPS, the CPU, in that order.

    BadRequest if it is not there, or does not work.
    """
    if wanted == "auto":
        wanted = os.environ.get(VARIABLE, "").strip() or "auto"
    if wanted not in DEVICES:
        raise BadRequest(f"device must be one of {', '.join(DEVICES)}, got {reading.shown(wanted)}")
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return torch.device(next(name for name, here in present.items() if here and _works(name)))
    if not present[wanted]:
        raise BadRequest(f"device {wanted!r} is not available here; use 'auto' or 'cpu'")
    if not _works(wanted):
        raise BadRequest(f"device {wanted!r} does not work here ({_passed_over[wanted]}); use 'auto' or 'cpu'")
    return torch.device(wanted)


def _works(name: str) -> bool:
    """Whether a device that is there computes at all: its driver may be too old, or others hold it."""
    if name == "cpu":
        return True
    try:
        torch.ones(2, device=name).add(1).cpu()
    except RuntimeError as error:
        _passed_over[name] = first_line(error)
        return False
    _passed_over.pop(name, None)
    return True


def first_line(error: BaseException) -> str:
    """The first line of what torch says, which may be pages, without its full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".") if lines else type(error).__name__


def threads() -> int:
    """With how many threads to compute on the CPU: OMP_NUM_THREADS where somebody set it, else one a core."""
    return reading.whole(os.environ.get("OMP_NUM_THREADS", "").strip(), 1, MOST_THREADS) or cores()


@contextmanager
def settled(device: torch.device) -> Iterator[None]:
    """Settings of the process that training is faster with; the caller's arithmetic is as it was afterwards."""
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True):  # the shapes stay the same
            yield
        return
    if device.type != "cpu":
        yield
        return
    torch.set_num_threads(threads())
    _keep_large_buffers()
    flushing = bool(torch.tensor(1e-40) * 1.0 == 0)  # torch has no word for it
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(flushing)


def _keep_large_buffers() -> None:
    """Have glibc keep freed activation buffers: asking the kernel for them anew costs a page fault a page."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        mmap_threshold, trim_threshold = -3, -1
        libc.mallopt(mmap_threshold, 1 << 25)
        libc.mallopt(trim_threshold, (1 << 31) - 1)


def fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    flags = Path("/proc/cpuinfo")
    return flags.exists() and any(flag in flags.read_text() for flag in ("avx512_bf16", "amx_bf16"))


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 at all, in hardware or emulated."""
    try:
        some = torch.ones(2, 2, dtype=torch.bfloat16, device=device)
        return bool((some @ some).sum().float().cpu() == 8)
    except (RuntimeError, TypeError):  # Metal's of macOS 13 is of the second kind
        return False


def use_bf16(precision: str, device: torch.device) -> bool:
    """Whether a training of the given precision (auto, fp32, bf16) runs in bfloat16 on the device.

    auto takes it where it is multiplied in hardware; bf16 is as good as fp32 where there is none.
    """
    if precision == "bf16":
        return has_bf16(device)
    return precision == "auto" and fast_bf16(device)


def arithmetic(precision: str, device: torch.device) -> str:
    """What a training of the given precision computes in on the device, in a word."""
    return "bfloat16" if use_bf16(precision, device) else "float32"


def notes(precision: str, device: torch.device) -> tuple[str, ...]:
    """What a person should know of the device and the precision that were taken, in sentences; mostly nothing."""
    told = [
        f"{name.upper()} does not work here ({why}). The training runs on the {device.type.upper()}."
        for name, why in _passed_over.items()
        if name != device.type
    ]
    if precision == "bf16" and not has_bf16(device):
        told.append(f"There is no bfloat16 on this device ({describe(device)}). The training runs in float32.")
    elif precision == "bf16" and not fast_bf16(device):
        told.append(
            f"bfloat16 is emulated on this device ({describe(device)}), which takes longer than float32: that is what "
            "precision auto takes here."
        )
    return tuple(told)


def describe(device: torch.device) -> str:
    """The device in words, for reports."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line] if (
        info.exists()
    ) else []  # fmt: skip
    return f"{names[0] if names else 'CPU'}, {cores()} {'core' if cores() == 1 else 'cores'}"
