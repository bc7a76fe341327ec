# shellcheck shell=bash
# The same parts by `docker compose`, where an engine answers and the images can be had.

docker_works() {
  command -v docker >/dev/null || return 1
  # A client without an engine is common; one whose engine hangs must not hang us.
  local limit=''
  if command -v timeout >/dev/null; then limit='timeout 10'; fi
  # shellcheck disable=SC2086 # no word or two
  $limit docker info >/dev/null 2>&1 && $limit docker compose version >/dev/null 2>&1
}

compose() {
  STACK_KAFKA_PORT=$(kafka_port) STACK_POSTGRES_PORT=$(postgres_port) STACK_REGISTRY_PORT=$(registry_port) \
    STACK_MAIL_PORT=$(mail_port) STACK_MAIL_WEB_PORT=$(mail_web_port) \
    docker compose --project-directory "$ROOT" -f "$ROOT/docker-compose.yml" -p "switchboard-$CHECKOUT_ID" "$@" </dev/null
}

compose_healthy() {
  local id
  id=$(compose ps -q "$1" 2>/dev/null) && [ -n "$id" ] && [ "$(docker inspect -f '{{.State.Health.Status}}' "$id")" = healthy ]
}

# docker_start <part...>: false if an image cannot be had; then nothing was started.
docker_start() {
  local part log=$LOG_DIR/docker.log started
  started=$(now_ms)
  for part in "$@"; do
    compose_healthy "$part" || docker_choose_ports "$part"
  done
  say_part docker "starting by docker compose: $*"
  # Creating pulls what is missing and starts nothing yet.
  compose create "$@" >"$log" 2>&1 || return 1
  compose up -d --wait "$@" >>"$log" 2>&1 || fail "docker compose up $*" "$log" "./scripts/stack logs $1, or STACK_MODE=native"
  say_part docker "ready ($(took "$started"))"
}

docker_choose_ports() {
  case "$1" in
    kafka) choose_port kafka "$KAFKA_PORT" ;;
    postgres) choose_port postgres "$POSTGRES_PORT" ;;
    registry) choose_port registry "$REGISTRY_PORT" ;;
    mail) choose_port mail "$MAIL_PORT" && choose_port mail-web "$MAIL_WEB_PORT" ;;
  esac
}

docker_down() {
  compose rm --stop --force "$@" >"$LOG_DIR/docker.log" 2>&1 ||
    fail "docker compose rm $*" "$LOG_DIR/docker.log" 'is the engine still running?'
}

# docker_delete <part...>: the parts are stopped already.
docker_delete() {
  local part
  for part in "$@"; do
    # Not each part has one.
    docker volume rm --force "switchboard-${CHECKOUT_ID}_$part" >>"$LOG_DIR/docker.log" 2>&1 ||
      fail "docker volume rm of $part" "$LOG_DIR/docker.log" 'is a container still using it?'
  done
}
