"""Render training sounds from sound fonts: voices without words, and soloists easily taken for a voice.

Every clip is a small MIDI file composed by a seeded random generator and played by the ``fluidsynth`` program. Times
are seconds, pitches MIDI note numbers, levels 0 to 127. A note list holds ``(start, length, pitch, velocity)``; an
event list holds ``(time, message)`` with the bytes of one MIDI message. Clips are FLAC, 32 kHz, 16 bit, 15 to 25 s.

The sound fonts are those of Debian's packages, unpacked with ``dpkg -x PACKAGE.deb FOLDER/PACKAGE``.
"""

import csv
import itertools
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

SAMPLE_RATE = 32_000
TICKS_PER_SECOND = 1000
BEND_RANGE = 12  # semitones to either side
DRUM_CHANNEL = 9
SEED = 20140

Note = tuple[float, float, int, int]
Event = tuple[float, bytes]


@dataclass(frozen=True)
class Font:
    """A sound font: where its Debian package installs it, its licence, and the recordings it is made of."""

    name: str
    path: str
    licence: str
    samples: str


FONTS = (
    Font("fluidr3", "fluid-soundfont-gm/usr/share/sounds/sf2/FluidR3_GM.sf2", "MIT", "fluidr3"),
    Font(
        "musescore",
        "musescore-general-soundfont-lossless/usr/share/sounds/sf2/MuseScore_General_Full.sf2",
        "MIT",
        "fluidr3",  # MuseScore General grew out of FluidR3 and shares many of its recordings
    ),
    Font("timgm6mb", "timgm6mb-soundfont/usr/share/sounds/sf2/TimGM6mb.sf2", "GPL-2", "timgm6mb"),
    Font("gmbank", "csound-soundfont/usr/share/sounds/sf2/sf_GMbank.sf2", "public-domain", "gmbank"),
)
OPL3 = Font("opl3", "opl3-soundfont/usr/share/sounds/sf2/OPL-3_FM_128M.sf2", "CC-BY-SA-4.0", "opl3")

VOICES = {52: "choir aahs", 53: "voice oohs", 54: "synth voice", 85: "lead voice", 91: "pad choir"}

# General MIDI program: name, lowest and highest pitch of its melodies
SOLOISTS = {
    40: ("violin", 57, 88),
    41: ("viola", 50, 79),
    42: ("cello", 38, 69),
    110: ("fiddle", 57, 84),
    72: ("piccolo", 74, 96),
    73: ("flute", 60, 91),
    74: ("recorder", 60, 88),
    75: ("pan flute", 60, 86),
    76: ("blown bottle", 55, 79),
    77: ("shakuhachi", 55, 81),
    78: ("whistle", 67, 93),
    79: ("ocarina", 62, 88),
    64: ("soprano saxophone", 56, 84),
    65: ("alto saxophone", 50, 80),
    66: ("tenor saxophone", 46, 75),
    67: ("baritone saxophone", 38, 67),
    68: ("oboe", 58, 87),
    69: ("english horn", 52, 80),
    70: ("bassoon", 36, 67),
    71: ("clarinet", 52, 86),
    56: ("trumpet", 55, 82),
    57: ("trombone", 42, 70),
    59: ("muted trumpet", 55, 80),
    60: ("french horn", 42, 74),
    21: ("accordion", 53, 86),
    22: ("harmonica", 58, 86),
    29: ("overdriven guitar", 45, 84),
    30: ("distortion guitar", 45, 84),
    80: ("square lead", 52, 86),
    81: ("saw lead", 52, 86),
    82: ("calliope lead", 55, 86),
    83: ("chiff lead", 55, 86),
    84: ("charang lead", 48, 82),
    86: ("fifths lead", 48, 79),
    87: ("bass and lead", 43, 76),
    104: ("sitar", 48, 77),
    107: ("koto", 50, 81),
    109: ("bagpipe", 57, 81),
    111: ("shanai", 57, 84),
    43: ("contrabass", 31, 58),
}

SCALES = (
    (0, 2, 4, 5, 7, 9, 11),  # major
    (0, 2, 3, 5, 7, 8, 10),  # natural minor
    (0, 2, 3, 5, 7, 9, 10),  # dorian
    (0, 2, 3, 5, 7, 8, 11),  # harmonic minor
    (0, 1, 4, 5, 7, 8, 10),  # phrygian dominant
    (0, 2, 4, 7, 9),  # major pentatonic
    (0, 3, 5, 7, 10),  # minor pentatonic
)


# --- MIDI ---------------------------------------------------------------------------------------------------------


def variable_length(number: int) -> bytes:
    """A whole number in MIDI's variable-length code."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def midi_file(events: list[Event]) -> bytes:
    """A standard MIDI file of one track, in which a tick is a millisecond."""
    track = bytearray(b"\x00\xff\x51\x03" + (500_000).to_bytes(3, "big"))  # 120 beats a minute
    now = 0
    for time, message in sorted(events, key=lambda event: event[0]):
        tick = round(time * TICKS_PER_SECOND)
        track += variable_length(tick - now) + message
        now = tick
    track += b"\x00\xff\x2f\x00"
    header = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, TICKS_PER_SECOND // 2)
    return header + struct.pack(">4sI", b"MTrk", len(track)) + bytes(track)


def control(time: float, channel: int, controller: int, level: float) -> Event:
    """One change of a controller of a channel."""
    return time, bytes((0xB0 | channel, controller, int(np.clip(level, 0, 127))))


def bend(time: float, channel: int, semitones: float) -> Event:
    """The pitch wheel at so many semitones from rest, up to the bend range."""
    wheel = int(np.clip(8192 * (1 + semitones / BEND_RANGE), 0, 16383))
    return time, bytes((0xE0 | channel, wheel & 0x7F, wheel >> 7))


def instrument(channel: int, program: int, *, volume: float = 100, reverb: float = 40, pan: float = 64) -> list[Event]:
    """Set up a channel: its program, its mixer and the range of its pitch bend."""
    settings = ((7, volume), (10, pan), (91, reverb), (101, 0), (100, 0), (6, BEND_RANGE), (38, 0))
    return [(0.0, bytes((0xC0 | channel, program)))] + [control(0.0, channel, *setting) for setting in settings]


def played(channel: int, notes: list[Note]) -> list[Event]:
    """Note-on and note-off messages of notes on a channel."""
    events: list[Event] = []
    for start, length, pitch, velocity in notes:
        events.append((start, bytes((0x90 | channel, pitch, velocity))))
        events.append((start + length, bytes((0x80 | channel, pitch, 0))))
    return events


def swelling(rng: np.random.Generator, channel: int, notes: list[Note], low: float) -> list[Event]:
    """Expression that rises and falls within every note, from ``low`` to full level and back."""
    events: list[Event] = []
    for start, length, *_ in notes:
        top = rng.uniform(0.3, 0.7)
        for part in np.arange(0.0, 1.0, max(0.03 / length, 0.02)):
            rise = part / top if part < top else (1 - part) / (1 - top)
            events.append(control(start + part * length, channel, 11, low + (127 - low) * rise))
    return events


# --- composing ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Key:
    """A scale on a tonic, by whose steps melodies and chords are counted."""

    tonic: int
    scale: tuple[int, ...]

    def pitch(self, step: int) -> int:
        octave, degree = divmod(step, len(self.scale))
        return self.tonic + 12 * octave + self.scale[degree]

    def chord(self, root: int) -> list[int]:
        gap = 2 if len(self.scale) == 7 else 1
        return [self.pitch(root + gap * voice) for voice in range(3)]


def random_key(rng: np.random.Generator) -> Key:
    """Any tonic of the octave below middle C, and any of the scales."""
    return Key(int(rng.integers(48, 60)), SCALES[rng.integers(len(SCALES))])


def folded(pitch: int, low: int, high: int) -> int:
    """The pitch moved by octaves into a range of an octave or more."""
    while pitch < low:
        pitch += 12
    while pitch > high:
        pitch -= 12
    return pitch


def melody(
    rng: np.random.Generator, key: Key, low: int, high: int, *, duration: float, beat: float, overlap: float
) -> list[Note]:
    """A line of phrases that walks mostly by step, with a rest after each phrase.

    ``overlap`` is the share of a note that sounds on into the next: above 0 legato, below it detached.
    """
    notes: list[Note] = []
    step = int(rng.integers(3, 12))
    rhythm = rng.choice(np.array([0.25, 0.5, 1.0, 1.5, 2.0, 4.0]), size=4, p=[0.1, 0.3, 0.3, 0.1, 0.15, 0.05])
    start = float(rng.uniform(0, 1.5))
    while start < duration:
        for _ in range(rng.integers(4, 10)):
            step = int(np.clip(step + rng.choice([-4, -2, -1, -1, 0, 1, 1, 2, 3]), 0, 16))
            length = float(rng.choice(rhythm)) * beat
            pitch = folded(key.pitch(step), low, high)
            notes.append((start, length * (1 + overlap), pitch, int(rng.integers(70, 115))))
            start += length
        start += float(rng.choice([0.5, 1.0, 2.0])) * beat
    return [note for note in notes if note[0] + note[1] < duration]


def expressive(rng: np.random.Generator, channel: int, notes: list[Note]) -> list[Event]:
    """Pitch as singers and string players shape it: scoops, glides from the note before, and delayed vibrato."""
    scoops, glides, depth = rng.uniform(0, 0.5), rng.uniform(0, 0.5), rng.choice([0.0, 0.15, 0.3, 0.5])
    rate = rng.uniform(4.5, 6.8)
    events = [control(0.0, channel, 1, rng.choice([0, 0, 40, 90]))]
    before = notes[0][2] if notes else 0
    for start, length, pitch, _ in notes:
        offset = 0.0
        if rng.random() < scoops:
            offset = -rng.uniform(0.4, 2.0)
        elif rng.random() < glides:
            offset = float(np.clip(before - pitch, -BEND_RANGE, BEND_RANGE))
        settle = rng.uniform(0.05, 0.25)
        for time in np.arange(0.0, length, 0.015):
            growth = np.clip((time - 0.25) / 0.4, 0, 1)
            wave = depth * growth * np.sin(2 * np.pi * rate * time)
            events.append(bend(start + time, channel, offset * np.exp(-3 * time / settle) + wave))
        before = pitch
    return events


def progression(rng: np.random.Generator, duration: float, bar: float) -> Iterator[tuple[float, int]]:
    """Start and root step of each chord, four chords over and over."""
    roots = [0, *(int(root) for root in rng.integers(-3, 6, size=3))]
    for start, root in zip(np.arange(0.0, duration - bar, bar), itertools.cycle(roots), strict=False):
        yield float(start), root


# --- voices without words -----------------------------------------------------------------------------------------


def chords(rng: np.random.Generator, key: Key, low: int, high: int, duration: float) -> list[Note]:
    """Block chords that change every 1.5 to 4 s."""
    bar = rng.uniform(1.5, 4.0)
    return [
        (start, bar * 1.02, folded(pitch, low, high), int(rng.integers(70, 105)))
        for start, root in progression(rng, duration, bar)
        for pitch in key.chord(root)
    ]


def swells(rng: np.random.Generator, key: Key, low: int, high: int, duration: float) -> list[Note]:
    """One to three long chords."""
    length = duration / rng.integers(1, 4)
    return [
        (start, length * 0.98, folded(pitch, low, high), 100)
        for start in np.arange(0.0, duration - 1, length)
        for pitch in key.chord(int(rng.integers(0, 6)))
    ]


def ostinato(rng: np.random.Generator, key: Key, low: int, high: int, duration: float) -> list[Note]:
    """A short figure repeated throughout."""
    beat = rng.uniform(0.22, 0.6)
    figure = rng.integers(0, 6, size=rng.integers(3, 9))
    return [
        (start, beat * rng.uniform(0.5, 1.0), folded(key.pitch(int(step)), low, high), int(rng.integers(75, 115)))
        for start, step in zip(np.arange(0.0, duration - beat, beat), itertools.cycle(figure), strict=False)
    ]


def single_line(rng: np.random.Generator, key: Key, low: int, high: int, duration: float) -> list[Note]:
    """One voice with a slow melody."""
    return melody(rng, key, low, high, duration=duration, beat=rng.uniform(0.5, 1.0), overlap=0.04)


def parallel_lines(rng: np.random.Generator, key: Key, low: int, high: int, duration: float) -> list[Note]:
    """Two voices a third, fourth, fifth or octave apart."""
    line = melody(rng, key, low, high - 12, duration=duration, beat=rng.uniform(0.8, 1.6), overlap=0.02)
    interval = int(rng.choice([4, 5, 7, 12]))
    return line + [(start, length, pitch + interval, velocity) for start, length, pitch, velocity in line]


def melody_over_chords(rng: np.random.Generator, key: Key, low: int, high: int, duration: float) -> list[Note]:
    """Block chords with a melody above them."""
    return chords(rng, key, low, high - 7, duration) + single_line(rng, key, high - 12, high, duration)


TEXTURES: tuple[Callable[[np.random.Generator, Key, int, int, float], list[Note]], ...] = (
    chords,
    swells,
    ostinato,
    single_line,
    parallel_lines,
    melody_over_chords,
)
REGISTERS = ((40, 60), (48, 68), (55, 75), (62, 82))


def voices_clip(rng: np.random.Generator, program: int, texture: int, duration: float) -> list[Event]:
    """A choir or a voice patch alone, in one of the textures and registers."""
    low, high = REGISTERS[rng.integers(len(REGISTERS))]
    notes = TEXTURES[texture](rng, random_key(rng), low, high, duration)
    events = instrument(0, program, reverb=rng.uniform(0, 110)) + played(0, notes)
    if TEXTURES[texture] is swells or rng.random() < 0.3:
        events += swelling(rng, 0, notes, low=rng.uniform(20, 80))
    if TEXTURES[texture] is single_line:
        events += expressive(rng, 0, notes)
    return events


# --- soloists -----------------------------------------------------------------------------------------------------


def accompaniment(rng: np.random.Generator, key: Key, beat: float, duration: float) -> list[Event]:
    """Chords by piano, organ, guitar, strings or pad, with a bass and sometimes drums."""
    bar = 4 * beat
    bass: list[Note] = []
    harmony: list[Note] = []
    drums: list[Note] = []
    broken, with_drums = rng.random() < 0.5, rng.random() < 0.5
    for start, root in progression(rng, duration, bar):
        bass += [(start + half * bar, bar / 2, folded(key.pitch(root), 28, 43), 85) for half in (0, 0.5)]
        for voice, pitch in enumerate(key.chord(root)):
            delay = voice * beat / 2 if broken else 0.0
            harmony.append((start + delay, bar - delay, folded(pitch, 48, 67), int(rng.integers(50, 80))))
        if with_drums:
            drums += [(start + eighth * beat / 2, 0.1, 42, int(rng.integers(40, 70))) for eighth in range(8)]
            drums += [(start, 0.1, 36, 90), (start + beat, 0.1, 38, 80)]
            drums += [(start + 2 * beat, 0.1, 36, 85), (start + 3 * beat, 0.1, 38, 80)]
    chord_program = int(rng.choice([0, 4, 19, 24, 48, 50, 89]))
    return [
        *instrument(1, chord_program, volume=rng.uniform(45, 90), pan=rng.uniform(30, 98)),
        *instrument(2, int(rng.choice([32, 33, 38])), volume=rng.uniform(60, 90)),
        *instrument(DRUM_CHANNEL, 0, volume=rng.uniform(50, 90)),
        *played(1, harmony),
        *played(2, bass),
        *played(DRUM_CHANNEL, drums),
    ]


def solo_clip(rng: np.random.Generator, program: int, duration: float, *, accompanied: bool) -> list[Event]:
    """A soloist's legato melody, alone or over a simple accompaniment."""
    _, low, high = SOLOISTS[program]
    key, beat = random_key(rng), float(rng.uniform(0.32, 0.8))
    top = int(rng.integers(low + 14, high + 1))
    notes = melody(rng, key, low, top, duration=duration, beat=beat, overlap=rng.uniform(-0.05, 0.08))
    events = instrument(0, program, volume=110, reverb=rng.uniform(0, 100), pan=rng.uniform(48, 80))
    events += played(0, notes) + expressive(rng, 0, notes)
    if rng.random() < 0.4:
        events += swelling(rng, 0, notes, low=rng.uniform(50, 90))
    return events + (accompaniment(rng, key, beat, duration) if accompanied else [])


# --- clips --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clip:
    """One sound of the collection, and what the manifest says of it."""

    name: str
    font: Font
    program: int
    title: str
    kind: str
    label: str
    role: str
    compose: Callable[[np.random.Generator, float], list[Event]]

    def row(self, folder: str) -> dict[str, str]:
        group = f"{self.font.samples}/{self.program:03d}"
        return {
            "path": f"{folder}/{self.name}.flac",
            "label": self.label,
            "group": group,
            "origin": group,
            "role": self.role,
            "kind": self.kind,
            "weight": "1",
            "title": self.title,
            "artist": f"sound font {self.font.name}",
            "licence": self.font.licence,
            "confidence": "high",
            "note": "rendered from MIDI",
            "doubt": "",
            "source": f"rendered apt:{self.font.path.partition('/')[0]}",
        }


def collection() -> Iterator[Clip]:
    """Every clip: each voice patch of each font in each texture, and each soloist on four of the five fonts."""
    for (program, name), font, texture in itertools.product(VOICES.items(), FONTS, range(len(TEXTURES))):
        yield Clip(
            f"choir-{font.name}-{program:03d}-{texture}",
            font,
            program,
            f"{name}: {TEXTURES[texture].__name__.replace('_', ' ')}",
            "rendered choir",
            "instrumental score",
            "choir",
            lambda rng, duration, p=program, t=texture: voices_clip(rng, p, t, duration),  # type: ignore[misc]
        )
    fonts = (*FONTS, OPL3)
    for index, (program, (name, _, _)) in enumerate(SOLOISTS.items()):
        for turn in range(4):
            font, accompanied = fonts[(4 * index + turn) % len(fonts)], turn % 2 == 1
            yield Clip(
                f"solo-{font.name}-{program:03d}",
                font,
                program,
                f"{name} {'over an accompaniment' if accompanied else 'alone'}",
                "rendered",
                "instrumental score",
                "",
                lambda rng, duration, p=program, a=accompanied: solo_clip(  # type: ignore[misc]
                    rng, p, duration, accompanied=a
                ),
            )


def render(clip: Clip, fonts: Path, target: Path, rng: np.random.Generator) -> None:
    """Play a clip with fluidsynth and write it to ``target``, at a random peak level."""
    duration = float(rng.uniform(15, 22))
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder) / "clip.mid", Path(folder) / "clip.wav"
        score.write_bytes(midi_file(clip.compose(rng, duration)))
        settings = {
            "synth.dynamic-sample-loading": "1",
            "synth.chorus.active": str(int(rng.random() < 0.5)),
            "synth.reverb.room-size": f"{rng.uniform(0.1, 0.95):.2f}",
            "synth.reverb.level": f"{rng.uniform(0.2, 0.9):.2f}",
        }
        options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
        command = ["fluidsynth", "-ni", "-q", "-g", "0.3", "-r", str(SAMPLE_RATE), "-O", "float", *options]
        subprocess.run(
            [*command, "-F", str(sound), str(fonts / clip.font.path), str(score)], check=True, capture_output=True
        )
        y, sr = soundfile.read(sound, dtype="float32")
    y = y[: int((duration + 3) * sr)]
    peak = np.abs(y).max()
    if peak < 1e-4:
        raise ValueError(f"{clip.name} is silent: {clip.font.path} has no program {clip.program}.")
    soundfile.write(target, y / peak * rng.uniform(0.3, 0.95), sr, subtype="PCM_16")


def render_all(fonts: Path, folder: Path) -> None:
    """Render every clip that is missing, and write the rows of the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = list(collection())
    for number, clip in enumerate(clips):
        target = folder / f"{clip.name}.flac"
        if not target.exists():
            render(clip, fonts, target, np.random.default_rng((SEED, number)))
    rows = [clip.row(folder.name) for clip in clips]
    with (folder / "rendered.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
