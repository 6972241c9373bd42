"""Stand-in (simulator session); overwrite me."""
import cv2
import numpy as np

def cutout(photo):
    lab = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB).astype(np.float32)
    edge = np.concatenate([lab[:6].reshape(-1,3), lab[-6:].reshape(-1,3), lab[:, :6].reshape(-1,3), lab[:, -6:].reshape(-1,3)])
    d = np.linalg.norm(lab - np.median(edge, axis=0), axis=2)
    m = (d > 16).astype(np.uint8)
    m = cv2.morphologyEx(m, cv2.MORPH_CLOSE, np.ones((9, 9)))
    m = cv2.morphologyEx(m, cv2.MORPH_OPEN, np.ones((5, 5)))
    cs, _ = cv2.findContours(m, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not cs: return None
    c = max(cs, key=cv2.contourArea)
    if cv2.contourArea(c) < 0.02*m.size or cv2.contourArea(c) > 0.9*m.size: return None
    out = np.zeros(m.shape, np.uint8); cv2.drawContours(out, [c], -1, 255, -1)
    return cv2.GaussianBlur(out, (3,3), 0)
