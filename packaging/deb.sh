#!/bin/sh
# Builds the Debian package and prints its path. Needs cargo-deb (cargo install cargo-deb).
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}

cargo build --release --quiet
mkdir -p "$target/completions"
"$target/release/holdfast" completions bash >"$target/completions/holdfast.bash"
"$target/release/holdfast" completions zsh >"$target/completions/_holdfast"
"$target/release/holdfast" completions fish >"$target/completions/holdfast.fish"
# cargo-deb finds the program in any target directory, other files only below this one.
if [ "$target" != target ]; then
    mkdir -p target
    rm -rf target/completions
    cp -r "$target/completions" target/
fi
cargo deb --quiet --no-build --output "$target/holdfast.deb" >/dev/null
echo "$target/holdfast.deb"
