"""Files that name other files or addresses instead of holding a sound or picture: FFmpeg would open all they name.

A playlist may be called ``voice.wav``: FFmpeg goes by what is in a file. What follows is another file of this computer
read in its place, or a connection to somewhere. So they are told by their content, before a library that uses FFmpeg
(PyAV, Blender) sees them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

#: Bytes of a file that are looked at.
LOOKED_AT: Final = 4096
#: What a file that names others holds at its beginning, blanks and the mark of UTF-8 left out, in small letters; and
#: what it is.
_BEGINNINGS: Final = (
    (b"#extm3u", "is a playlist (HLS, M3U)"),
    (b"#ext-x-", "is a playlist (HLS, M3U)"),
    (b"ffconcat", "is a list of files (ffconcat)"),
    (b"v=0", "describes a broadcast (SDP)"),
    (b"[playlist]", "is a playlist (PLS)"),
    (b"[reference]", "is a playlist"),
    (b"rtsptext", "is a playlist"),
    (b"<asx", "is a playlist (ASX)"),
    (b"<mpd", "is a list of films (DASH)"),
    (b"<smil", "is a playlist (SMIL)"),
    (b"<smoothstreamingmedia", "is a list of films"),
    (b"http://", "names an address"),
    (b"https://", "names an address"),
    (b"rtsp://", "names an address"),
    (b"rtmp://", "names an address"),
    (b"mmsh://", "names an address"),
    (b"file:", "names another file"),
)
#: The same for what stands further on in a text (XML).
_WITHIN: Final = (
    (b"<mpd", "is a list of films (DASH)"),
    (b"<compositionplaylist", "is a list of films (IMF)"),
    (b"<assetmap", "is a list of films (IMF)"),
    (b"<smoothstreamingmedia", "is a list of films"),
    (b"<playlist", "is a playlist (XSPF)"),
)
#: Options with which PyAV opens files of others: one of these kinds, and no other files or addresses.
#: ``av.open(path, options=AV_OPTIONS)``.
AV_OPTIONS: Final = {
    "protocol_whitelist": "file",
    "format_whitelist": (
        "3dostr,3g2,3gp,aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,"
        "flac,flv,iff,loas,m4a,matroska,mj2,mka,mlp,mov,mp3,mp4,mpc,mpc8,mpeg,mpegts,"
        "mpegvideo,mxf,ogg,oma,qcp,rm,sox,tak,truehd,tta,voc,w64,wav,webm,wv,xwma"
    ),
}


def reference_in(head: bytes) -> str:
    """Return what a file that begins with ``head`` is, as ``"is a playlist (PLS)"``; empty if it names no files."""
    text = head[:LOOKED_AT].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for start, words in _BEGINNINGS:
        if text.startswith(start):
            return words
    if text.startswith(b"<"):
        return next((words for part, words in _WITHIN if part in text), "")
    return ""


def reference_at(path: str | os.PathLike[str]) -> str:
    """Return what :func:`reference_in` says of a file; empty for what is no file or cannot be read."""
    try:
        if not Path(path).is_file():
            return ""
        with open(path, "rb") as file:
            return reference_in(file.read(LOOKED_AT))
    except (OSError, ValueError):
        return ""
