# shellcheck shell=bash
# The same parts by `docker compose`, where an engine answers and the images can be had.

docker_works() {
  command -v docker >/dev/null || return 1
  # A client without an engine is common; one whose engine hangs must not hang us.
  local limit='' status=0
  if command -v timeout >/dev/null; then limit='timeout 10'; fi
  # shellcheck disable=SC2086 # no word or two
  { $limit docker info && $limit docker compose version; } >/dev/null 2>&1 || status=$?
  # What timeout ends with. No engine is usual and needs no word.
  [ "$status" != 124 ] || SAY_FD=2 say_part docker 'the engine does not answer within 10 s and is not used'
  return "$status"
}

# As a plain `docker compose` in this checkout: by its rules for the project's name (COMPOSE_PROJECT_NAME or the folder's name)
# and for the files that it reads, an override among them, and by the same variables for the ports. The services are named where
# they are meant.
compose() {
  (
    eval "$(compose_exports)"
    cd "$ROOT" && docker compose --profile services "$@" </dev/null
  )
}

# Asked for once, since each question to compose takes half a second on a busy machine.
compose_project() {
  if [ -n "${PROJECT:-}" ]; then printf '%s\n' "$PROJECT"; else compose config 2>/dev/null | sed -n 's/^name: *//p'; fi
}

compose_exports() {
  local name
  export_line STACK_KAFKA_PORT "$(kafka_port)"
  export_line STACK_POSTGRES_PORT "$(postgres_port)"
  export_line STACK_REGISTRY_PORT "$(registry_port)"
  export_line STACK_MAIL_PORT "$(mail_port)"
  export_line STACK_MAIL_WEB_PORT "$(mail_web_port)"
  for name in $SERVICES; do export_line "STACK_$(shout "$name")_PORT" "$(service_port "$name")"; done
}

# container_status <part or service>: as in "Up 2 minutes (healthy)", or nothing where it does not run.
container_status() {
  docker ps --filter "label=com.docker.compose.project=$(compose_project)" --filter "label=com.docker.compose.service=$1" \
    --filter label=com.docker.compose.oneoff=False --format '{{.Status}}' 2>/dev/null
}

# compose_runs <part or service>: well or not.
compose_runs() { [ -n "$(container_status "$1")" ]; }

compose_healthy() { case "$(container_status "$1")" in *'(healthy)'*) ;; *) return 1 ;; esac }

# A line each, also for those that are stopped: part or service, folder, ports.
project_containers() {
  docker ps -a --filter "label=com.docker.compose.project=$(compose_project)" --filter label=com.docker.compose.oneoff=False \
    --format '{{.Label "com.docker.compose.service"}}|{{.Label "com.docker.compose.project.working_dir"}}|{{.Ports}}' 2>/dev/null
}

is_this_checkout() { [ "$(cd "$1" 2>/dev/null && pwd -P)" = "$ROOT" ]; }

# Two checkouts in folders of one name would take each other's containers, and delete each other's data.
refuse_strangers() {
  local project folder containers
  # Without an engine the next step fails, and says why.
  containers=$(project_containers) || return 0
  [ -n "$containers" ] || return 0
  project=$(compose_project)
  printf '%s\n' "$containers" | cut -d '|' -f 2 | sort -u | while read -r folder; do
    is_this_checkout "$folder" ||
      fail "the containers of the compose project $project belong to $folder" '' \
        "give this checkout's a name of their own: export COMPOSE_PROJECT_NAME=$project-2"
  done
}

# What a plain `docker compose` did in this checkout counts as done by these scripts, with the ports that it has now.
join_compose() {
  local name folder ports
  if [ "$(mode)" != docker ]; then
    ! native_runs && docker_works || return 0
  fi
  PROJECT=$(compose_project)
  while IFS='|' read -r name folder ports; do
    is_this_checkout "$folder" || continue
    composed_here
    case "$name" in
      kafka) learn_port kafka 19092 "$ports" ;;
      postgres) learn_port postgres 5432 "$ports" ;;
      registry) learn_port registry 8080 "$ports" ;;
      mail) learn_port mail 1025 "$ports" && learn_port mail-web 1080 "$ports" ;;
      # It has only one.
      *) learn_port "$name" '[0-9]*' "$ports" ;;
    esac
  done < <(project_containers)
}

# What `reset` deletes is remembered longer than what runs.
composed_here() {
  make_stack_folders
  printf 'docker\n' >"$STACK_DIR/mode"
  compose_project >"$STACK_DIR/compose-project"
}

# learn_port <name> <port inside> <what `docker ps` says of ports>
learn_port() {
  local port
  port=$(printf '%s\n' "$3" | tr ',' '\n' | sed -n "s|.*:\([0-9]*\)->$2/tcp.*|\1|p" | head -n 1)
  if [ -n "$port" ] && [ "$port" != "$(cat "$PORT_DIR/$1" 2>/dev/null)" ]; then
    printf '%s\n' "$port" >"$PORT_DIR/$1"
    rm -f "$WANTED_DIR/$1"
  fi
}

# docker_start <part...>: false if an image cannot be had; then nothing was started, and DOCKER_STEP is what did not go.
docker_start() {
  local part image images log=$LOG_DIR/docker.log started
  started=$(now_ms)
  images=$(compose config --images "$@" 2>"$log") || fail 'docker compose config' "$log" 'mend what the lines above say'
  refuse_strangers || exit 1
  for image in $images; do
    docker image inspect "$image" >/dev/null 2>&1 && continue
    say_part docker "fetching $image"
    # shellcheck disable=SC2034 # the caller says it
    DOCKER_STEP="docker pull $image"
    docker pull "$image" >"$log" 2>&1 || return 1
  done
  composed_here
  for part in "$@"; do
    if part_moved "$part"; then
      say_part "$part" "is on $("${part}_address") and was given another port; starting it again there"
      compose stop "$part" >"$log" 2>&1 || fail "docker compose stop $part" "$log" 'is the engine still running?'
    elif compose_runs "$part"; then
      # Perhaps it is only still starting; its ports are its own.
      continue
    fi
    docker_choose_ports "$part"
  done
  say_part docker "starting by docker compose: $*"
  compose create "$@" >"$log" 2>&1 || fail "docker compose create $*" "$log" 'mend what the lines above say, or use STACK_MODE=native'
  compose up -d --wait "$@" >>"$log" 2>&1 || fail "docker compose up $*" "$log" \
    "mend what the lines above say (./scripts/stack logs <part> tells more), or use STACK_MODE=native"
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
  local log=$LOG_DIR/docker.log
  refuse_strangers || exit 1
  compose rm --stop --force --volumes "$@" >"$log" 2>&1 || fail "docker compose rm $*" "$log" 'is the engine still running?'
}

# docker_down_whole: as a plain `docker compose down`, the network too; each takes one of the engine's few address ranges.
docker_down_whole() {
  # shellcheck disable=SC2086 # a list of words
  docker_down $SERVICES $ALL_PARTS
  compose down >>"$LOG_DIR/docker.log" 2>&1 || fail 'docker compose down' "$LOG_DIR/docker.log" 'is the engine still running?'
}

# docker_delete <part...>: the parts are stopped already.
docker_delete() {
  local part volume volumes project log=$LOG_DIR/docker.log
  project=$(cat "$STACK_DIR/compose-project")
  for part in "$@"; do
    volumes=$(docker volume ls -q --filter "label=com.docker.compose.project=$project" \
      --filter "label=com.docker.compose.volume=$part" 2>"$log") ||
      fail "docker volume ls of $part" "$log" "its data is in a volume of the engine; start the engine, or delete $STACK_DIR to leave it there"
    # Not each part has one.
    for volume in $volumes; do
      docker volume rm "$volume" >>"$log" 2>&1 || fail "docker volume rm of $part" "$log" 'is a container still using it?'
    done
  done
}

# Those that run get the settings of this shell, as the native ones do.
docker_services_up() {
  local log=$LOG_DIR/docker.log name
  # shellcheck disable=SC2086 # a list of words
  compose up -d --wait --no-build $SERVICES >"$log" 2>&1 ||
    fail "docker compose up $SERVICES" "$log" './scripts/stack logs <service> says why it is not ready'
}

# A token that was made after they started is read when they start again.
docker_services_let_in() {
  local log=$LOG_DIR/docker.log name again=''
  for name in $SERVICES; do service_lets_in "$name" || again="$again $name"; done
  [ -n "$again" ] || return 0
  # shellcheck disable=SC2086 # a list of words
  compose restart $again >"$log" 2>&1 || fail "docker compose restart$again" "$log" 'is the engine still running?'
  docker_services_up
  for name in $again; do
    service_lets_in "$name" || fail "$name does not let in who has the token in API_TOKEN" '' \
      "export API_TOKEN to one whose hash is in $TOKENS_FILE: ./scripts/stack token makes one"
  done
}
