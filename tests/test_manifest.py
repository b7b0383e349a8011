from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from songscore.errors import ManifestError
from songscore.results import SCORE, SONG
from songscore.training.data.files import check_files
from songscore.training.data.manifest import ROLES, Row, components, folds, read_manifest


def write(folder: Path, text: str) -> Path:
    path = folder / "music.csv"
    path.write_text(text, "utf-8")
    return path


def row(group: str, origin: str, label: str = SONG, kind: str = "pop") -> Row:
    roles: dict[str, str] = {SONG: "song", SCORE: "instrumental"}
    role = roles.get(label, "voice")
    return Row(Path("a.wav"), "a.wav", label, group, origin, role, kind, 1.0, "")


def test_a_line_of_three_columns_gets_the_defaults(tmp_path: Path) -> None:
    (found,) = read_manifest(write(tmp_path, f"path,label,group\nsub/a.wav,{SONG},Ann\n"))
    assert found == Row(tmp_path / "sub" / "a.wav", "sub/a.wav", SONG, "Ann", "Ann", "song", "song", 1.0, "")


def test_every_column_is_read_and_others_are_passed_over(tmp_path: Path) -> None:
    text = (
        f"note,licence,kind,weight,role,origin,group,label,path\nhm,CC0-1.0, folk ,0.5,pair,Shop,Ann,{SCORE},Ä b.wav\n"
    )
    (found,) = read_manifest(write(tmp_path, text), root="/music")
    assert found == Row(Path("/music/Ä b.wav"), "Ä b.wav", SCORE, "Ann", "Shop", "pair", "folk", 0.5, "CC0-1.0")


def test_a_doubt_is_read(tmp_path: Path) -> None:
    doubted, other = read_manifest(write(tmp_path, f"path,label,group,doubt\na,{SONG},A,a choir\nb,{SONG},B,\n"))
    assert (doubted.doubt, other.doubt) == ("a choir", "")


def test_the_sum_and_the_source_of_a_file_are_read(tmp_path: Path) -> None:
    (found,) = read_manifest(write(tmp_path, f"path,label,group,sha256,source\na,{SONG},A,00ff,apt:a=1\n"))
    assert (found.sha256, found.source) == ("00ff", "apt:a=1")


def sums(folder: Path) -> list[Row]:
    """A file as it was, one without a sum, one that has changed and one that is not there."""
    for name in ("same.wav", "any.wav", "changed.wav"):
        (folder / name).write_bytes(name.encode())
    lines = [
        f"same.wav,{SONG},A,{hashlib.sha256(b'same.wav').hexdigest()},",
        f"any.wav,{SONG},A,,",
        f"changed.wav,{SONG},A,{hashlib.sha256(b'before').hexdigest()},",
        f"missing.wav,{SONG},A,,apt:music=1.0",
    ]
    return read_manifest(write(folder, "\n".join(["path,label,group,sha256,source", *lines]) + "\n"))


def test_missing_and_changed_files_are_an_error_that_names_them(tmp_path: Path) -> None:
    rows = sums(tmp_path)
    now, before = (hashlib.sha256(content).hexdigest() for content in (b"changed.wav", b"before"))
    said = f"changed.wav has changed: its SHA-256 is {now}, not {before}; missing.wav (from apt:music=1.0) is missing."
    with pytest.raises(ManifestError, match=re.escape(said)):
        check_files(rows)
    kept, found = check_files(rows[:2])
    assert kept == rows[:2]
    assert found["any.wav"] == hashlib.sha256(b"any.wav").hexdigest()


def test_missing_and_changed_files_are_left_out_by_choice_and_reported(tmp_path: Path) -> None:
    rows, said = sums(tmp_path), list[str]()
    kept, found = check_files(rows, leave_out=True, report=said.append)
    assert kept == rows[:2]
    assert set(found) == {"same.wav", "any.wav"}
    assert [line.split()[2] for line in said] == ["changed.wav", "missing.wav"]


def test_an_error_names_a_few_files_and_counts_the_others(tmp_path: Path) -> None:
    lines = "".join(f"{i}.wav,{SONG},A\n" for i in range(9))
    with pytest.raises(ManifestError, match=r"4\.wav is missing; and 4 more\. "):
        check_files(read_manifest(write(tmp_path, f"path,label,group\n{lines}")))


def test_an_absolute_path_stays_as_it_is(tmp_path: Path) -> None:
    (found,) = read_manifest(write(tmp_path, f"path,label,group\n/music/a.wav,{SONG},Ann\n"), root="/elsewhere")
    assert found.path == Path("/music/a.wav")


@pytest.mark.parametrize(("label", "role"), [(SONG, "song"), (SCORE, "instrumental")])
def test_the_role_follows_from_the_label(tmp_path: Path, label: str, role: str) -> None:
    (found,) = read_manifest(write(tmp_path, f"path,label,group,role\na.wav,{label},Ann,\n"))
    assert found.role == role


@pytest.mark.parametrize("role", ROLES)
def test_a_role_needs_no_label(tmp_path: Path, role: str) -> None:
    (found,) = read_manifest(write(tmp_path, f"path,label,group,role\na.wav,,Ann,{role}\n"))
    assert (found.role, found.label) == (role, "")


def test_a_file_without_a_group_is_its_own(tmp_path: Path) -> None:
    (found,) = read_manifest(write(tmp_path, f"path,label,group\na.wav,{SONG},\n"))
    assert (found.group, found.origin) == ("a.wav", "a.wav")


GOOD = "a.wav,song,Ann,song,1\n"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("b.wav,music,Ann,song,1", "line 3: label 'music'; use 'song', "),
        (
            "b.wav,song,Ann,drums,1",
            "line 3: role 'drums'; use one of song, instrumental, voice, speech, sung speech, choir, other, pair",
        ),
        ("b.wav,,Ann,,1", "line 3: role ''; .* or give a label"),
        (",song,Ann,song,1", "line 3: no path"),
        (" ,song,Ann,song,1", "line 3: no path"),
        ("b.wav,song,Ann,song,much", "line 3: weight 'much' is not a number"),
        ("b.wav,song,Ann,song,-1", "line 3: weight -1.0 is not 0 or more"),
        ("b.wav,song,Ann,song,inf", "line 3: weight inf is not 0 or more"),
        ("b.wav,song,Ann,song,nan", "line 3: weight nan is not 0 or more"),
        ("b.wav", "line 3: role ''"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(ManifestError, match=f"music.csv, {complaint}"):
        read_manifest(write(tmp_path, f"path,label,group,role,weight\n{GOOD}{line}\n{GOOD}"))


@pytest.mark.parametrize(
    ("header", "missing"), [("path,label", "group"), ("file,label,group", "path"), ("", "group, label, path")]
)
def test_a_missing_column_is_named(tmp_path: Path, header: str, missing: str) -> None:
    with pytest.raises(ManifestError, match=f"no column {missing}; a manifest has path,label,group"):
        read_manifest(write(tmp_path, f"{header}\n{GOOD}"))


def test_a_manifest_of_nothing_but_a_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no rows"):
        read_manifest(write(tmp_path, "path,label,group\n"))


def test_a_manifest_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        read_manifest(tmp_path / "none.csv")


def test_a_manifest_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "music.csv"
    path.write_bytes("path,label,group\nä.wav,song,Ann\n".encode("latin-1"))
    with pytest.raises(ManifestError, match="utf-8"):
        read_manifest(path)


NAMES = st.sampled_from("abcdefgh")
ROWS = st.lists(
    st.builds(row, NAMES, NAMES.map(str.upper), st.sampled_from([SONG, SCORE, ""]), st.sampled_from(["pop", "film"])),
    min_size=1,
    max_size=60,
)


@given(rows=ROWS, n_folds=st.integers(1, 6))
def test_no_fold_splits_a_group_or_an_origin(rows: list[Row], n_folds: int) -> None:
    fold = folds(rows, n_folds)
    assert fold.shape == (len(rows),)
    assert set(fold) <= set(range(n_folds))
    for name in ("group", "origin"):
        assert len({(getattr(r, name), f) for r, f in zip(rows, fold, strict=True)}) == len(
            {getattr(r, name) for r in rows}
        )


@given(rows=ROWS, n_folds=st.integers(1, 6))
def test_the_same_rows_give_the_same_folds(rows: list[Row], n_folds: int) -> None:
    np.testing.assert_array_equal(folds(rows, n_folds), folds(list(rows), n_folds))


@given(rows=ROWS)
def test_components_are_all_rows_once(rows: list[Row]) -> None:
    assert sorted(index for component in components(rows) for index in component) == list(range(len(rows)))


def test_rows_hang_together_through_others() -> None:
    rows = [row("Ann", "Shop"), row("Ben", "Shop"), row("Ben", "Fair"), row("Cid", "Fair"), row("Dora", "Attic")]
    assert sorted(components(rows)) == [[0, 1, 2, 3], [4]]


def test_a_group_and_an_origin_of_one_name_are_two_things() -> None:
    assert len(components([row("Ann", "Shop"), row("Ben", "Ann")])) == 2


def test_every_fold_gets_its_part_of_every_kind_and_label() -> None:
    kinds = [("pop", SONG), ("pop", SCORE), ("film", SONG), ("film", SCORE), ("choir", "")]
    rows = [row(f"{k}{label}{i // 2}", f"{k}{label}{i // 2}", label, k) for k, label in kinds for i in range(20)]
    fold = folds(rows, 5)
    count = Counter((r.kind, r.label, f) for r, f in zip(rows, fold, strict=True))
    assert count == {(kind, label, f): 4 for kind, label in kinds for f in range(5)}


def test_a_label_that_is_one_large_group_and_small_ones_still_reaches_every_fold() -> None:
    large = [row("Large", "Large", SCORE) for _ in range(50)]
    small = [row(f"Small {i}", f"Small {i}", SCORE) for i in range(10)]
    songs = [row(f"Band {i}", f"Band {i}", SONG) for i in range(30)]
    rows = songs + small + large
    fold = folds(rows, 3)
    for label, at_least in ((SCORE, 5), (SONG, 10)):
        assert min(Counter(f for r, f in zip(rows, fold, strict=True) if r.label == label).values()) >= at_least
        assert {f for r, f in zip(rows, fold, strict=True) if r.label == label} == {0, 1, 2}
