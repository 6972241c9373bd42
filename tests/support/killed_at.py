"""A child that is killed before some line of the product, as a power cut would."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def killed_at(step: int, work: Callable[[], object], files: str) -> bool:
    """Run the work in a child that is killed with SIGKILL before the step-th line of the files that the pattern finds.

    Returns:
        True if the child was killed, False if the work ended before that step.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status)
    left = step

    def on_line(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal left
        if not re.search(files, frame.f_code.co_filename):
            return None
        left -= event == "line"
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return on_line

    sys.settrace(on_line)
    try:
        work()
    except BaseException:  # noqa: BLE001  (whatever it is, the child must not go on as a second test run)
        os._exit(1)
    os._exit(0)
