"""Golden vectors and photos: a device proves before activation that it computes what the maker's workstation did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from edge.bundle.archive import GOLDEN, Bundle
from edge.bundle.head import LinearHead, Totals, read_head
from edge.errors import BundleError, ClassifierError
from edge.inference.golden_photos import check_crops
from edge.inference.interpreter import Codes, Inference, Runtime
from edge.types import Image


@dataclass(frozen=True)
class GoldenResult:
    """What a run over the golden vectors showed.

    `worst_steps` is the largest difference of any output from the maker's, in quantization steps;
    `milliseconds` is the median time of one inference. `count` holds the `photos` too, which went through this
    device's crop function first.
    """

    count: int
    photos: int
    worst_steps: int
    same_labels: int
    milliseconds: float
    runtime: str
    runtime_version: str


def make_golden(interpreter: Inference, inputs: Sequence[Image], head: LinearHead | None = None) -> bytes:
    """golden.bin: the prepared crops (n, height, width, 3), the raw outputs (n, outputs), a byte each, the head's sums."""
    outputs: Codes = np.stack([interpreter.run(image) for image in inputs])  # type: ignore[assignment]
    sums = b"" if head is None else head.totals(outputs).astype("<i8").tobytes()
    return b"".join(image.tobytes() for image in inputs) + outputs.tobytes() + sums


def read_golden(bundle: Bundle) -> tuple[Image, Codes]:
    """Inputs (n, height, width, 3) and outputs (n, outputs) as views into the bundle."""
    manifest = bundle.manifest
    height, width, count = manifest.geometry.height, manifest.geometry.width, manifest.golden.count
    content, split = bundle.members[GOLDEN], count * height * width * 3
    inputs = np.frombuffer(content, np.uint8, count=split).reshape(count, height, width, 3)
    kind, size = np.dtype(manifest.output.dtype), count * manifest.outputs
    outputs: Codes = np.frombuffer(content, kind, count=size, offset=split).reshape(count, manifest.outputs)
    return inputs, outputs


def _check_head(bundle: Bundle, outputs: Codes) -> None:
    """Raise BundleError if this device's head makes other sums of the golden outputs than its maker's did."""
    head = read_head(bundle)
    if isinstance(head, LinearHead):
        sums: Totals = np.frombuffer(bundle.members[GOLDEN][-8 * len(outputs) * bundle.manifest.sums :], "<i8")
        if not np.array_equal(head.totals(outputs).ravel(), sums):
            raise BundleError(
                f"{bundle.source}: the head gives other sums than its maker's did: head.bin and golden.bin are not of one "
                "model, or this device computes wrongly: build the bundle anew, or try another device"
            )


def run_golden(bundle: Bundle, interpreter: Inference, now: Callable[[], int]) -> GoldenResult:
    """Run all vectors and photos; `now` gives nanoseconds of the station's clock.

    Raises:
        BundleError: a golden photo can't be used, or this device makes another crop of it.
    """
    vectors, outputs = read_golden(bundle)
    _check_head(bundle, outputs)
    photos = check_crops(bundle)
    inputs = [*vectors, *(crop for crop, _ in photos)]
    expected = np.stack([*outputs, *(row for _, row in photos)])
    interpreter.run(inputs[0])  # the first inference also allocates: not timed
    rows, durations = [], []
    for image in inputs:
        started_at = now()
        rows.append(interpreter.run(image))
        durations.append(now() - started_at)
    got: Codes = np.stack(rows)  # type: ignore[assignment]
    worst = int(np.abs(got.astype(np.int16) - expected.astype(np.int16)).max())
    logits = read_head(bundle).logits
    same = int(np.count_nonzero(logits(got).argmax(axis=1) == logits(expected).argmax(axis=1)))
    median_ms = float(np.median(durations)) / 1e6
    return GoldenResult(
        len(rows), len(photos), worst, same, median_ms, interpreter.runtime, interpreter.runtime_version
    )


def prove_golden(
    bundle: Bundle, threads: int, runtime: Runtime, now: Callable[[], int], client: int | None = None
) -> GoldenResult:
    """Run all vectors in a process of its own, which may be a hostile model's: see `open_for_proof`, `check_golden`.

    Raises:
        BundleError: also where it takes too much time or memory, or ends its process.
    """
    from edge.inference.process import open_for_proof

    with closing(open_for_proof(bundle, threads, runtime, client)) as interpreter:
        try:
            return check_golden(bundle, interpreter, now)
        except ClassifierError as error:
            raise BundleError(f"{bundle.source}: its golden vectors can't be run: {error}: convert it anew") from None


def check_golden(bundle: Bundle, interpreter: Inference, now: Callable[[], int]) -> GoldenResult:
    """Run all vectors and photos, and raise BundleError if this device computes something else.

    Kernels differ between runtimes in the last bit of each layer, so another runtime than the maker's
    must give the same labels within its own tolerance.
    """
    result = run_golden(bundle, interpreter, now)
    golden = bundle.manifest.golden
    same_runtime = result.runtime == golden.runtime
    tolerance = golden.tolerance if same_runtime else golden.tolerance_other_runtime
    if result.worst_steps > tolerance or result.same_labels < result.count:
        raise BundleError(
            f"{bundle.source}: this device computes something else than the model's maker: expected outputs within "
            f"{tolerance} steps of {golden.runtime} {golden.runtime_version}, got {result.worst_steps} steps and "
            f"{result.same_labels} of {result.count} labels right with {result.runtime} {result.runtime_version}: "
            f"install {golden.runtime}=={golden.runtime_version}, or convert the model for this runtime"
        )
    return result
