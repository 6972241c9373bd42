"""What a bundle says of itself: the versioned, strictly checked manifest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

import pydantic_core
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from edge.bundle.geometry import InputGeometry
from edge.bundle.version import Version, taught_version
from edge.errors import BundleError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT_VERSION: Final = 2
OUTPUT_IS_SCORES: Final = 1
"""The format of a bundle whose network has its last layer in it; devices of every version run it."""
MOST_LABELS: Final = 256
LARGEST_MEMBER: Final = 64 << 20

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
STATION = r"^[a-z0-9][a-z0-9_-]{0,31}$"
LABEL = r"^[a-z][a-z0-9_-]{0,31}$"
Label = Annotated[str, StringConstraints(pattern=LABEL)]
Text = Annotated[str, StringConstraints(max_length=1000)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
# Far beyond what any network needs, and far from where a double runs over: whatever is computed with them is a number.
SMALLEST_SCALE: Final = 1e-9
Scale = Annotated[float, Field(ge=SMALLEST_SCALE, le=1e6)]
Temperature = Annotated[float, Field(ge=1e-3, le=1e3)]
Figure = Annotated[float, Field(ge=-1e12, le=1e12)]
_WORD = r"^[^\x00-\x1f\x7f-\x9f]{1,64}$"


def _utc_instant(text: str) -> str:
    if len(text) > 40 or (at := datetime.fromisoformat(text)).tzinfo is None or at.utcoffset():
        raise ValueError("expected an instant in UTC such as 2026-11-28T01:56:00Z")
    return text


class _Strict(BaseModel):
    """Numbers are finite and never made of text or of true and false."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Quantization(_Strict):
    """How a tensor's 8-bit codes map to numbers: real = scale * (code - zero_point).

    The input's code is always the pixel itself (uint8) or the pixel with its top bit flipped (int8), so
    nothing on the device computes with floats before the network; scale and zero point are those of the file.
    """

    dtype: Literal["uint8", "int8"] = Field(description="type of the codes")
    scale: Scale = Field(description="size of one step of the codes")
    zero_point: int = Field(ge=-128, le=255, description="the code that stands for 0")

    @model_validator(mode="after")
    def _is_a_code(self) -> Self:
        least, most = (0, 255) if self.dtype == "uint8" else (-128, 127)
        if not least <= self.zero_point <= most:
            raise ValueError(f"zero_point must be a code of {self.dtype}, {least} to {most}, got {self.zero_point}")
        return self

    def dequantize(self, codes: NDArray[np.uint8] | NDArray[np.int8]) -> NDArray[np.float64]:
        """Real values of raw codes, any shape."""
        return (codes.astype("float64") - self.zero_point) * self.scale


class Output(Quantization):
    """The network's output row: one number a label, before softmax or after it, or the features that a head reads."""

    kind: Literal["logits", "probabilities", "features"] = Field(
        default="logits", description="scores before softmax, or after it, or (format 2) features for the head"
    )


class HeadShape(_Strict):
    """The head beside the network: score = step * (weights @ (feature codes - zero point) + bias), in whole numbers."""

    features: int = Field(ge=1, le=4096, description="length of the network's output row")
    step: Scale = Field(description="what one unit of the whole-numbered sum is worth in a score before softmax")
    none_of_these: bool = Field(
        default=False, description="the head's last row is for things of none of the labels, and is not one of them"
    )


class Thresholds(_Strict):
    """When the model is sure enough, fitted on validation photos."""

    temperature: Temperature = Field(
        default=1.0, description="divides the logits before softmax (Guo et al., ICML 2017)"
    )
    minimum_score: Mapping[Label, Share] = Field(
        description="per label, the calibrated probability under which an item is unsure"
    )
    minimum_margin: Share = Field(default=0.0, description="least distance of the best score from the second best")
    purity: Share | None = Field(
        default=None,
        description="share of right items in a bin that the scores were fitted for; null: they are plain defaults",
    )


class Golden(_Strict):
    """Inputs and the outputs that the maker's runtime gave, so that a device can prove that it computes the same."""

    count: int = Field(ge=1, le=64, description="number of vectors in golden.bin")
    tolerance: int = Field(
        ge=0,
        le=16,
        description="largest difference allowed in any output, in steps of its quantization; 0 demands equality",
    )
    tolerance_other_runtime: int = Field(
        default=16, ge=0, le=128, description="the same for a runtime that is not the maker's"
    )
    runtime: Text = Field(description="the maker's runtime")
    runtime_version: Text = Field(description="its version")


class Provenance(_Strict):
    """Where the model comes from."""

    data_digest: Digest = Field(description="SHA-256 over the list of training photos and their contents")
    run: Text = Field(description="name of the training run")
    packages: Mapping[Text, Text] = Field(description="versions of what trained and converted it, by name")
    created: Text = Field(description="ISO 8601 date or instant, UTC")
    figures: Mapping[Text, Figure] = Field(
        default={}, description="measured figures of the report, such as test accuracy of the very file that ships"
    )


class TaughtLabel(_Strict):
    """What a label of a taught head was taught with."""

    items: int = Field(ge=0, le=10_000_000, description="things that were put through, or pictures that stand alone")
    pictures: int = Field(ge=0, le=10_000_000, description="pictures of them")


class Interval(_Strict):
    """A figure, and between what it lies with 95 % certainty."""

    value: Figure = Field(description="the figure")
    low: Figure = Field(description="least value that it may have")
    high: Figure = Field(description="largest value that it may have")

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"expected low <= value <= high, got {self.low}, {self.value} and {self.high}")
        return self


class Taught(_Strict):
    """Where a head comes from that a station was taught: on which network, by whom, with what, and what it gains."""

    base: Digest = Field(description="SHA-256 of the bundle file whose network it reads")
    base_version: Version = Field(description="version of that bundle")
    model: Digest = Field(description="SHA-256 of model.tflite, which is that of the base, byte for byte")
    station: Annotated[str, StringConstraints(pattern=STATION)] = Field(
        description="name of the station that was taught"
    )
    number: int = Field(ge=1, le=999_999, description="which of the station's heads on this base it is; 1 is the first")
    by: Annotated[str, StringConstraints(pattern=_WORD)] = Field(description="account that taught it")
    at: Annotated[str, AfterValidator(_utc_instant)] = Field(description="ISO 8601 instant, UTC")
    labels: Mapping[Label, TaughtLabel] = Field(
        min_length=1, max_length=MOST_LABELS, description="what each label was taught with"
    )
    before: Mapping[Text, Interval] = Field(
        default={}, max_length=1000, description="figures of the base, cross-validated on what was taught, by name"
    )
    after: Mapping[Text, Interval] = Field(
        default={}, max_length=1000, description="the same figures of this head, cross-validated"
    )

    @property
    def version(self) -> str:
        """The version of the bundle that holds the head."""
        return taught_version(self.base_version, self.station, self.number)


class Member(_Strict):
    """Size in bytes and SHA-256 of one file in the bundle."""

    size: int = Field(ge=0, le=LARGEST_MEMBER, description="bytes")
    sha256: Digest = Field(description="SHA-256 of its bytes, hexadecimal")


class Manifest(_Strict):
    """What a bundle says of itself.

    `pack_bundle` fills in `members`.
    """

    format_version: int = Field(
        default=OUTPUT_IS_SCORES, ge=1, le=FORMAT_VERSION, description="a newer one needs a newer edge-sorter"
    )
    name: Name = Field(description="the model's name; versions are compared among models of one name")
    version: Version = Field(description="its version (PEP 440)")
    labels: tuple[Label, ...] = Field(
        min_length=2, max_length=MOST_LABELS, description="what the network tells apart, in the order of its outputs"
    )
    geometry: InputGeometry
    input: Quantization
    output: Output
    head: HeadShape | None = Field(default=None, description="what head.bin holds; from format 2 on, null before")
    thresholds: Thresholds
    golden: Golden
    provenance: Provenance
    taught: Taught | None = Field(default=None, description="where the head comes from, if a station was taught it")
    members: Mapping[str, Member] = Field(
        default={}, description="every file of the bundle but for this one and the signature"
    )

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"a label appears twice in {', '.join(self.labels)}")
        if set(self.thresholds.minimum_score) != set(self.labels):
            raise ValueError("thresholds.minimum_score must name every label and nothing else")
        if (self.head is not None) != (self.format_version > OUTPUT_IS_SCORES):
            raise ValueError(f"a head belongs to format {FORMAT_VERSION}, and to no other")
        if (self.head is not None) != (self.output.kind == "features"):
            raise ValueError("a head belongs to an output of the kind features, and to no other")
        return self

    @model_validator(mode="after")
    def _agrees_with_what_was_taught(self) -> Self:
        taught = self.taught
        if taught is None:
            return self
        if self.head is None:
            raise ValueError(f"taught: only a head of format {FORMAT_VERSION} can be taught")
        if self.version != taught.version:
            raise ValueError(f"version: expected {taught.version}, as taught says, got {self.version}")
        if strange := set(taught.labels) - set(self.labels):
            raise ValueError(f"taught.labels names {', '.join(sorted(strange))}, which the model does not tell apart")
        return self

    @property
    def outputs(self) -> int:
        """Length of the network's output row."""
        return len(self.labels) if self.head is None else self.head.features

    @property
    def sums(self) -> int:
        """Rows of the head: one a label, and one more where it knows things of none of them; 0 without a head."""
        return 0 if self.head is None else len(self.labels) + self.head.none_of_these

    @property
    def title(self) -> str:
        return f"{self.name}-{self.version}"

    def to_json(self) -> bytes:
        """The bytes that are stored and signed."""
        # A device that knows format 1 alone refuses what it does not know.
        unknown_before = {name for name in ("head", "taught") if getattr(self, name) is None}
        return self.model_dump_json(indent=2, exclude=unknown_before).encode() + b"\n"


def parse_manifest(content: bytes, source: str) -> Manifest:
    """Read manifest.json; `source` names the bundle in the error."""
    try:
        tree = pydantic_core.from_json(content)
    except ValueError as error:
        raise BundleError(f"{source}: manifest.json is no JSON ({error}): build the bundle anew") from None
    version = tree.get("format_version") if isinstance(tree, dict) else None
    if type(version) is int and version > FORMAT_VERSION:
        raise BundleError(
            f"{source}: expected bundle format {FORMAT_VERSION} or older, got {version}: "
            "update edge-sorter on this machine (pip install -U edge-sorter)"
        )
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'manifest'}: {e['msg']}" for e in error.errors())
        raise BundleError(f"{source}: manifest.json is not valid ({problems}): build the bundle anew") from None
