# shellcheck shell=bash
# The project's own services as background processes, for the demo. Built by the caller.

VOICE_INGEST_PORT=${STACK_VOICE_INGEST_PORT:-8001}
HEALTHCORE_PUBLISHER_PORT=${STACK_HEALTHCORE_PUBLISHER_PORT:-8003}
SERVICES='voice-ingest healthcore-publisher'

service_preferred_port() {
  case "$1" in
    voice-ingest) printf '%s\n' "$VOICE_INGEST_PORT" ;;
    healthcore-publisher) printf '%s\n' "$HEALTHCORE_PUBLISHER_PORT" ;;
  esac
}

service_port() { port_of "$1" "$(service_preferred_port "$1")"; }
service_url() { printf 'http://127.0.0.1:%s\n' "$(service_port "$1")"; }
service_ready() { [ "$(http_status "$(service_port "$1")" /readyz)" = 200 ]; }

# service_lets_in <name>: whoever has the token in API_TOKEN. Each service knows that path, though not in each role.
service_lets_in() {
  case "$(http_status "$(service_port "$1")" /api/v1/consumer "Authorization: Bearer $API_TOKEN")" in '' | 401 | 403) return 1 ;; esac
}

# The names of all settings, with the forms that a secret has; each is in .env.example as a comment, #NAME=default.
service_settings() {
  sed -n 's/^#\([A-Z][A-Z0-9_]*\)=.*/\1/p' "$ROOT/.env.example" | sed 'p;s/$/_FILE/'
}

# What a running service was started from: a new build, another value of any setting or another content of a file that one names
# asks for a new start.
service_fingerprint() {
  {
    stat -c '%s %Y' "$1" 2>/dev/null || stat -f '%z %m' "$1"
    local name
    # Each KAFKA_ name, since some have others beside their own.
    for name in $(service_settings) $(env | sed -n 's/^\(KAFKA_[A-Z0-9_]*\)=.*/\1/p' | sort); do
      [ -n "${!name+set}" ] || continue
      printf '%s=%s\n' "$name" "${!name}"
      case "$name" in *_FILE | *FILE) cat "${!name}" 2>/dev/null || true ;; esac
    done
  } | cksum | cut -d ' ' -f 1
}

# service_start <name> <binary>: leaves it alone where the same one runs already. True when it was started.
service_start() {
  local name=$1 binary=$2 fingerprint
  fingerprint=$(service_fingerprint "$binary")
  if [ -n "$(process_id "$name")" ]; then
    # Not ready is no reason: it may be waiting for a Kafka that was started a moment ago.
    if [ "$fingerprint" = "$(cat "$RUN_DIR/$name.from" 2>/dev/null)" ] && ! port_moved "$name"; then return 1; fi
    stop_process "$name" 20
  fi
  choose_port "$name" "$(service_preferred_port "$name")"
  printf '%s\n' "$fingerprint" >"$RUN_DIR/$name.from"
  # Elsewhere than in the checkout: a .env there is for another Kafka than this one.
  HTTP_BIND=127.0.0.1:$(cat "$PORT_DIR/$name") LOG_FORMAT=${LOG_FORMAT:-text} LAUNCH_IN=$RUN_DIR \
    launch "$name" "$binary" "$binary"
}

# service_wait <name>
service_wait() {
  wait_healthy "$1" 60 service_ready "$1" && return 0
  if [ -n "$(process_id "$1")" ]; then
    fail "$1 runs but $(service_url "$1")/readyz is not 200 after 60 s" "$(log_file "$1")" \
      "curl $(service_url "$1")/readyz says which check fails; ./scripts/stack status says what runs"
  fi
  fail "$1 ended while starting" "$(log_file "$1")" "mend what the log says and run this again"
}

services_stop() {
  local name
  for name in $SERVICES; do
    [ ! -e "$(pid_file "$name")" ] || { stop_process "$name" 20 && rm -f "$RUN_DIR/$name.from"; }
  done
}

# service_composed <name>: it runs in a container, well or not, by docker-compose.yml.
service_composed() { [ "$(mode)" = docker ] && compose_runs "$1"; }

composed_services() {
  local name
  for name in $SERVICES; do ! service_composed "$name" || return 0; done
  return 1
}
