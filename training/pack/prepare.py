"""From a folder of talking-face videos to a training pack: ``python -m training.pack.prepare VIDEOS OUT``.

A video in a subfolder of VIDEOS has that subfolder's name as speaker; one directly in VIDEOS has the part of its file
name before ``__`` (``anna__interview-2.mp4``: anna). A person must always have the same name, as training
and validation are split by it. Each stretch in which one face is tracked becomes a clip; its sound is shifted to match
the lips. Videos whose clips are already in OUT are skipped, so that an interrupted run can be started again.
Exit code 0 when every video gave its clips, 1 when some did not (those of the others are written), 2 for bad arguments.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from mouthpiece.errors import MouthpieceError
from mouthpiece.features import FRAME_RATE, RATE
from mouthpiece.files.writer import replacing
from numpy.typing import NDArray

from ..command_line import exit_code, parser_of
from .clips import clip_folder, write_index
from .face_tracker import FaceTracker, head_pose
from .sync import Sync, estimate, heard_opening, seen_opening
from .video import SUFFIXES, VideoError, cut, frames, sound

#: A face lost for longer than this ends a clip; shorter gaps stay in it as invalid frames.
LONGEST_GAP = 10
#: A face that moves further from frame to frame than this, in outer-eye distances, is in another shot.
LONGEST_JUMP = 0.7
#: Least number of frames of a clip, and least outer-eye distance, in pixels, at which lips can be read.
LEAST_FRAMES, LEAST_EYES = 25, 20.0
#: Largest number of frames of a clip; longer stretches are cut.
MOST_FRAMES = 60 * FRAME_RATE


@dataclass(frozen=True, slots=True, eq=False)
class VideoTrack:
    """The face in a whole video at 25 frames per second; frames without a face are NaN and not ``valid``."""

    landmarks: NDArray[np.float64]
    iris: NDArray[np.float64]
    blendshapes: NDArray[np.float32]
    valid: NDArray[np.bool_]
    size: tuple[int, int]

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.valid)


def track(video: Path, tracker: FaceTracker | None = None, most: int | None = None) -> VideoTrack:
    """Return the most prominent face in ``video``, tracked over at most ``most`` frames.

    Raises
    ------
    VideoError
        If the video cannot be decoded or has no pictures.
    """
    size = (0, 0)

    def pictures() -> Iterator[NDArray[np.uint8]]:
        nonlocal size
        for number, picture in enumerate(frames(video)):
            if most is not None and number >= most:
                return
            size = (picture.shape[1], picture.shape[0])
            yield picture

    faces = list((tracker or FaceTracker()).follow(pictures()))
    if not faces:
        raise VideoError(f"'{video.name}' has no pictures")

    def column(shape: tuple[int, ...], values: list[NDArray[np.floating] | None]) -> NDArray[np.float64]:
        return np.stack([np.full(shape, np.nan) if value is None else value for value in values])

    return VideoTrack(
        column((68, 3), [face and face.landmarks for face in faces]),
        column((10, 3), [face and face.iris for face in faces]),
        column((52,), [face and face.blendshapes for face in faces]).astype(np.float32),
        np.array([face is not None for face in faces]),
        size,
    )


def retrack(video: Path) -> NDArray[np.float64]:
    """Return the landmarks (T, 68, 3) of the face in ``video`` at 25 frames per second; NaN where there is none."""
    return track(video).landmarks


def stretches(found: VideoTrack) -> list[slice]:
    """Return the frames of each clip to make: one face, tracked throughout, large enough, at most a minute long."""
    eyes = np.linalg.norm(found.landmarks[:, 45] - found.landmarks[:, 36], axis=-1)
    usable = found.valid & (np.nan_to_num(eyes) >= LEAST_EYES)
    middle = found.landmarks[:, [36, 45]].mean(axis=1)
    result, start, last = [], None, -1
    for frame in np.flatnonzero(usable):
        if start is not None:
            jump = np.linalg.norm(middle[frame] - middle[last]) > LONGEST_JUMP * eyes[last] * (frame - last)
            if jump or frame - last > LONGEST_GAP or frame - start >= MOST_FRAMES:
                result.append(slice(start, last + 1))
                start = None
        start = int(frame) if start is None else start
        last = int(frame)
    if start is not None:
        result.append(slice(start, last + 1))
    return [part for part in result if part.stop - part.start >= LEAST_FRAMES]


@dataclass(frozen=True, slots=True)
class VideoSource:
    """A video and its speaker; the names of its clips begin with ``name``."""

    path: Path
    speaker: str
    name: str


def find_videos(folder: Path) -> list[VideoSource]:
    """Return the videos in ``folder`` and its subfolders, in order of name.

    Raises
    ------
    ValueError
        If there is none, or the clips of two would have the same names.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise ValueError(f"there is no video in '{folder}' ({' '.join(SUFFIXES)})")
    sources = []
    for path in paths:
        inside = path.relative_to(folder).parts
        speaker = _plain(inside[0] if len(inside) > 1 else path.stem.split("__")[0])
        sources.append(VideoSource(path, speaker, _plain("-".join([*inside[:-1], path.stem]))))
    names = [source.name for source in sources]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise ValueError(f"several videos would be called {', '.join(double)}: rename all but one")
    return sources


def _plain(name: str) -> str:
    """Return ``name`` made fit for a file name, without ``__``, which separates the clip's number."""
    return re.sub(r"_{2,}", "_", re.sub(r"[^\w.-]+", "-", name)).strip("-_") or "unnamed"


def split_speakers(speakers: Sequence[str], share: float, seed: int) -> dict[str, str]:
    """Return "train" or "val" for each speaker.

    The choice depends on name and seed only, so that nobody changes sides when a pack grows. With two speakers or more
    (and ``share`` above zero) at least one is for validation.
    """
    rank = {
        name: int(hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()[:12], 16) / 16**12 for name in set(speakers)
    }
    chosen = {name for name, value in rank.items() if value < share}
    if share > 0 and len(rank) > 1:
        chosen = chosen or {min(rank, key=rank.__getitem__)}
        if len(chosen) == len(rank):
            chosen.discard(max(rank, key=rank.__getitem__))
    return {name: "val" if name in chosen else "train" for name in rank}


def prepare_video(
    source: VideoSource, out: Path, split: str, language: str, tracker: FaceTracker, synced: bool = True
) -> int:
    """Write the clips of one video to the folder ``out`` and return their number.

    Raises
    ------
    VideoError
        If the video cannot be decoded, has no sound or shows no face that can be read.
    """
    samples = sound(source.path)
    found = track(source.path, tracker)
    parts = stretches(found)
    if not parts:
        raise VideoError(f"no face is held for a second in '{source.path.name}'")
    sync = _synchronise(found, parts, samples) if synced else Sync(0, float("nan"))
    for number, part in enumerate(parts):
        _write_clip(out / f"{source.name}__{number:04d}.npz", source, found, part, samples, sync, split, language)
    return len(parts)


def _synchronise(found: VideoTrack, parts: Sequence[slice], samples: NDArray[np.float32]) -> Sync:
    """Return the shift of the sound that the video's stretches agree on."""
    heard = heard_opening(cut(samples, 0, len(found)))
    return estimate(
        [seen_opening(found.landmarks[part], found.valid[part]) for part in parts],
        [found.valid[part] for part in parts],
        [heard[part] for part in parts],
    )


def _write_clip(
    path: Path,
    source: VideoSource,
    found: VideoTrack,
    part: slice,
    samples: NDArray[np.float32],
    sync: Sync,
    split: str,
    language: str,
) -> None:
    landmarks = found.landmarks[part]
    heard = cut(samples, part.start - sync.shift, part.stop - sync.shift)
    soundfile.write(path.with_suffix(".flac"), heard, RATE, format="FLAC", subtype="PCM_16")
    valid = found.valid[part]
    pose = np.full((len(landmarks), 4, 4), np.nan, np.float32)
    pose[valid] = head_pose(landmarks[valid], found.size)
    # the sound is written first: a clip exists once its .npz does
    with replacing(path) as whole, whole.open("wb") as stream:
        np.savez_compressed(
            stream,
            landmarks=landmarks.astype(np.float32),
            iris=found.iris[part].astype(np.float32),
            blendshapes=found.blendshapes[part].astype(np.float16),
            pose=pose,
            valid=valid,
            fps=np.float32(FRAME_RATE),
            size=np.array(found.size),
            speaker=np.array(source.speaker),
            split=np.array(split),
            source=np.array("own"),
            language=np.array(language),
            sync_r=np.float32(sync.correlation),
            sync_shift=np.int32(sync.shift),
        )


def index_rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of the index for all clips in ``folder``."""
    rows = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as clip:
            landmarks = clip["landmarks"][clip["valid"]]
            face = np.median(np.linalg.norm(landmarks[:, 16] - landmarks[:, 0], axis=-1))
            rows.append({
                "file": path.name,
                **{key: str(clip[key]) for key in ("speaker", "split", "source", "language")},
                "seconds": f"{len(clip['landmarks']) / FRAME_RATE:.2f}",
                "face_px": f"{face:.0f}",
                "sync_r": f"{float(clip['sync_r']):.2f}",
                "sync_shift": str(int(clip["sync_shift"])),
            })  # fmt: skip
    return rows


def prepare(
    videos: Path, out: Path, share: float = 0.1, seed: int = 0, language: str = "unknown", synced: bool = True
) -> list[str]:
    """Make or extend the pack ``out`` from the folder ``videos``; return a message for each video that failed."""
    sources = find_videos(videos)
    split = split_speakers([source.speaker for source in sources], share, seed)
    (out / "clips").mkdir(parents=True, exist_ok=True)
    folder = clip_folder(out)
    tracker = FaceTracker()
    failures = []
    for number, source in enumerate(sources, 1):
        label = f"[{number}/{len(sources)}] {source.path.name}"
        if any(folder.glob(f"{source.name}__[0-9][0-9][0-9][0-9].npz")):
            print(f"{label}: already there", file=sys.stderr)
            continue
        print(f"{label}: tracking…", file=sys.stderr, flush=True)
        try:
            count = prepare_video(source, folder, split[source.speaker], language, tracker, synced)
            print(f"{label}: {count} clip{'s' * (count != 1)} of {source.speaker}", file=sys.stderr, flush=True)
        except (MouthpieceError, OSError, ValueError) as error:
            failures.append(f"{source.path}: {error}")
            print(f"{label}: left out: {error}", file=sys.stderr, flush=True)
    write_index(out, index_rows(folder))
    return failures


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.pack.prepare", __doc__)
    parser.add_argument("videos", type=Path, help="folder of talking-face videos")
    parser.add_argument("out", type=Path, help="folder of the pack")
    parser.add_argument("--val-share", type=float, default=0.1, help="share of speakers kept for validation")
    parser.add_argument("--seed", type=int, default=0, help="chooses the validation speakers")
    parser.add_argument("--language", default="unknown", help="noted in every new clip")
    parser.add_argument("--no-sync", action="store_true", help="trust the videos' own sound and picture timing")
    args = parser.parse_args(argv)
    if not args.videos.is_dir():
        parser.error(f"'{args.videos}' is not a folder")
    if not 0 <= args.val_share < 1:
        parser.error("--val-share must be from 0 to below 1")

    def work() -> int:
        failures = prepare(args.videos, args.out, args.val_share, args.seed, args.language, not args.no_sync)
        for failure in failures:
            print(f"left out: {failure}", file=sys.stderr)
        return 1 if failures else 0

    return exit_code(work, "nothing prepared")


if __name__ == "__main__":
    sys.exit(main())
