# shellcheck shell=bash
# Finds what the native stack needs, and installs from Debian packages what is missing.

# apt_install <why> <package...>
apt_install() {
  local why=$1 sudo='' log=$LOG_DIR/install.log
  shift
  if [ "$(id -u)" != 0 ]; then sudo=sudo; fi
  if ! command -v apt-get >/dev/null || { [ -n "$sudo" ] && ! command -v sudo >/dev/null; }; then
    fail "$why is missing: $*" '' "install it, or start a Docker engine with compose and run this again"
  fi
  say_part install "$why: apt-get install $*"
  # shellcheck disable=SC2086 # no word when root
  {
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 update &&
      $sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
  } </dev/null >>"$log" 2>&1 || fail "apt-get install $*" "$log" "install $why by hand and run this again"
}

java_is_new_enough() {
  local version
  version=$("$1" -version 2>&1 | sed -n '1s/.*version "\([0-9]*\).*/\1/p') || return 1
  [ -n "$version" ] && [ "$version" -ge 17 ]
}

find_java() {
  local candidate
  for candidate in "${JAVA_HOME:-/nonexistent}/bin/java" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
    if [ -x "$candidate" ] && java_is_new_enough "$candidate"; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}

# need_java: sets JAVA. Remembered, since asking costs a start of the JVM.
need_java() {
  JAVA=$(cat "$STACK_DIR/java" 2>/dev/null || true)
  [ ! -x "$JAVA" ] || return 0
  if ! JAVA=$(find_java); then
    # Debian 12 has 17, Debian 13 has 21.
    local package=openjdk-17-jre-headless
    apt-cache show "$package" >/dev/null 2>&1 || package=default-jre-headless
    apt_install 'Java 17 or newer (runs Kafka)' "$package"
    JAVA=$(find_java) || fail 'Java 17 or newer is still not there' "$LOG_DIR/install.log" 'install one and set JAVA_HOME'
  fi
  printf '%s\n' "$JAVA" >"$STACK_DIR/java"
}

need_maven() {
  command -v mvn >/dev/null || apt_install 'Maven (fetches Kafka)' maven
}

need_python() {
  python3 -c 'import venv, ensurepip' 2>/dev/null || apt_install 'Python 3 with venv (a plain client of another language)' python3-venv
}

find_postgres() {
  local folder best='' best_version=0 version
  for folder in /usr/lib/postgresql/*/bin; do
    version=${folder#/usr/lib/postgresql/}
    version=${version%%/*}
    case "$version" in '' | *[!0-9]*) continue ;; esac
    if [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ] && [ "$version" -gt "$best_version" ]; then
      best=$folder best_version=$version
    fi
  done
  if [ -z "$best" ] && command -v pg_ctl >/dev/null && command -v initdb >/dev/null; then
    best=$(dirname "$(command -v pg_ctl)")
  fi
  printf '%s\n' "$best"
}

# need_postgres: sets PG_BIN.
need_postgres() {
  PG_BIN=$(find_postgres)
  [ -z "$PG_BIN" ] || return 0
  local sudo=''
  if [ "$(id -u)" != 0 ]; then sudo=sudo; fi
  # The server's package starts a cluster of its own on 5432 unless it is told not to; nobody asked for that one.
  apt_install 'PostgreSQL (1 of 2)' postgresql-common
  $sudo sed -ri 's/^#?(create_main_cluster) .*/\1 = false/' /etc/postgresql-common/createcluster.conf
  apt_install 'PostgreSQL (2 of 2)' postgresql
  PG_BIN=$(find_postgres)
  [ -n "$PG_BIN" ] || fail 'PostgreSQL is still not there' "$LOG_DIR/install.log" 'install its server package'
}

need_npm() {
  command -v npm >/dev/null || apt_install 'npm (fetches the mail catcher)' nodejs npm
}
