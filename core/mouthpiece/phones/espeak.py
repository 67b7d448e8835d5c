"""Spellings to IPA by eSpeak NG, a library in C for about a hundred languages (package ``espeakng-loader``).

Only its translation is used: it makes no sound, opens no device, reads its own data alone and writes nothing. It has
one state for the whole process, so one thread at a time uses it.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from ..errors import TextError

#: Constants of its interface (``speak_lib.h``): samples are handed over, texts are UTF-8, errors end no process.
_SYNCHRONOUS: Final = 2
_UTF8: Final = 1
_KEEP_RUNNING: Final = 0x8000
#: IPA, with a tie bar between the letters of one sound.
_IPA: Final = 0x02 | 0x80 | 0x361 << 8
#: Longest path of its data, in bytes: it cuts longer ones off.
_LONGEST_PATH: Final = 150
#: Most characters that are handed over at once.
_MOST: Final = 4_000
_LACKING: Final = (
    "Spellings cannot be turned into sounds: the package 'espeakng-loader' is not there. Install it "
    "(pip install espeakng-loader), or leave the text out."
)
#: Names of languages that others use, and those that it uses.
_ALIASES: Final = {"zh": "cmn", "no": "nb", "iw": "he", "in": "id", "tl": "fil", "en": "en-us"}

_lock = threading.Lock()


class _ListedVoice(ctypes.Structure):
    """``espeak_VOICE``: what is said of a voice; ``languages`` holds priority bytes and names in turn."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("spare_byte", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


def is_there() -> bool:
    """Return whether spellings can be turned into sounds here."""
    try:
        _library()
    except TextError:
        return False
    return True


def languages() -> tuple[str, ...]:
    """Return the BCP 47 tags of all languages it speaks, in alphabetical order; TextError if it is not there."""
    return tuple(sorted(_voices()))


def known_language(tag: str) -> str:
    """Return the language it has for a BCP 47 tag: that one, else the same without country (``de-AT`` is ``de``).

    Raises
    ------
    TextError
        If it has none, or is not there.
    """
    voices = _voices()
    words = tag.strip().lower().replace("_", "-").split("-")
    for count in range(len(words), 0, -1):
        name = "-".join(words[:count])
        for one in (name, _ALIASES.get(name, name)):
            if one in voices and one not in _ALIASES:
                return one
        nearest = sorted(voice for voice in voices if voice.startswith(f"{name}-"))
        if nearest:
            return nearest[0]
    raise TextError(
        f"No pronunciation is known for the language '{tag[:20]}'. Choose one of: {', '.join(languages())}."
    )


@lru_cache(maxsize=4096)
def ipa(text: str, language: str) -> str:
    """Return how ``text`` is spoken in ``language`` (:func:`known_language`): IPA with stress marks and tie bars.

    A part that it reads by the rules of another language stands after that language's name in brackets, ``(en)``.

    Raises
    ------
    TextError
        If the library, the language or its data are not there.
    """
    voices = _voices()
    spoken: list[str] = []
    with _lock:
        library = _library()
        if language not in voices or library.espeak_SetVoiceByName(voices[language]) != 0:
            raise TextError(f"The language '{language}' cannot be read. Reinstall the package 'espeakng-loader'.")
        for start in range(0, len(text), _MOST):
            spoken.extend(_clauses(library, text[start : start + _MOST]))
    return " ".join(spoken)


def _clauses(library: Any, text: str) -> Iterator[str]:
    """Yield the IPA of each clause of ``text``."""
    stored = ctypes.create_string_buffer(text.replace("\0", " ").encode("utf-8", "ignore"))
    place = ctypes.c_void_p(ctypes.addressof(stored))
    while place.value:
        found = library.espeak_TextToPhonemes(ctypes.byref(place), _UTF8, _IPA)
        if found:
            yield found.decode("utf-8", "replace").strip()


@cache
def _library() -> Any:
    """Return the library, ready for use; TextError if it is not there."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise TextError(_LACKING) from error
    data = Path(espeakng_loader.get_data_path())
    try:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
    except OSError as error:
        raise TextError(f"eSpeak NG cannot be loaded: {error}. Reinstall the package 'espeakng-loader'.") from error
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = (ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int)
    library.espeak_SetVoiceByName.argtypes = (ctypes.c_char_p,)
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_ListedVoice))
    library.espeak_ListVoices.argtypes = (ctypes.c_void_p,)
    library.espeak_Initialize.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int)
    if library.espeak_Initialize(_SYNCHRONOUS, 0, _path_bytes(data), _KEEP_RUNNING) <= 0:
        raise TextError(f"eSpeak NG finds no data in '{data}'. Reinstall the package 'espeakng-loader'.")
    return library


def _path_bytes(path: Path) -> bytes:
    """Return a path as C takes it: on Windows in its own code page."""
    try:
        content = str(path).encode("mbcs", "strict") if os.name == "nt" else os.fsencode(path)
    except UnicodeEncodeError:
        content = b""
    if not content or len(content) > _LONGEST_PATH:
        raise TextError(
            f"eSpeak NG cannot read its data in '{path}': the path is too long for it, or has letters that it does not "
            "know. Install Mouthpiece in another folder."
        )
    return content


@cache
def _voices() -> dict[str, bytes]:
    """Return the identifier of the voice of each language; of several for one language, its first choice."""
    with _lock:
        library = _library()
        listed = library.espeak_ListVoices(None)
        found: dict[str, tuple[int, bytes]] = {}
        number = 0
        while listed[number]:
            voice = listed[number].contents
            for priority, language in _spoken_by(voice.languages):
                if language not in found or priority < found[language][0]:
                    found[language] = (priority, bytes(voice.identifier))
            number += 1
    return {language: identifier for language, (_, identifier) in found.items()}


def _spoken_by(address: int) -> Iterator[tuple[int, str]]:
    """Yield priority and tag of each language at an address: a byte and a text in turn, until a byte of 0."""
    while priority := ctypes.string_at(address, 1)[0]:
        name = ctypes.string_at(address + 1)
        yield priority, name.decode("ascii", "replace").lower()
        address += 2 + len(name)
