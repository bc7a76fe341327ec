# shellcheck shell=bash
# Loopback ports: the preferred one, or a free one where something else has it, remembered per checkout.

# The ports that .env names, where a plain `docker compose` reads them too. The environment wins.
read_asked_ports() {
  local name value
  while read -r name value; do
    [ -n "${!name:-}" ] || export "$name=$value"
  done < <(sed -n "s/^[[:space:]]*\(export[[:space:]][[:space:]]*\)\{0,1\}\(STACK_[A-Z_]*_PORT\)[[:space:]]*=[[:space:]]*[\"']\{0,1\}\([0-9][0-9]*\).*/\2 \3/p" \
    "$ROOT/.env" 2>/dev/null)
}
read_asked_ports

# Only loopback is ever asked, so a closed port answers at once.
port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# port_of <name> <preferred>: the one in use or to be used.
port_of() {
  if [ -s "$PORT_DIR/$1" ]; then cat "$PORT_DIR/$1"; else printf '%s\n' "$2"; fi
}

# port_moved <name>: STACK_<NAME>_PORT asks for another port than the one in use, and than it did when that was chosen. Unset, it
# asks for nothing.
port_moved() {
  local variable asked
  variable=STACK_$(shout "$1")_PORT
  asked=${!variable:-}
  [ -n "$asked" ] && [ -s "$PORT_DIR/$1" ] && [ "$asked" != "$(cat "$PORT_DIR/$1")" ] &&
    [ "$asked" != "$(cat "$WANTED_DIR/$1" 2>/dev/null)" ]
}

# choose_port <name> <preferred>: for a part that does not run now. Keeps the remembered port while it is free and no other one
# is asked for, since shells and .env files hold it.
choose_port() {
  local name=$1 preferred=$2 port expected tries=0
  is_port "$preferred" || fail "STACK_$(shout "$name")_PORT is '$preferred'" '' 'set it to a number from 1 to 65535, or unset it'
  if port_moved "$name"; then rm -f "$PORT_DIR/$name"; fi
  expected=$(port_of "$name" "$preferred")
  port=$expected
  while port_taken "$port" || port_reserved "$name" "$port"; do
    tries=$((tries + 1))
    [ "$tries" -le 200 ] || fail "no free port for $name near $preferred" '' "set STACK_$(shout "$name")_PORT"
    port=$((preferred + 10 * tries))
  done
  [ "$port" = "$expected" ] || say_part "$name" "port $expected is taken by something else, using $port"
  printf '%s\n' "$port" >"$PORT_DIR/$name"
  printf '%s\n' "$preferred" >"$WANTED_DIR/$name"
}

is_port() {
  case "$1" in '' | *[!0-9]* | ??????*) return 1 ;; esac
  [ "$1" -ge 1 ] && [ "$1" -le 65535 ]
}

# Another part of this checkout may have been given the port a moment ago and not have bound it yet.
port_reserved() {
  local file
  for file in "$PORT_DIR"/*; do
    [ -s "$file" ] && [ "${file##*/}" != "$1" ] && [ "$(cat "$file")" = "$2" ] && return 0
  done
  return 1
}

shout() { printf '%s' "$1" | tr 'a-z-' 'A-Z_'; }

# http_status <port> <path> [header]: the status code, or nothing. Needs no curl.
http_status() {
  local code='' header=${3:-}
  [ -z "$header" ] || header=$header$'\r\n'
  {
    exec 3<>"/dev/tcp/127.0.0.1/$1" || return 0
    printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%s\r\n' "$2" "$header" >&3
    read -r -t 3 -u 3 _ code _ || true
    exec 3>&-
  } 2>/dev/null
  printf '%s\n' "$code"
}
