from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from sounds import rendered

mpl.use("agg")

from matplotlib import pyplot as plt

from songscore import (
    AudioError,
    classify_release,
    plot_contributions,
    plot_curves,
    plot_features,
    plot_release,
    plot_timeline,
)
from songscore.demo import render_song
from songscore.display.plotting.axes import families
from songscore.features.segments import VOICE_THRESHOLD
from songscore.release import ReleaseResult
from songscore.results import Contribution, Segment, TrackResult, VocalTimeline

TIMES = np.arange(0, 20, 0.08) + 0.05
SOUND = rendered(render_song, 16_000)
SHORT = SOUND[0][:, : 6 * 16_000], 16_000


def song(**changes: object) -> TrackResult:
    voice = ((TIMES > 3) & (TIMES < 18)).astype(np.float32)
    fields: dict[str, object] = {
        "path": None,
        "label": "song",
        "song_probability": 0.9,
        "certain": True,
        "vocal_segments": (Segment(3, 8, 1.0), Segment(9, 18, 1.0)),
        "timeline": VocalTimeline(TIMES, voice),
        "duration": 20.0,
    }
    return TrackResult(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


# Timelines


def test_the_curve_the_passages_and_the_threshold_are_drawn() -> None:
    ax = plot_timeline(song())
    curve, threshold = ax.lines
    np.testing.assert_array_equal(curve.get_xdata(), TIMES)
    assert list(threshold.get_ydata()) == [VOICE_THRESHOLD] * 2
    assert [(patch.get_x(), patch.get_width()) for patch in ax.patches] == [(3, 5), (9, 9)]


def test_the_curve_breaks_off_where_nothing_was_heard() -> None:
    heard = (TIMES < 5) | (TIMES > 12)
    voice = np.ones(heard.sum(), np.float32)
    ax = plot_timeline(song(timeline=VocalTimeline(TIMES[heard], voice), vocal_segments=(), duration=25.0))
    lines = [(line.get_xdata()[0], line.get_xdata()[-1]) for line in ax.lines[:2]]
    np.testing.assert_allclose(lines, [(0.05, 4.93), (12.05, 19.97)])
    shades = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in ax.patches]
    np.testing.assert_allclose(shades, [(4.93, 12.05), (19.97, 25)])
    assert "not heard" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_axes_are_labelled_with_units_and_time_is_minutes_and_seconds() -> None:
    ax = plot_timeline(song())
    ax.figure.canvas.draw()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (min:s)", "probability of a voice")
    assert "0:10" in [text.get_text() for text in ax.get_xticklabels()]
    assert ax.get_xlim() == (0, 20)


@pytest.mark.parametrize("duration", [5, 20, 200, 3600, 40_000])
def test_the_time_axis_has_few_marks_whatever_the_length(duration: float) -> None:
    ax = plot_timeline(song(duration=duration))
    assert 4 <= len([t for t in ax.get_xticks() if 0 <= t <= duration]) <= 14


def test_the_title_has_the_verdict_and_says_when_it_is_in_doubt() -> None:
    assert plot_timeline(song()).get_title("left") == "samples in memory\nsong, P(song) = 0.90"
    assert plot_timeline(song(certain=False)).get_title("left").endswith("in doubt")


def test_a_long_or_odd_file_name_can_be_drawn() -> None:
    ax = plot_timeline(song(path="$x^$" + "\udcff" + "long " * 30 + ".mp3"))
    ax.figure.savefig(io.BytesIO())
    assert len(ax.get_title("left")) < 100


def test_it_draws_into_the_axes_that_it_is_given() -> None:
    fig, axes = plt.subplots(2)
    assert plot_timeline(song(), axes[1]) is axes[1]
    assert fig.axes == list(axes)


def test_a_source_puts_the_mel_spectrum_beneath() -> None:
    ax = plot_timeline(song(), source=SOUND)
    _, below = ax.figure.axes
    (image,) = below.images
    assert image.get_array().shape[0] == 80
    assert below.get_ylabel() == "frequency (Hz)"
    assert below.get_xlim() == ax.get_xlim()
    assert below.get_position().y1 < ax.get_position().y0


def test_the_file_of_the_track_is_read_where_no_source_is_given(album: Path) -> None:
    assert len(plot_timeline(song(path=str(album / "02 End Credits.flac"))).figure.axes) == 2


def test_without_a_readable_file_there_is_only_the_curve() -> None:
    assert len(plot_timeline(song(path="gone.flac")).figure.axes) == 1


def test_a_source_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(AudioError, match=r"gone\.flac"):
        plot_timeline(song(), source="gone.flac")


def test_the_spectrum_finds_room_in_axes_that_belong_to_no_grid() -> None:
    fig = plt.figure()
    ax = fig.add_axes((0.1, 0.1, 0.8, 0.8))
    plot_timeline(song(), ax, source=SOUND)
    _, below = fig.axes
    assert below.get_position().y0 == pytest.approx(0.1)
    assert below.get_position().y1 < ax.get_position().y0
    assert ax.get_position().y1 == pytest.approx(0.9)


def test_the_spectrum_of_a_long_sound_is_drawn_in_few_columns() -> None:
    ax = plot_timeline(song(duration=300.0), source=(np.zeros(300 * 8000, np.float32), 8000))
    assert ax.figure.axes[1].images[0].get_array().shape[1] <= 1500


def test_a_track_without_a_timeline_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match=r"notes\.mp3 has no timeline: its status is 'unreadable'"):
        plot_timeline(TrackResult(path="notes.mp3", status="unreadable"))


# Releases


def track(p: float | None, duration: float | None = 100.0, name: str = "01 Main Title.flac", certain: bool = True):
    label = None if p is None else "song" if p >= 0.5 else "instrumental score"
    status = "unreadable" if p is None else "ok"
    return TrackResult(
        path=f"A/{name}", label=label, song_probability=p, certain=certain, status=status, duration=duration
    )


def strip(*tracks: TrackResult) -> plt.Axes:
    return plot_release(classify_release(tracks))


def test_a_track_is_as_wide_as_it_is_long_and_one_of_unknown_length_as_the_median() -> None:
    ax = strip(track(0.1, 60.0), track(0.1, 90.0), track(None, None), track(0.1, 300.0))
    bars = ax.containers[0]
    assert [bar.get_x() for bar in bars] == [0, 60, 150, 240]
    assert ax.get_xlim() == (0, 540)


def test_blue_is_score_orange_is_song_pale_is_between_and_grey_has_no_label() -> None:
    score, between, song_bar, unknown = (
        bar.get_facecolor() for bar in strip(*map(track, (0, 0.5, 1, None))).containers[0]
    )
    assert score[2] > score[0] + 0.5
    assert song_bar[0] > song_bar[2] + 0.5
    assert min(between) > 0.9
    assert mpl.colors.to_hex(unknown) == "#bbbbbb"


def test_only_tracks_in_doubt_are_hatched() -> None:
    bars = strip(track(0.9), track(0.9, certain=False), track(None)).containers[0]
    assert [bool(bar.get_hatch()) for bar in bars] == [False, True, False]


def test_names_stand_where_they_fit_and_are_cut_where_they_are_too_long() -> None:
    ax = strip(track(0.1, 200, "short.mp3"), track(0.1, 5, "narrow.mp3"), track(0.1, 200, "x" * 300 + ".mp3"))
    ax.figure.canvas.draw()
    whole, cut = ax.texts
    assert whole.get_text() == "short"
    assert cut.get_text().endswith("…")
    assert cut.get_window_extent().y1 < ax.get_window_extent().y1


def test_the_release_is_named_with_its_verdict_and_a_colour_bar() -> None:
    ax = strip(*[track(0.999)] * 4)
    assert ax.get_title("left") == "A\nsoundtrack, 100% songs (100% to 100%)"
    assert ax.figure.axes[1].get_ylabel() == "song probability"


def test_a_release_is_drawn_into_the_axes_that_it_is_given() -> None:
    fig, axes = plt.subplots(2)
    assert plot_release(classify_release([track(0.9)]), axes[1]) is axes[1]
    fig.savefig(io.BytesIO())


def test_a_release_without_tracks_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="B has no tracks"):
        plot_release(ReleaseResult(path="B"))


# Reasons


def test_the_strongest_reasons_are_bars_from_the_top_down_and_coloured_by_direction() -> None:
    reasons = tuple(Contribution(f"f{i}", 1.0, x, f"meaning {i}") for i, x in enumerate((2.0, -1.0, 0.5)))
    ax = plot_contributions(song(contributions=reasons), most=2)
    up, down = ax.containers[0]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["meaning 0", "meaning 1"]
    assert (up.get_width(), down.get_width()) == (2, -1)
    assert up.get_facecolor()[0] > down.get_facecolor()[0]
    assert ax.yaxis_inverted()


def test_reasons_that_were_not_kept_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="the track has no contributions; classify_track gives them"):
        plot_contributions(song())


# Curves


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_voice_spectrum_pitches_and_onsets_share_the_time_of_the_track(style: str) -> None:
    with plt.style.context(style):
        axes = plot_curves(*SHORT)
        axes[0].figure.savefig(io.BytesIO())
    labels = ["probability\nof a voice", "frequency (Hz)", "pitch class", "onset strength\n(dB)"]
    assert [ax.get_ylabel() for ax in axes] == labels
    assert {ax.get_xlim()[0] for ax in axes} == {0}
    (end,) = {ax.get_xlim()[1] for ax in axes}
    spectrum = axes[1].collections[0].get_coordinates()
    assert spectrum[0, 0, 0] < 0.1
    assert spectrum[0, -1, 0] == pytest.approx(end, abs=0.1)
    assert axes[0].lines[0].get_xdata()[-1] == pytest.approx(end, abs=0.1)
    assert "beats per minute" in axes[0].get_title("left")
    assert [text.get_text() for text in axes[2].get_yticklabels()][:3] == ["C", "D", "E"]


def test_curves_are_drawn_into_four_axes() -> None:
    _, axes = plt.subplots(4)
    assert list(plot_curves(SHORT, axes=axes)) == list(axes)
    with pytest.raises(ValueError, match="4 Axes are needed, not 2"):
        plot_curves(SHORT, axes=axes[:2])


# A library's features


def library(n: int = 40) -> dict[str, Any]:
    """A table in which one feature tells the kinds apart, one does so the other way round, and one does not."""
    random = np.random.default_rng(0)
    is_song = np.arange(n) % 2 == 1
    return {
        "path": [f"{i}.flac" for i in range(n)],
        "label": ["song" if s else "instrumental score" for s in is_song],
        "noise": random.normal(size=n),
        "rms_q10": -3.0 * is_song + random.normal(size=n),
        "voice_mean": np.where(is_song, 5.0, 0.0) + random.normal(size=n) / 10,
        "constant": np.ones(n),
    }


@pytest.mark.parametrize("frame", [dict, "pandas", "polars"])
def test_features_are_ordered_by_how_well_they_tell_songs_from_scores(frame: Any) -> None:
    table = frame(library()) if frame is dict else pytest.importorskip(frame).DataFrame(library())
    axes = plot_features(table)
    assert [ax.get_title("left").split("\n")[0] for ax in axes] == ["voice_mean", "rms_q10", "noise"]
    assert axes[0].get_title("left").endswith("AUC 1.00")
    assert [ax.get_xlabel() for ax in axes] == ["log-odds", "ratio", ""]
    labels = [text.get_text() for text in axes[0].get_legend().get_texts()]
    assert labels == ["20 instrumental score", "20 song"]
    axes[0].figure.savefig(io.BytesIO())


def test_the_area_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    from songscore.display.plotting.features import auc

    first, second = np.array([0.0, 1, 2, 2]), np.array([1.0, 2, 3])
    assert auc(first, second) == pytest.approx(roc_auc_score([0] * 4 + [1] * 3, [*first, *second]))


def test_missing_numbers_and_labels_are_passed_over() -> None:
    table = library()
    table["voice_mean"][:3] = np.nan
    table["label"][5] = None
    axes = plot_features(table, axes=plt.subplots(2)[1])
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["18 instrumental score", "18 song"]


def test_two_kinds_of_labels_are_needed() -> None:
    with pytest.raises(ValueError, match=r"labels of two kinds are needed, not 1: \['song'\]"):
        plot_features({"a": [1.0, 2.0]}, ["song", "song"])
    with pytest.raises(ValueError, match="no column holds different numbers"):
        plot_features({"a": [1.0, 1.0]}, ["song", "score"])
    with pytest.raises(ValueError, match="3 labels for 2 tracks in a"):
        plot_features({"a": [1.0, 2.0]}, ["song", "score", "song"])


# What all figures share


def test_names_in_any_script_have_the_default_font_first() -> None:
    assert families()[0] == "sans-serif"
    assert set(families()[1:]) <= {font.name for font in mpl.font_manager.fontManager.ttflist}


@pytest.mark.processes
def test_importing_the_module_does_not_import_matplotlib() -> None:
    program = "import songscore.display.plotting, sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
