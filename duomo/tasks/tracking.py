"""Tracking: the classical way to tell what moves where in a clip of bright things on black. L = frames."""

from collections.abc import Sequence

import numpy as np

from duomo.modalities.pixels import tint
from duomo.modalities.video import Clip
from duomo.tasks.pictures import SIDE, Picture, nearest_digits

STILL = 0.35  # of a frame's light: what stays lit all the time is a second digit
Told = tuple[int, str, str, float, int | None]  # digit, first way, second way, second of the turn, digit that stands still


def track(clips: Sequence[Clip], known: Sequence[Picture]) -> list[Told]:
    """For each clip the moving digit, its two ways, the second of the turn, and the digit that stands still, if any."""
    parts = [_split(clip) for clip in clips]
    moving = nearest_digits(known, [_centred(moving_LHW[0]) for moving_LHW, _ in parts])
    standing = nearest_digits(known, [_centred(still_HW) for _, still_HW in parts])
    told: list[Told] = []
    for clip, (moving_LHW, still_HW), digit, other in zip(clips, parts, moving, standing, strict=True):
        first, second, turn = _bend(np.stack([_centre(frame_HW) for frame_HW in moving_LHW]), clip.seconds_L)
        two = still_HW.sum() > STILL * moving_LHW[0].sum()
        told.append((digit, first, second, turn, other if two else None))
    return told


def _split(clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """What moves (L, H, W) and what is always lit (H, W)."""
    light_LHW = tint(clip.frames_LHWC, 1)[..., 0].astype(np.float32)
    light_LHW[light_LHW < 48] = 0
    still_HW = light_LHW.min(0)
    return light_LHW - still_HW, still_HW


def _centre(light_HW: np.ndarray) -> np.ndarray:
    """(row, column) of the centre of mass; the middle of darkness."""
    total = light_HW.sum() or 1.0
    rows, columns = (np.arange(side) for side in light_HW.shape)
    middle = np.array([rows @ light_HW.sum(1), light_HW.sum(0) @ columns]) / total
    return middle if light_HW.any() else np.array(light_HW.shape) / 2


def _centred(light_HW: np.ndarray) -> np.ndarray:
    """The light in a picture of its own, its centre of mass in the middle, as the known digits are."""
    row, column = (np.round(_centre(light_HW)).astype(int) + SIDE // 2).tolist()
    wide_HW = np.pad(light_HW, SIDE)
    return wide_HW[row : row + SIDE, column : column + SIDE]


def _bend(path_L2: np.ndarray, seconds_L: np.ndarray) -> tuple[str, str, float]:
    """The two straight pieces that fit a path best, by least squares, and the second where they meet."""
    best = None
    for turn in np.arange(0.4, seconds_L[-1] - 0.2, 0.05):
        pieces_L3 = np.stack([np.ones_like(seconds_L), np.minimum(seconds_L, turn), np.maximum(seconds_L - turn, 0)], 1)
        found_32, *_ = np.linalg.lstsq(pieces_L3, path_L2, rcond=None)
        error = float(((pieces_L3 @ found_32 - path_L2) ** 2).sum())
        if best is None or error < best[0]:
            best = (error, found_32[1], found_32[2], float(turn))
    if best is None:
        return "left", "right", 0.0
    return _way(best[1]), _way(best[2]), best[3]


def _way(speed_2: np.ndarray) -> str:
    rows, columns = speed_2
    if abs(rows) > abs(columns):
        return "down" if rows > 0 else "up"
    return "right" if columns > 0 else "left"
