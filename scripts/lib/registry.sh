# shellcheck shell=bash
# Part registry: Apicurio in memory, for its Confluent-compatible API.

REGISTRY_PORT=${STACK_REGISTRY_PORT:-18085}

registry_port() { port_of registry "$REGISTRY_PORT"; }
registry_address() { printf 'http://127.0.0.1:%s/apis/ccompat/v7\n' "$(registry_port)"; }
registry_marker() { printf '%s\n' "-Dswitchboard.stack=$STACK_DIR/registry"; }
registry_app() { printf '%s\n' "$CACHE_DIR/registry-$(file_key "$TEMPLATES/registry/pom.xml")"; }
registry_healthy() { [ "$(http_status "$(registry_port)" /apis/ccompat/v7/subjects)" = 200 ]; }

registry_install() {
  need_java
  local app log=$LOG_DIR/install-registry.log
  app=$(registry_app)
  [ ! -d "$app" ] || return 0
  need_maven
  say_part registry 'fetching the schema registry by Maven (109 MB, once per machine)'
  rm -rf "$app.part"
  maven registry dependency:copy -DoutputDirectory="$app.part" >"$log" 2>&1 ||
    fail 'fetching the schema registry' "$log" 'check that Maven reaches a repository (settings.xml, proxy), then run this again'
  tar -xzf "$app.part"/*.tar.gz -C "$app.part" >>"$log" 2>&1 || fail 'unpacking the schema registry' "$log" 'is the disk full?'
  rm -f "$app.part"/*.tar.gz
  mv "$app.part" "$app"
}

registry_start() {
  registry_install
  choose_port registry "$REGISTRY_PORT"
  local jar
  jar=$(find "$(registry_app)" -name '*-runner.jar' | head -n 1)
  launch registry "$(registry_marker)" "$JAVA" -Xmx384m "$(registry_marker)" -Dquarkus.http.host=127.0.0.1 \
    -Dquarkus.http.port="$(registry_port)" -jar "$jar"
}

registry_wait() { wait_healthy registry 90 registry_healthy; }
registry_stop() { stop_process registry 15; }
# In memory.
registry_delete() { :; }

registry_exports() {
  export_line SCHEMA_REGISTRY_URL "$(registry_address)"
}
