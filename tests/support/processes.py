"""Other processes, as the kernel shows them."""

from __future__ import annotations

import os
import select


def has_ended(process: int, within_s: float) -> bool:
    """Wait until a process has ended, whoever's child it is."""
    try:
        watched = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([watched], [], [], within_s)[0])
    finally:
        os.close(watched)
