# shellcheck shell=bash
# Part postgres: a private cluster with a database `switchboard`, from Debian's server binaries.

POSTGRES_PORT=${STACK_POSTGRES_PORT:-15432}
POSTGRES_DATABASE=switchboard

postgres_own_variable() { printf 'DATABASE_URL\n'; }
postgres_port() { port_of postgres "$POSTGRES_PORT"; }
postgres_address() { printf '127.0.0.1:%s\n' "$(postgres_port)"; }
postgres_url() { printf 'postgres://postgres@%s/%s\n' "$(postgres_address)" "$POSTGRES_DATABASE"; }

# The server refuses to run as root.
postgres_account() {
  if [ "$(id -u)" != 0 ]; then
    return 0
  elif id -u postgres >/dev/null 2>&1; then
    printf 'postgres\n'
  else
    printf 'nobody\n'
  fi
}

as_postgres() {
  local account
  account=$(postgres_account)
  # From /, because that account may not be allowed to stand where the caller stands.
  if [ -n "$account" ]; then (cd / && runuser -u "$account" -- "$@"); else "$@"; fi
}

# In .stack/ where the server's account can reach it; else (a checkout below /root, say) in /var/tmp.
postgres_folder() {
  if [ -s "$STACK_DIR/postgres-folder" ]; then
    cat "$STACK_DIR/postgres-folder"
  elif [ -z "$(postgres_account)" ] || as_postgres test -x "$STACK_DIR" 2>/dev/null; then
    printf '%s\n' "$STACK_DIR/postgres"
  else
    printf '/var/tmp/switchboard-%s-postgres\n' "$CHECKOUT_ID"
  fi
}

# The pid file is the server's own.
postgres_running_pid() {
  local data pid=''
  data=$(postgres_folder)/data
  read -r pid 2>/dev/null <"$data/postmaster.pid" || return 0
  case "$(command_line "$pid" 2>/dev/null)" in
    *postgres*"$data"*) printf '%s\n' "$pid" ;;
  esac
}

# With the database: a start that was broken off leaves a server without it.
postgres_healthy() { postgres_answers && postgres_has_database; }

postgres_answers() {
  if [ -n "$(postgres_running_pid)" ]; then
    PG_BIN=${PG_BIN:-$(find_postgres)}
    # With a role that exists: for any other the server logs a failure at each question.
    "$PG_BIN/pg_isready" -q -t 2 -h 127.0.0.1 -p "$(postgres_port)" -U postgres -d postgres
  else
    return 1
  fi
}

postgres_start() {
  need_postgres
  local folder data account log=$LOG_DIR/postgres.log
  folder=$(postgres_folder)
  data=$folder/data
  account=$(postgres_account)
  choose_port postgres "$POSTGRES_PORT"
  mkdir -p "$folder"
  printf '%s\n' "$folder" >"$STACK_DIR/postgres-folder"
  if [ "$folder" != "$STACK_DIR/postgres" ]; then
    say_part postgres "data is in $folder, since the account $account cannot enter $STACK_DIR"
  fi
  if [ -n "$account" ]; then chown "$account" "$folder"; fi
  if [ ! -s "$data/PG_VERSION" ]; then
    rm -rf "$data"
    as_postgres "$PG_BIN/initdb" -D "$data" -U postgres --auth=trust -E UTF8 --locale=C.UTF-8 --no-sync </dev/null >"$log" 2>&1 ||
      fail 'initdb' "$log" './scripts/stack reset postgres, then run this again'
  elif [ "$(cat "$data/PG_VERSION")" != "$(postgres_major)" ]; then
    fail "the data in $data is of PostgreSQL $(cat "$data/PG_VERSION"), the server here is $(postgres_major)" '' \
      './scripts/stack reset postgres (deletes that data), then run this again'
  fi
  # Left over from a kill: nothing with this folder on its command line runs under that pid.
  rm -f "$data/postmaster.pid"
  # No socket folder: its path has a limit of 107 bytes that a deep checkout exceeds.
  launch_as_postgres "$PG_BIN/postgres" -D "$data" -p "$(postgres_port)" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= -c max_connections=300
}

postgres_major() { "$PG_BIN/postgres" --version | sed 's/.* \([0-9]*\)[.a-z].*/\1/'; }

launch_as_postgres() {
  local account
  account=$(postgres_account)
  if [ -n "$account" ]; then
    # setpriv replaces itself by the server, so the pid is the server's; runuser would stay in between.
    launch postgres "$1 -D $3" setpriv --reuid "$account" --regid "$(id -g "$account")" --init-groups "$@"
  else
    launch postgres "$1 -D $3" "$@"
  fi
}

postgres_wait() {
  wait_healthy postgres 60 postgres_answers || return 1
  postgres_has_database || postgres_query "create database $POSTGRES_DATABASE"
}

postgres_has_database() {
  [ "$(postgres_query "select 1 from pg_database where datname = '$POSTGRES_DATABASE'")" = 1 ]
}

postgres_query() {
  "$PG_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$(postgres_port)" -U postgres -d postgres -c "$1"
}

postgres_stop() {
  local pid
  pid=$(postgres_running_pid)
  if [ -n "$pid" ]; then
    # SIGINT is the fast shutdown: it ends sessions, writes a checkpoint and needs no recovery at the next start.
    kill -INT "$pid"
    local deadline=$(($(now_ms) + 15000))
    while kill -0 "$pid" 2>/dev/null; do
      if [ "$(now_ms)" -ge "$deadline" ]; then
        kill -QUIT "$pid" 2>/dev/null || true
        break
      fi
      sleep 0.1
    done
  fi
  rm -f "$(pid_file postgres)"
}

postgres_delete() {
  rm -rf "$(postgres_folder)" "$STACK_DIR/postgres-folder"
}

postgres_exports() {
  export_line DATABASE_URL "$(postgres_url)"
}
