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

# As a plain `docker compose` in this checkout: by its rule for the project's name, which is COMPOSE_PROJECT_NAME or the folder's
# name, and by the same variables for the ports. The services are named where they are meant.
compose() {
  STACK_KAFKA_PORT=$(kafka_port) STACK_POSTGRES_PORT=$(postgres_port) STACK_REGISTRY_PORT=$(registry_port) \
    STACK_MAIL_PORT=$(mail_port) STACK_MAIL_WEB_PORT=$(mail_web_port) \
    docker compose --project-directory "$ROOT" -f "$ROOT/docker-compose.yml" --profile services "$@" </dev/null
}

compose_project() { compose config 2>/dev/null | sed -n 's/^name: *//p'; }

compose_exports() {
  export_line STACK_KAFKA_PORT "$(kafka_port)"
  export_line STACK_POSTGRES_PORT "$(postgres_port)"
  export_line STACK_REGISTRY_PORT "$(registry_port)"
  export_line STACK_MAIL_PORT "$(mail_port)"
  export_line STACK_MAIL_WEB_PORT "$(mail_web_port)"
}

compose_healthy() {
  local id
  id=$(compose ps -q "$1" 2>/dev/null) && [ -n "$id" ] && [ "$(docker inspect -f '{{.State.Health.Status}}' "$id")" = healthy ]
}

# Two checkouts in folders of one name would take each other's containers.
refuse_strangers() {
  local project folder
  project=$(compose_project)
  docker ps -a --filter "label=com.docker.compose.project=$project" \
    --format '{{.Label "com.docker.compose.project.working_dir"}}' 2>/dev/null | sort -u | while read -r folder; do
    [ "$(cd "$folder" 2>/dev/null && pwd -P)" = "$ROOT" ] ||
      fail "the containers of the compose project $project belong to $folder" '' \
        "give this checkout's a name of their own: export COMPOSE_PROJECT_NAME=$project-2"
  done
}

# docker_start <part...>: false if an image cannot be had; then nothing was started.
docker_start() {
  local part image images log=$LOG_DIR/docker.log started
  started=$(now_ms)
  images=$(compose config --images "$@" 2>"$log") || fail 'docker compose config' "$log" 'mend what the lines above say'
  refuse_strangers || exit 1
  for image in $images; do
    docker image inspect "$image" >/dev/null 2>&1 || docker pull "$image" >"$log" 2>&1 || return 1
  done
  for part in "$@"; do
    if part_moved "$part" || ! compose_healthy "$part"; then docker_choose_ports "$part"; fi
  done
  say_part docker "starting by docker compose: $*"
  compose create "$@" >"$log" 2>&1 || fail "docker compose create $*" "$log" 'mend what the lines above say, or use STACK_MODE=native'
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

# The data's volumes have names and stay.
docker_down() {
  compose rm --stop --force --volumes "$@" >"$LOG_DIR/docker.log" 2>&1 ||
    fail "docker compose rm $*" "$LOG_DIR/docker.log" 'is the engine still running?'
}

# docker_delete <part...>: the parts are stopped already.
docker_delete() {
  local part volume project
  project=$(compose_project)
  for part in "$@"; do
    # Not each part has one.
    for volume in $(docker volume ls -q --filter "label=com.docker.compose.project=$project" \
      --filter "label=com.docker.compose.volume=$part"); do
      docker volume rm "$volume" >>"$LOG_DIR/docker.log" 2>&1 ||
        fail "docker volume rm of $part" "$LOG_DIR/docker.log" 'is a container still using it?'
    done
  done
}
