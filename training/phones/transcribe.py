"""What a pack's clips say, by Whisper: ``python -m training.phones.transcribe --data PACK --whisper DIR --out FILE``.

``--whisper`` is the folder of a whole multilingual Whisper for CTranslate2 (``model.bin``, ``config.json``,
``tokenizer.json``, ``vocabulary.json``); needs the packages ``ctranslate2`` and ``tokenizers``. Texts that look made up
(low probability, or no speech) are left out. Clips whose language the pack gives as Arabic are not transcribed: single
words without vowels say little. Writes JSON: clip -> text, language and probability. Exit code 0 when written.
"""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mouthpiece.features import RATE
from mouthpiece.files.writer import write_whole

from ..command_line import exit_code, parser_of
from ..listener.whisper import HalfWhisper
from ..pack.clips import Clip, load_split

log = logging.getLogger(__name__)

#: Seconds that Whisper hears at once, and that are given to it.
WINDOW, GIVEN = 30, 28
#: Least mean log probability of a text's tokens, and greatest probability that nobody speaks.
LEAST_SCORE, MOST_SILENT = -1.1, 0.6
LEFT_OUT = ("Arabic",)


class Whisper:
    """A whole Whisper that writes down what it hears."""

    def __init__(self, folder: Path) -> None:
        """Open the model in ``folder``."""
        import ctranslate2  # only this program needs them
        from tokenizers import Tokenizer

        self._views = ctranslate2.StorageView
        self._model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="int8", intra_threads=1)
        self._tokens = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._ears = HalfWhisper()

    @torch.no_grad()
    def __call__(self, clip: Clip) -> dict[str, Any] | None:
        """Return text, language and score of ``clip``, or None if it says nothing that can be believed."""
        texts, language, scores = [], "", []
        for start in range(0, len(clip.samples), GIVEN * RATE):
            part = clip.samples[start : start + GIVEN * RATE]
            padded = np.pad(part, (0, WINDOW * RATE - len(part))).astype(np.float32)
            mel = self._ears.log_mel(torch.from_numpy(padded)[None]).numpy()
            heard = self._views.from_array(np.ascontiguousarray(mel))
            if not language:
                language = self._model.detect_language(heard)[0][0][0]
            prompt = ["<|startoftranscript|>", language, "<|transcribe|>", "<|notimestamps|>"]
            found = self._model.generate(
                heard, [[self._tokens.token_to_id(word) for word in prompt]], beam_size=1, return_scores=True,
                return_no_speech_prob=True, max_length=220,
            )[0]  # fmt: skip
            if found.no_speech_prob > MOST_SILENT:
                continue
            texts.append(self._tokens.decode(found.sequences_ids[0]).strip())
            scores.append(float(found.scores[0]))
        if not texts or math.fsum(scores) / len(scores) < LEAST_SCORE:
            return None
        return {"text": " ".join(texts), "language": language.strip("<|>"), "score": round(float(np.mean(scores)), 3)}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.phones.transcribe", __doc__)
    parser.add_argument("--data", type=Path, required=True, help="training pack made by training.pack.prepare")
    parser.add_argument("--whisper", type=Path, required=True, help="folder of Whisper base for CTranslate2")
    parser.add_argument("--out", type=Path, required=True, help="the texts, JSON")
    args = parser.parse_args(argv)

    def work() -> None:
        whisper, found = Whisper(args.whisper), {}
        clips = [clip for split in ("train", "val") for clip in load_split(args.data, split)]
        for number, clip in enumerate(clips):
            text = None if clip.language in LEFT_OUT else whisper(clip)
            if text:
                found[clip.name] = text
            if number % 50 == 0:
                log.info("%d of %d clips, %d with a text", number, len(clips), len(found))
        write_whole(args.out, json.dumps(found, ensure_ascii=False, indent=1) + "\n")

    return exit_code(work, "not transcribed")


if __name__ == "__main__":
    sys.exit(main())
