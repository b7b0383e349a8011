"""Tags and text around the sound of a file."""

from __future__ import annotations

import re
from typing import BinaryIO

from songscore.audio.span import read_at

TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")
_ID3V1, _ID3V1_EXTENDED = 128, 227
_APE_HEADER = 32
_ID3V2_FOOTER = 10
_LYRICS_END = re.compile(rb"(\d{6})LYRICS200$")
CONTAINER = re.compile(
    rb"fLaC|OggS\0[\x02\x06]|(?:RIFF|RF64)....WAVE|RIFF....AVI |FORM....AIF[FC]|....ftyp"
    rb"|riff\x2e\x91\xcf\x11|caff\0\x01|\.snd\0\0|wvpk|TTA1|MAC |MPCK|MP\+|ADIF|FRM8|DSD \x1c|tBaK|FLV\x01"
    rb"|\x1aE\xdf\xa3|0&\xb2u\x8ef\xcf\x11|\x7f\xfe\x80\x01|\0\0\x01\xba[\x21\x44]"
    rb"|Creative Voice File\x1a|(?:....G.{187}){5}",  # the last are the packets of Blu-ray
    re.DOTALL,
)
"""How sound files begin."""
SOUND = re.compile(CONTAINER.pattern + rb"|ID3[\x02-\x04]\0", re.DOTALL)
"""How they begin with a tag in front, too."""
_IS_APE_HEADER, _HAS_APE_HEADER = 1 << 29, 1 << 31


def tag_length(head: bytes) -> int:
    """Length of the tag that begins here, in bytes; 0 where none does.

    Parameters
    ----------
    head : bytes
        32 of them, or all that are left.
    """
    if head.startswith(b"ID3") and len(head) >= 10 and head[3] < 0xFF:
        footer = 10 if head[5] & 0x10 else 0
        return 10 + _seven_bits(head[6:10]) + footer
    if head.startswith(b"APETAGEX") and len(head) >= _APE_HEADER:
        is_header = int.from_bytes(head[20:24], "little") & _IS_APE_HEADER
        return int.from_bytes(head[12:16], "little") + _APE_HEADER if is_header else _APE_HEADER
    if head.startswith(b"TAG+"):
        return _ID3V1_EXTENDED
    return _ID3V1 if head.startswith(b"TAG") else 0


def trailing_length(tail: bytes) -> int:
    """Length of the tag that ends here, in bytes; 0 where none does.

    Parameters
    ----------
    tail : bytes
        The last 128 or more.
    """
    if tail[-_ID3V1:].startswith(b"TAG") and len(tail) >= _ID3V1:
        return _ID3V1
    footer = tail[-_APE_HEADER:]
    if footer.startswith(b"APETAGEX"):
        header = _APE_HEADER if int.from_bytes(footer[20:24], "little") & _HAS_APE_HEADER else 0
        return int.from_bytes(footer[12:16], "little") + header
    if lyrics := _LYRICS_END.search(tail):
        return int(lyrics[1]) + len(lyrics[0])
    if tail[-_ID3V2_FOOTER:].startswith(b"3DI"):
        return _seven_bits(tail[-4:]) + 2 * _ID3V2_FOOTER
    return 0


def sound_start(file: BinaryIO, start: int, end: int) -> int:
    """Where the tags in front of the sound end; a tag that is longer than the file is none."""
    while (length := tag_length(read_at(file, start, 32))) and start + length < end:
        start += length
    return start


def sound_end(file: BinaryIO, start: int, end: int) -> int:
    """Where the tags behind the sound begin."""
    while length := trailing_length(read_at(file, max(start, end - 128), min(128, end - start))):
        if end - length <= start:
            break
        end -= length
    return end


def is_text(head: bytes) -> bool:
    """Whether these are the first bytes of a text in UTF-8."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return all(c.isprintable() or c in "\ufeff\r\n\t\f" for c in text)


def _seven_bits(content: bytes) -> int:
    """A number of which each byte holds seven bits (ID3v2.4.0, section 6.2)."""
    number = 0
    for byte in content:
        number = number << 7 | byte & 0x7F
    return number
