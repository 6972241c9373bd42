"""A program on this processor, and on an older one: its newer instructions are kept from NumPy, OpenCV and libm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from support.paths import ROOT

# They choose by the processor: fused multiply-add and wider vectors give other last bits.
OLDER = {
    "NPY_DISABLE_CPU_FEATURES": "AVX F16C FMA3 AVX2 AVX512F AVX512CD AVX512_SKX AVX512_ICL X86_V3 X86_V4",
    "OPENCV_CPU_DISABLE": "AVX,FP16,AVX2,FMA3,AVX512-SKX",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4",
}


def on_both(words: Sequence[str]) -> tuple[Any, Any]:
    """What a program of Python prints as JSON: on this processor, and without its newer instructions."""
    command = [sys.executable, "-W", "ignore", *words]
    here = os.environ | {"PYTHONPATH": str(ROOT)}
    newer, older = (
        subprocess.run(command, env=here | more, capture_output=True, check=True).stdout for more in ({}, OLDER)
    )
    return json.loads(newer), json.loads(older)
