# shellcheck shell=bash disable=SC2034 # read by the other files
# Where things are. Everything that a run makes is under .stack/ of this checkout; only downloads are shared between checkouts.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
STACK_DIR=$ROOT/.stack
TEMPLATES=$ROOT/scripts/stack.d
CACHE_DIR=${XDG_CACHE_HOME:-$HOME/.cache}/switchboard
RUN_DIR=$STACK_DIR/run
LOG_DIR=$STACK_DIR/logs
PORT_DIR=$STACK_DIR/ports
# Tells this checkout's containers and folders from those of another checkout.
CHECKOUT_ID=$(printf '%s' "$ROOT" | cksum | cut -d ' ' -f 1)

make_stack_folders() { mkdir -p "$RUN_DIR" "$LOG_DIR" "$PORT_DIR" "$CACHE_DIR"; }

# file_key <file>: changes when its content does; names a cache folder.
file_key() { cksum <"$1" | cut -d ' ' -f 1; }
