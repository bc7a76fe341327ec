# shellcheck shell=bash disable=SC2034 # read by the other files
# Where things are. Everything that a run makes is under .stack/ of this checkout; only downloads are shared between checkouts.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
STACK_DIR=$ROOT/.stack
TEMPLATES=$ROOT/scripts/stack.d
# Without a home, as in some containers and services, in the checkout.
CACHE_DIR=${XDG_CACHE_HOME:-${HOME:-$STACK_DIR}/.cache}/switchboard
RUN_DIR=$STACK_DIR/run
LOG_DIR=$STACK_DIR/logs
PORT_DIR=$STACK_DIR/ports
# The ports that were asked for, which are not always those that were free.
WANTED_DIR=$STACK_DIR/wanted
# The one that docker-compose.yml gives to the services. Not in .stack/, which `stack reset` deletes.
TOKENS_FILE=${API_TOKENS_FILE:-$ROOT/.api-tokens}
case "$TOKENS_FILE" in /*) ;; *) TOKENS_FILE=$ROOT/$TOKENS_FILE ;; esac
# Tells this checkout's containers and folders from those of another checkout.
CHECKOUT_ID=$(printf '%s' "$ROOT" | cksum | cut -d ' ' -f 1)

can_write_in() { mkdir -p "$1" 2>/dev/null && [ -w "$1" ]; }

make_stack_folders() {
  local folder
  for folder in "$RUN_DIR" "$LOG_DIR" "$PORT_DIR" "$WANTED_DIR"; do
    can_write_in "$folder" ||
      fail "$folder cannot be made or written to" '' \
        "everything that a run makes is in .stack/ of the checkout: clone it to where you may write (git clone $ROOT somewhere), or mend its owner and mode"
  done
  can_write_in "$CACHE_DIR" ||
    fail "$CACHE_DIR cannot be made or written to" '' 'downloads are kept there: set XDG_CACHE_HOME to a folder where you may write'
}

# file_key <file>: changes when its content does; names a cache folder.
file_key() { cksum <"$1" | cut -d ' ' -f 1; }
