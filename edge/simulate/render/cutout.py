"""Cut one object off the plain light board it was photographed on."""

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE = 192  # working size: GrabCut is quadratic in the side and the boards carry no detail
_MIN_AREA, _MAX_AREA = 0.004, 0.80  # share of the photo
_MAX_BORDER_CONTACT = 0.42
_MIN_CONTRAST = 9.0  # Lab units between the two sides of the outline
_MIN_SOLIDITY = 0.62  # area over the convex hull's: an object half eaten by the board is ragged

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


def cut_out(pixels: Bytes) -> Bytes | None:
    """Return the soft-edged alpha mask (H, W) of the object in an RGB photo, or None where it is not certain."""
    height, width = pixels.shape[:2]
    scale = _SIDE / max(height, width)
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    lab = np.asarray(cv2.cvtColor(small.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB), dtype=np.float32)
    fitted = _board(lab)
    if fitted is None:
        return None
    difference = lab - fitted
    labels = _seeds(lab, difference)
    if labels is None:
        return None
    model = np.zeros((2, 1, 65))
    cv2.setRNGSeed(7)
    cv2.grabCut(small, labels, (0, 0, 1, 1), model[0], model[1], 3, cv2.GC_INIT_WITH_MASK)
    mask = _solid(np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8))
    mask = _without_shadow(mask, lab, difference)
    if not _certain(mask, lab):
        return None
    soft = cv2.GaussianBlur(cv2.erode(mask, np.ones((3, 3), np.uint8)) * 255, (0, 0), 0.9)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def border_contact(mask: NDArray[np.uint8]) -> float:
    """Return the share of the photo's outline that the object touches: 0 for an object seen whole."""
    edges = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return float(np.mean(edges > 0))


def _board(lab: Floats) -> Floats | None:
    """Fit a quadratic surface to the board's colour, started at the outline and reweighted three times."""
    height, width = lab.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=-1).reshape(-1, 6)
    flat = lab.reshape(-1, 3)
    margin = max(2, round(0.06 * min(height, width)))
    outline = np.ones((height, width), bool)
    outline[margin:-margin, margin:-margin] = False
    # The board is the lightest large thing on the outline; an object or a shadow may cover part of it.
    light = flat[:, 0] >= np.percentile(flat[outline.ravel(), 0], 45)
    keep = outline.ravel() & light
    order = 3
    for tolerance in (16.0, 11.0, 8.0):
        if keep.sum() < 0.02 * keep.size:
            return None
        weights = np.linalg.lstsq(terms[keep][:, :order], flat[keep], rcond=None)[0]
        distance = np.linalg.norm(flat - terms[:, :order] @ weights, axis=1)
        keep = distance < tolerance
        order = 6
    if keep.sum() < 0.08 * keep.size:
        return None
    return np.asarray((terms @ weights).reshape(lab.shape), dtype=np.float32)


def _detail(lab: Floats) -> Floats:
    """Return local contrast: shadows on a board are smooth, objects are not."""
    lightness = np.ascontiguousarray(lab[..., 0])
    slopes = cv2.Scharr(lightness, cv2.CV_32F, 1, 0), cv2.Scharr(lightness, cv2.CV_32F, 0, 1)
    gradient = np.asarray(cv2.magnitude(*slopes), dtype=np.float32) / 16.0
    return np.asarray(cv2.GaussianBlur(np.asarray(gradient, np.float32), (0, 0), 1.5), dtype=np.float32)


def _seeds(lab: Floats, difference: Floats) -> Bytes | None:
    """Return GrabCut's starting labels, or None where nothing stands out of the board."""
    chroma = np.hypot(difference[..., 1], difference[..., 2])
    darker = -difference[..., 0]
    detail = _detail(lab)
    labels = np.full(lab.shape[:2], cv2.GC_PR_BGD, np.uint8)
    # A soft shadow is darker, of nearly the board's colour and smooth: half its darkness does not count.
    strength = chroma + np.where(detail > 2.0, np.abs(darker), 0.35 * np.abs(darker)) + 2.0 * detail
    labels[strength > 20.0] = cv2.GC_PR_FGD
    labels[strength > 42.0] = cv2.GC_FGD
    labels[(strength < 8.0) & (np.abs(darker) < 10.0)] = cv2.GC_BGD
    core = cv2.morphologyEx(np.isin(labels, (1, 3)).astype(np.uint8), cv2.MORPH_CLOSE, _disc(4))
    labels[(core > 0) & (labels == cv2.GC_PR_BGD)] = cv2.GC_PR_FGD
    if np.mean(np.isin(labels, (1, 3))) < _MIN_AREA / 2 or not np.any(labels == cv2.GC_BGD):
        return None
    return labels


def _disc(radius: int) -> Bytes:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), dtype=np.uint8)


def _solid(mask: Bytes) -> Bytes:
    """Close small gaps, fill holes, drop specks."""
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _disc(3)), dtype=np.uint8)
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, _disc(1)), dtype=np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(mask)
    areas = [cv2.contourArea(outline) for outline in outlines]
    for outline, area in zip(outlines, areas, strict=True):
        if area >= max(12.0, 0.06 * max(areas)):
            cv2.drawContours(filled, [outline], -1, 1, cv2.FILLED)
    return filled


def _without_shadow(mask: Bytes, lab: Floats, difference: Floats) -> Bytes:
    """Peel off smooth, colourless, darker skirts that hang on the object."""
    chroma = np.hypot(difference[..., 1], difference[..., 2])
    shadow = (difference[..., 0] < -4.0) & (chroma < 9.0) & (_detail(lab) < 1.6) & (lab[..., 0] > 22.0)
    skirt = mask * shadow.astype(np.uint8)
    skirt = np.asarray(cv2.morphologyEx(skirt, cv2.MORPH_OPEN, _disc(2)), dtype=np.uint8)
    count, parts = cv2.connectedComponents(skirt)
    outside = cv2.dilate(1 - mask, _disc(2))
    peeled = mask.copy()
    for part in range(1, count):
        where = parts == part
        # A smooth grey face of the object itself lies inside the outline; a shadow's rim is mostly open board.
        rim = where & (outside > 0)
        if rim.sum() > 0.9 * np.sqrt(where.sum()):
            peeled[where] = 0
    if peeled.sum() < 0.35 * mask.sum():
        return mask
    return _solid(peeled)


def _solidity(mask: Bytes) -> float:
    """Return the area-weighted solidity over the parts, so that a handful of crumbs is not ragged."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    area = sum(cv2.contourArea(outline) for outline in outlines)
    hull = sum(cv2.contourArea(cv2.convexHull(outline)) for outline in outlines)
    return area / max(hull, 1.0)


def _certain(mask: Bytes, lab: Floats) -> bool:
    share = float(mask.mean())
    if not _MIN_AREA <= share <= _MAX_AREA or border_contact(mask) > _MAX_BORDER_CONTACT:
        return False
    if border_contact(mask) > 0.03 and share < 0.12:  # a fragment of something larger that was lost in the board
        return False
    if _solidity(mask) < _MIN_SOLIDITY:
        return False
    inner = (mask > 0) & (cv2.erode(mask, _disc(4)) == 0)
    outer = (mask == 0) & (cv2.dilate(mask, _disc(4)) > 0)
    if not inner.any() or not outer.any():
        return False
    blurred = cv2.blur(lab, (9, 9))
    contrast = np.linalg.norm(lab[inner].mean(0) - lab[outer].mean(0)) + lab[inner].std(0).mean()
    spread = float(np.linalg.norm((lab - blurred)[mask == 0].std(0)))
    return bool(contrast > _MIN_CONTRAST and spread < 7.0)
