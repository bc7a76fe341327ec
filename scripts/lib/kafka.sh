# shellcheck shell=bash
# Part kafka: one KRaft node (broker and controller in one process) from Maven's jars.

KAFKA_PORT=${STACK_KAFKA_PORT:-19092}
KAFKA_CONTROLLER_PORT=${STACK_KAFKA_CONTROLLER_PORT:-19093}
KAFKA_DIR=$STACK_DIR/kafka

kafka_own_variable() { printf 'KAFKA_BOOTSTRAP_SERVERS\n'; }
kafka_port() { port_of kafka "$KAFKA_PORT"; }
kafka_address() { printf '127.0.0.1:%s\n' "$(kafka_port)"; }
kafka_marker() { printf '%s\n' "-Dswitchboard.stack=$KAFKA_DIR"; }
kafka_libs() { printf '%s\n' "$CACHE_DIR/kafka-$(file_key "$TEMPLATES/kafka/pom.xml")"; }

# Asks the broker for the API versions that it speaks (request 18, version 0, no client id). An open port is not enough:
# the broker binds it before it answers, and another program may have it.
kafka_healthy() {
  local status=1
  {
    if exec 3<>"/dev/tcp/127.0.0.1/$(kafka_port)"; then
      printf '\0\0\0\012\0\022\0\0\0\0\0\001\377\377' >&3
      # read skips NUL bytes; the first that is none comes from the answer's length.
      if LC_ALL=C IFS= read -r -t 2 -n 1 -u 3 _; then status=0; fi
      exec 3>&-
    fi
  } 2>/dev/null
  return "$status"
}

kafka_install() {
  need_java
  local libs log=$LOG_DIR/install-kafka.log
  libs=$(kafka_libs)
  [ ! -d "$libs" ] || return 0
  need_maven
  say_part kafka 'fetching the jars of Kafka by Maven (54 MB, once per machine)'
  rm -rf "$libs.part"
  maven kafka dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$libs.part" >"$log" 2>&1 ||
    fail 'fetching the jars of Kafka' "$log" 'check that Maven reaches a repository (settings.xml, proxy), then run this again'
  mv "$libs.part" "$libs"
}

kafka_start() {
  kafka_install
  local libs data=$KAFKA_DIR/data log=$LOG_DIR/kafka-format.log
  libs=$(kafka_libs)
  choose_port kafka "$KAFKA_PORT"
  choose_port kafka-controller "$KAFKA_CONTROLLER_PORT"
  mkdir -p "$KAFKA_DIR"
  sed -e "s|@PORT@|$(kafka_port)|g" -e "s|@CONTROLLER_PORT@|$(cat "$PORT_DIR/kafka-controller")|" -e "s|@DATA@|$data|" \
    "$TEMPLATES/kafka/server.properties" >"$KAFKA_DIR/server.properties"
  if [ ! -s "$data/meta.properties" ]; then
    rm -rf "$data"
    # A random id in Kafka's own spelling; its tool for that costs a start of the JVM.
    local id
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d '=')
    "$JAVA" -Dlog4j2.configurationFile="$TEMPLATES/kafka/log4j2.properties" -cp "$libs/*" kafka.tools.StorageTool \
      format -t "$id" -c "$KAFKA_DIR/server.properties" </dev/null >"$log" 2>&1 ||
      fail 'formatting the data folder of Kafka' "$log" './scripts/stack reset kafka, then run this again'
  fi
  launch kafka "$(kafka_marker)" "$JAVA" -Xms256m -Xmx512m "$(kafka_marker)" \
    -Dlog4j2.configurationFile="$TEMPLATES/kafka/log4j2.properties" -cp "$libs/*" kafka.Kafka "$KAFKA_DIR/server.properties"
}

kafka_wait() { wait_healthy kafka 60 kafka_healthy; }
kafka_stop() { stop_process kafka 15; }
kafka_delete() { rm -rf "$KAFKA_DIR"; }

kafka_exports() {
  export_line KAFKA_BOOTSTRAP_SERVERS "$(kafka_address)"
}
