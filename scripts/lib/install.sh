# shellcheck shell=bash
# Finds what the native stack needs, and installs from Debian packages what is missing.

# apt_install <why> <package...>
apt_install() {
  local why=$1 sudo='' log=$LOG_DIR/install.log
  shift
  if [ "$(id -u)" != 0 ]; then sudo=sudo; fi
  if ! command -v apt-get >/dev/null; then
    fail "$why is missing" '' "$(by_hand "$@")"
  elif [ -n "$sudo" ] && ! command -v sudo >/dev/null; then
    fail "$why is missing, and there is no sudo" '' "as root: apt-get install $*"
  fi
  say_part install "$why: apt-get install $*"
  # shellcheck disable=SC2086 # no word when root
  {
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 update &&
      $sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
  } </dev/null >>"$log" 2>&1 || fail "apt-get install $*" "$log" "install $why by hand and run this again"
}

# by_hand <Debian package...>: the command that installs the same where there is no apt.
by_hand() {
  local package packages='' tool
  for tool in brew dnf zypper pacman apk; do
    ! command -v "$tool" >/dev/null || break
    tool=
  done
  for package in "$@"; do packages="$packages $(package_of "$tool" "$package")"; done
  # shellcheck disable=SC2086 # a list of words
  packages=$(printf '%s\n' $packages | sort -u | tr '\n' ' ')
  packages=${packages% }
  case "$tool" in
    brew) printf 'brew install %s\n' "$packages" ;;
    dnf | zypper) printf 'sudo %s install %s\n' "$tool" "$packages" ;;
    pacman) printf 'sudo pacman -S %s\n' "$packages" ;;
    apk) printf 'apk add %s\n' "$packages" ;;
    *) printf 'install it by what this system has (Debian calls it %s)\n' "$packages" ;;
  esac
}

# package_of <tool> <Debian package>: its name there.
package_of() {
  case "$1/$2" in
    brew/build-essential) printf 'make\n' ;;
    brew/libssl-dev) printf 'openssl@3\n' ;;
    brew/pkg-config) printf 'pkgconf\n' ;;
    brew/openjdk-17-jre-headless | brew/default-jre-headless) printf 'openjdk@17\n' ;;
    brew/postgresql | brew/postgresql-common) printf 'postgresql@15\n' ;;
    brew/postgresql-client) printf 'libpq\n' ;;
    brew/python3-venv) printf 'python3\n' ;;
    brew/nodejs | brew/npm) printf 'node\n' ;;
    dnf/build-essential | zypper/build-essential) printf 'gcc gcc-c++ make\n' ;;
    dnf/libssl-dev) printf 'openssl-devel\n' ;;
    zypper/libssl-dev) printf 'libopenssl-devel\n' ;;
    dnf/pkg-config) printf 'pkgconf-pkg-config\n' ;;
    dnf/openjdk-17-jre-headless | dnf/default-jre-headless) printf 'java-latest-openjdk-headless\n' ;;
    zypper/openjdk-17-jre-headless | zypper/default-jre-headless) printf 'java-17-openjdk-headless\n' ;;
    dnf/postgresql | dnf/postgresql-common | zypper/postgresql | zypper/postgresql-common) printf 'postgresql-server\n' ;;
    dnf/postgresql-client | zypper/postgresql-client) printf 'postgresql\n' ;;
    dnf/python3-venv | zypper/python3-venv) printf 'python3\n' ;;
    pacman/build-essential) printf 'base-devel\n' ;;
    pacman/libssl-dev) printf 'openssl\n' ;;
    pacman/pkg-config) printf 'pkgconf\n' ;;
    pacman/openjdk-17-jre-headless | pacman/default-jre-headless) printf 'jre17-openjdk-headless\n' ;;
    pacman/postgresql | pacman/postgresql-common | pacman/postgresql-client) printf 'postgresql\n' ;;
    pacman/python3-venv) printf 'python\n' ;;
    apk/build-essential) printf 'build-base\n' ;;
    apk/libssl-dev) printf 'openssl-dev\n' ;;
    apk/pkg-config) printf 'pkgconf\n' ;;
    apk/openjdk-17-jre-headless | apk/default-jre-headless) printf 'openjdk17-jre-headless\n' ;;
    apk/postgresql | apk/postgresql-common) printf 'postgresql\n' ;;
    apk/python3-venv) printf 'python3\n' ;;
    *) printf '%s\n' "$2" ;;
  esac
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

# maven <kafka|registry> <goal and options...>: by a copy of the description, since Maven leaves marks beside it.
maven() {
  local folder=$STACK_DIR/maven/$1
  rm -rf "$folder"
  mkdir -p "$folder"
  cp "$TEMPLATES/$1/pom.xml" "$folder/"
  shift
  (cd "$folder" && mvn -q -B -Dstyle.color=never "$@") </dev/null
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

# need_psql: sets PSQL. The server brings one; an engine's PostgreSQL has it inside only.
need_psql() {
  PSQL=$(command -v psql || true)
  [ -z "$PSQL" ] || return 0
  PSQL=$(find_postgres)/psql
  [ ! -x "$PSQL" ] || return 0
  apt_install 'psql (PostgreSQL on the command line)' postgresql-client
  PSQL=$(command -v psql) || fail 'psql is still not there' "$LOG_DIR/install.log" 'put it on the PATH'
}

# need_pgbouncer: sets PGBOUNCER; a test puts it before the database.
need_pgbouncer() {
  PGBOUNCER=$(find_pgbouncer)
  [ -z "$PGBOUNCER" ] || return 0
  apt_install 'PgBouncer (a test of a pool before the database)' pgbouncer
  # Its package starts one of its own, which nobody asked for.
  if command -v systemctl >/dev/null; then
    if [ "$(id -u)" = 0 ]; then systemctl disable --now pgbouncer; else sudo systemctl disable --now pgbouncer; fi \
      >/dev/null 2>&1 || true
  fi
  PGBOUNCER=$(find_pgbouncer)
  [ -n "$PGBOUNCER" ] || fail 'PgBouncer is still not there' "$LOG_DIR/install.log" 'put it on the PATH'
}

# In /usr/sbin, which not every PATH has.
find_pgbouncer() { command -v pgbouncer || { [ ! -x /usr/sbin/pgbouncer ] || printf '/usr/sbin/pgbouncer\n'; }; }

need_npm() {
  command -v npm >/dev/null || apt_install 'npm (fetches the mail catcher)' nodejs npm
}
