#!/usr/bin/env bash
# Prepares a release: `bash release.sh 0.2.0` checks that the version, the changelog, the citation and the tag agree, runs
# every check, builds both archives into dist/, installs each in a clean environment, and makes the tag. It uploads
# nothing.
set -euo pipefail
cd "$(dirname "$0")"
version=${1:?"which version? bash release.sh 0.2.0"}

stop() {
    echo "release.sh: $1" >&2
    exit 1
}

[ -z "$(git status --porcelain)" ] || stop "there are changes that are not committed"
grep -qx "version = \"$version\"" pyproject.toml || stop "pyproject.toml has another version than $version"
grep -qx "version: $version" CITATION.cff || stop "CITATION.cff has another version than $version"
grep -q "^## $version (20[0-9-]*)\$" CHANGELOG.md || stop "CHANGELOG.md has no heading '## $version (DATE)'"
! git rev-parse -q --verify "refs/tags/v$version" >/dev/null || stop "the tag v$version exists"

bash check.sh
rm -rf dist
.venv/bin/hatchling build
for archive in "dist/songscore-$version-py3-none-any.whl" "dist/songscore-$version.tar.gz"; do
    .venv/bin/python -m venv --clear --without-pip dist/try
    .venv/bin/python -m pip --python dist/try install --quiet "$archive"
    [ "$(dist/try/bin/songscore --version)" = "songscore, version $version" ] || stop "$archive holds another version"
    dist/try/bin/songscore demo
done
rm -rf dist/try
git tag --annotate "v$version" --message "songscore $version"
echo "dist/ holds the archives, and the tag v$version is made. Next: git push --tags, and upload dist/*."
