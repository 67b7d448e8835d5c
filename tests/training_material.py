"""Made-up material for the tests of training: a pack of clips, and a file of Whisper's weights."""

import struct

import numpy as np
import soundfile
from mouthpiece.features import FRAME_SAMPLES

from training.measures.score import placed_before_camera, synthetic_face, synthetic_track
from training.pack import clips


def noise_pack(folder, rng, people, validate, frames):
    """Write a pack of noise that is loud where the mouth is open: a clip a person; the last validate."""
    (folder / "clips").mkdir()
    rows = []
    for number in range(people):
        opening = np.clip(0.3 * np.sin(np.arange(frames) / rng.uniform(3, 5) + number), 0, 1)
        still = np.zeros((frames, 3))
        face = placed_before_camera(synthetic_track(opening, synthetic_face()), still, still, np.full(frames, 80.0))
        shapes = np.zeros((frames, 52), np.float16)
        shapes[:, 25] = opening
        sound = np.repeat(opening + 0.01, FRAME_SAMPLES) * 0.3 * rng.standard_normal(frames * FRAME_SAMPLES)
        name, split = f"person-{number}__0000", "val" if number >= people - validate else "train"
        soundfile.write(folder / "clips" / f"{name}.flac", sound, 16_000, format="FLAC")
        np.savez(
            folder / "clips" / f"{name}.npz", landmarks=face.astype(np.float32), blendshapes=shapes,
            pose=np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1)), valid=np.ones(frames, bool), fps=25.0,
            speaker=f"person-{number}", split=split, language="noise",
        )  # fmt: skip
        rows.append(dict.fromkeys(clips.INDEX_COLUMNS, "") | {"file": f"{name}.npz", "split": split})
    clips.write_index(folder, rows)
    return folder


def ctranslate2(variables):
    """The bytes of a CTranslate2 model with these float32 variables."""
    text = lambda name: struct.pack("<H", len(name) + 1) + name.encode() + b"\0"  # noqa: E731 - one line, used twice
    parts = [struct.pack("<I", 6), text("WhisperSpec"), struct.pack("<II", 3, len(variables))]
    for name, value in variables.items():
        parts += [text(name), struct.pack("<B", value.ndim), struct.pack(f"<{value.ndim}I", *value.shape)]
        parts += [struct.pack("<BI", 0, value.nbytes), value.tobytes()]
    return b"".join(parts)
