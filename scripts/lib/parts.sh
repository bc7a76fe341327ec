# shellcheck shell=bash
# Starts, stops and describes the parts, whichever way they run. Each part's own file has its start, wait, stop, delete,
# healthy, address and exports.

ALL_PARTS='kafka postgres registry mail'

# users_own <part>: the user brings a Kafka or a PostgreSQL of their own; it is used and never touched. Values that came out of
# `stack env` (of this or another checkout) are not the user's own: STACK_OWN lists them.
users_own() {
  local name value
  case "$1" in
    kafka | postgres) name=$("${1}_own_variable") ;;
    *) return 1 ;;
  esac
  value=${!name:-}
  [ -n "$value" ] || return 1
  case " ${STACK_OWN:-} " in
    *" $value "*) return 1 ;;
  esac
}

# yours_answers <brokers or database URL> <usual port>: somebody listens at one of its addresses. Where it names none, as a socket's folder, it
# is taken to.
yours_answers() {
  local address addresses limit
  limit=$(command -v timeout || true)
  addresses=$(printf '%s\n' "$1" | sed -e 's|[a-zA-Z_+]*://||g' -e 's|^[^/?]*@||' -e 's|[/?].*||' | tr -d ' "[]' | tr ',' '\n')
  for address in $addresses; do
    case "$address" in
      *:*:* | *%*) return 0 ;;
      *:*) ;;
      *) address=$address:$2 ;;
    esac
    ! ${limit:+$limit 5} "$BASH" -c "exec 3<>'/dev/tcp/${address%:*}/${address##*:}'" 2>/dev/null || return 0
  done
  [ -z "$addresses" ]
}

without_password() { printf '%s\n' "$1" | sed 's|//[^@/]*@|//***@|'; }

mode() { cat "$STACK_DIR/mode" 2>/dev/null || true; }

running_pid() {
  if [ "$1" = postgres ]; then postgres_running_pid; else process_id "$1"; fi
}

# part_runs <part>: well or not, by this checkout.
part_runs() {
  if [ "$(mode)" = docker ]; then compose_runs "$1"; else [ -n "$(running_pid "$1")" ]; fi
}

native_runs() {
  local part
  for part in $ALL_PARTS; do [ -z "$(running_pid "$part")" ] || return 0; done
  return 1
}

# part_up: healthy, and by this checkout.
part_up() {
  if [ "$(mode)" = docker ]; then
    compose_healthy "$1"
  else
    [ -n "$(running_pid "$1")" ] && "${1}_healthy"
  fi
}

# part_moved <part>: it is to have another port than the one that it has.
part_moved() {
  case "$1" in
    # In a container the controller has a fixed port.
    kafka) port_moved kafka || { [ "$(mode)" != docker ] && port_moved kafka-controller; } ;;
    mail) port_moved mail || port_moved mail-web ;;
    *) port_moved "$1" ;;
  esac
}

# What of STACK_* the scripts read, or `stack env` exports.
STACK_SETTINGS='MODE OWN KAFKA_PORT KAFKA_CONTROLLER_PORT POSTGRES_PORT REGISTRY_PORT MAIL_PORT MAIL_WEB_PORT VOICE_INGEST_PORT
HEALTHCORE_PUBLISHER_PORT KAFKA_LIBS REGISTRY_APP JAVA PG_BIN PGBOUNCER'

# A mistyped setting would have no effect and say nothing.
tell_unknown_settings() {
  local name
  for name in $(env | sed -n 's/^STACK_\([A-Z0-9_]*\)=.*/\1/p'); do
    # shellcheck disable=SC2086 # a list of words
    printf '%s\n' $STACK_SETTINGS | grep -qx "$name" || say_part stack "STACK_$name is not a setting and has no effect"
  done
}

# parts_up <native|docker|''> <part...>
parts_up() {
  local forced=$1 part missing=''
  shift
  make_stack_folders
  tell_unknown_settings
  check_ports
  need_engine "$forced"
  join_compose
  for part in "$@"; do
    if users_own "$part"; then
      local name
      name=$("${part}_own_variable")
      yours_answers "${!name}" "$([ "$part" = kafka ] && echo 9092 || echo 5432)" || fail "nothing answers at $(without_password "${!name}"), which $name names" '' \
        "start it, correct $name, or unset it: then a $part of this checkout is started"
      say_part "$part" "yours: $(without_password "${!name}") ($name is set; not started, never reconfigured)"
    elif ! { [ -z "$forced" ] || [ "$forced" = "$(mode)" ]; } || part_moved "$part" || ! part_up "$part"; then
      missing="$missing $part"
    fi
  done
  if [ -n "$missing" ]; then
    # One at a time on a machine: two checkouts would choose the same free ports and download the same files.
    exec 9>"$CACHE_DIR/up.lock"
    if command -v flock >/dev/null; then
      flock -n 9 || { say_part stack 'waiting for another start on this machine' && flock 9; }
    fi
    # shellcheck disable=SC2086 # a list of words
    start_missing "$forced" $missing
    exec 9>&-
  fi
}

# Before anything is stopped or started.
check_ports() {
  local name value
  for name in $(env | sed -n 's/^\(STACK_[A-Z_]*_PORT\)=.*/\1/p'); do
    value=${!name}
    is_port "$value" || fail "$name is '$value'" '' 'set it to a number from 1 to 65535, or unset it'
  done
}

# need_engine <native|docker|''>: where the parts are to be containers, or are, and nobody could start or stop them.
need_engine() {
  [ "${1:-$(mode)}" = docker ] || { [ "$1" = native ] && [ "$(mode)" = docker ]; } || return 0
  docker_works && return 0
  if [ "$1" = docker ]; then
    fail 'no Docker engine with compose answers (docker info, docker compose version)' '' 'start the engine, or use STACK_MODE=native'
  fi
  fail 'the parts of this checkout are containers, and no Docker engine answers (docker info, docker compose version)' '' \
    "start the engine; or let the containers be and start afresh natively: rm $STACK_DIR/mode && STACK_MODE=native ./scripts/stack up"
}

start_missing() {
  local forced=$1 chosen
  shift
  chosen=${forced:-$(mode)}
  if [ -n "$forced" ] && [ -n "$(mode)" ] && [ "$forced" != "$(mode)" ]; then
    say_part stack "stopping what runs the $(mode) way"
    # shellcheck disable=SC2086
    parts_down $ALL_PARTS
  fi
  if [ -z "$chosen" ]; then
    if docker_works; then chosen=docker; else chosen=native; fi
  fi
  if [ "$chosen" = docker ]; then
    docker_start "$@" && return 0
    [ "$forced" != docker ] || fail "$DOCKER_STEP" "$LOG_DIR/docker.log" 'mend what the lines above say, or use STACK_MODE=native'
    say_part docker "$DOCKER_STEP: $(tail -n 1 "$LOG_DIR/docker.log"); going on without Docker"
  fi
  printf 'native\n' >"$STACK_DIR/mode"
  native_start "$@"
}

# All start before any is waited for: the slowest one counts, not the sum.
native_start() {
  local part pid started
  started=$(now_ms)
  for part in "$@"; do
    pid=$(running_pid "$part")
    if [ -n "$pid" ]; then
      if part_moved "$part"; then
        say_part "$part" "is on $("${part}_address") and was given another port; starting it again there"
      else
        # Perhaps it is only still starting, for another call.
        "${part}_wait" && continue
        say_part "$part" 'runs but does not answer; starting it again'
      fi
      "${part}_stop"
    fi
    end_orphans "$part"
    "${part}_start"
  done
  for part in "$@"; do
    "${part}_wait" ||
      fail "$part does not become healthy" "$(log_file "$part")" "$(remedy_of "$part")"
    say_part "$part" "ready after $(took "$started") on $("${part}_address")"
  done
}

# remedy_of <part>: data is deleted only where that may help.
remedy_of() {
  if [ -n "$(running_pid "$1")" ]; then
    printf 'it runs and may only need longer: run this again, which waits on (./scripts/stack logs %s)\n' "$1"
  elif grep -qi 'address already in use' "$(log_file "$1")" 2>/dev/null; then
    printf 'another program took its port meanwhile: run this again, or set STACK_%s_PORT\n' "$(shout "$1")"
  else
    printf 'the lines above say why; where its data is broken, ./scripts/stack reset %s deletes them and starts afresh\n' "$1"
  fi
}

# A broker whose pid file was deleted holds the data folder's lock.
end_orphans() {
  local pid
  case "$1" in
    kafka | registry)
      for pid in $(process_ids_with "$("${1}_marker")"); do stop_pid "$pid" 10; done
      ;;
  esac
}

# parts_down <part...>
parts_down() {
  local part
  if [ "$(mode)" = docker ]; then
    docker_down "$@"
  else
    for part in "$@"; do
      # In parallel: Kafka's orderly stop takes longest.
      { "${part}_stop" && end_orphans "$part"; } &
    done
    wait
  fi
}

# parts_delete <part...>: data, not downloads.
parts_delete() {
  local part
  if [ -s "$STACK_DIR/compose-project" ]; then docker_delete "$@"; fi
  for part in "$@"; do
    "${part}_delete"
    rm -f "$PORT_DIR/$part" "$WANTED_DIR/$part"
  done
}

# part_needed <part>: nothing works without it, so that its address is told also while it is down. The default of a program would
# be somebody else's server.
part_needed() {
  case "$1" in
    kafka | postgres) say "$1 does not run: ./scripts/stack up" >&2 ;;
    *) return 1 ;;
  esac
}

export_line() { printf 'export %s=%q\n' "$1" "$2"; }

# The lines of `stack env`.
parts_exports() {
  local part own='' name
  for part in $ALL_PARTS; do
    if users_own "$part"; then
      name=$("${part}_own_variable")
      export_line "$name" "${!name}"
    elif part_up "$part" || part_needed "$part"; then
      "${part}_exports"
      case "$part" in
        kafka) own="$own $(kafka_address)" ;;
        postgres) own="$own $(postgres_url)" ;;
      esac
    fi
  done
  export_line STACK_OWN "${own# }"
  # So that a plain `docker compose` means the same containers.
  if [ "$(mode)" = docker ]; then compose_exports; fi
  for name in $SERVICES; do
    export_line "$(shout "$name")_URL" "$(service_url "$name")"
  done
  [ ! -d "$(kafka_libs)" ] || export_line STACK_KAFKA_LIBS "$(kafka_libs)"
  [ ! -d "$(registry_app)" ] || export_line STACK_REGISTRY_APP "$(registry_app)"
  [ ! -s "$STACK_DIR/java" ] || export_line STACK_JAVA "$(cat "$STACK_DIR/java")"
  name=$(find_postgres)
  [ -z "$name" ] || export_line STACK_PG_BIN "$name"
  name=${STACK_PGBOUNCER:-$(find_pgbouncer)}
  [ -z "$name" ] || export_line STACK_PGBOUNCER "$name"
}
