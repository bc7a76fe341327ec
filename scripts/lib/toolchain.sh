# shellcheck shell=bash
# What a build needs: Rust, a C compiler, and OpenSSL's headers for the Kafka client.

need_rust() {
  if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then PATH=$HOME/.cargo/bin:$PATH; fi
  command -v cargo >/dev/null ||
    fail 'cargo is not there' '' 'install Rust by https://rustup.rs; the version is in rust-toolchain.toml and comes by itself'
  cargo --version >/dev/null 2>"$LOG_DIR/cargo.log" ||
    fail 'cargo does not start' "$LOG_DIR/cargo.log" "rustup toolchain install $(toolchain_channel)"
  if ! command -v cc >/dev/null || ! command -v make >/dev/null || ! has_openssl; then
    apt_install 'a C compiler, make or OpenSSL with its headers (they build the Kafka client)' build-essential pkg-config libssl-dev
    has_openssl || fail 'the headers of OpenSSL are not found' "$LOG_DIR/install.log" 'set OPENSSL_DIR to where they are'
  fi
}

# Where the build looks for it: a folder that is named, pkg-config, and Homebrew's own place, which pkg-config does not know.
has_openssl() {
  [ -n "${OPENSSL_DIR:-}${OPENSSL_LIB_DIR:-}" ] || pkg-config --exists openssl 2>/dev/null ||
    { command -v brew >/dev/null && [ -e "$(brew --prefix openssl@3 2>/dev/null)/include/openssl/ssl.h" ]; }
}

toolchain_channel() { sed -n 's/^channel *= *"\(.*\)"/\1/p' "$ROOT/rust-toolchain.toml"; }

# Asked of cargo, since CARGO_TARGET_DIR is only one of the ways to set it.
target_folder() {
  (cd "$ROOT" && cargo metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
}

CARGO_DENY_VERSION=0.20.2

# need_cargo_deny: sets CARGO_DENY. Of this version, whatever else is installed.
need_cargo_deny() {
  local folder=$CACHE_DIR/cargo-deny-$CARGO_DENY_VERSION
  CARGO_DENY=$folder/bin/cargo-deny
  [ ! -x "$CARGO_DENY" ] || return 0
  say_part install "cargo-deny $CARGO_DENY_VERSION (checks licences and sources), compiled once per machine"
  # Unoptimised: it runs for seconds, and compiling takes half as long.
  CARGO_TARGET_DIR=$folder.part cargo install cargo-deny --version "$CARGO_DENY_VERSION" --locked --debug --root "$folder" \
    </dev/null >"$LOG_DIR/cargo-deny.log" 2>&1 ||
    fail 'cargo install cargo-deny' "$LOG_DIR/cargo-deny.log" 'check that cargo reaches its registry'
  rm -rf "$folder.part"
}
