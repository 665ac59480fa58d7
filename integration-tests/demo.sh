#!/usr/bin/env bash
# Runs Driftless on examples/: a control plane, Git repositories made of the examples, the daemon, and the app-of-apps.
# `make demo` builds what it needs. It ends with Ctrl-C, and everything it started ends with it.
#
#   KUBECONFIG    use that cluster; what the demo created there is deleted at the end
#   DEMO_ONCE=1   end when all applications are Synced and Healthy, with exit code 0
#   DEMO_TIMEOUT  seconds that may pass until then (180)
#   DRIFTLESS_BIN, DEVCLUSTER_BIN  other programs than those that were built
set -euo pipefail
cd "$(dirname "$0")/.."

readonly driftless=${DRIFTLESS_BIN:-target/release/driftless}
readonly devcluster=${DEVCLUSTER_BIN:-target/devcluster/devcluster}
readonly limit=${DEMO_TIMEOUT:-180}
readonly git_url='https://git\.example\.com'
readonly stop_limit=15

work=$(mktemp -d "${TMPDIR:-/tmp}/driftless-demo.XXXXXX")
readonly work
readonly log=$work/driftless.log
# Processes to end, and objects to delete from a cluster that stays.
cluster_pid='' daemon_pid='' waiter_pid=''
created=()
namespaces_before=''
is_reached=no

say() { printf '%s\n' "$*"; }

fail() {
  say "demo: $*" >&2
  exit 1
}

kubectl() { KUBECACHEDIR="$work/kube-cache" "$devcluster" kubectl "$@"; }

# Ends a process and waits for it, with force if it takes too long.
stop() {
  local pid=$1
  [ -n "$pid" ] || return 0
  kill -TERM "$pid" 2>/dev/null || return 0
  for _ in $(seq $((stop_limit * 10))); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
}

clean_up() {
  local status=$?
  # A second Ctrl-C does not cut this short: every step has a limit.
  trap '' INT TERM HUP
  stop "$waiter_pid"
  if [ "$status" -eq 1 ] && [ -s "$log" ]; then
    say "demo: the daemon's log ends:" >&2
    tail -n 30 "$log" >&2
  fi
  if [ -z "$cluster_pid" ] && [ "${#created[@]}" -gt 0 ]; then
    say "Deleting what the demo created"
    delete_created || say "demo: not everything could be deleted from the cluster" >&2
  fi
  stop "$daemon_pid"
  stop "$cluster_pid"
  rm -rf "$work"
  exit "$status"
}

# Ctrl-C is how the demo is meant to end, once it has shown what it shows.
interrupted() {
  if [ "$is_reached" = yes ]; then exit 0; fi
  exit 130
}

trap clean_up EXIT
trap interrupted INT TERM HUP

start_control_plane() {
  say "Starting the control plane"
  # A session of its own: Ctrl-C reaches this script, which then ends things in order.
  setsid "$devcluster" up --dir "$work/cluster" >"$work/devcluster.out" 2>"$work/devcluster.err" </dev/null &
  cluster_pid=$!
  until grep -q '^ready ' "$work/devcluster.out"; do
    kill -0 "$cluster_pid" 2>/dev/null || fail "the control plane did not start: $(cat "$work/devcluster.err")"
    sleep 0.2
  done
  export KUBECONFIG=$work/cluster/kubeconfig
}

check_given_cluster() {
  say "Using the cluster of KUBECONFIG=$KUBECONFIG"
  kubectl version >/dev/null || fail "the cluster of KUBECONFIG does not answer"
  local applications
  applications=$(kubectl get applications.argoproj.io --all-namespaces --output name 2>/dev/null || true)
  [ -z "$applications" ] || fail "the cluster of KUBECONFIG has Applications already, which this daemon would take over; use another cluster"
}

# Applies a file unless its objects exist, so that nothing of a given cluster is changed.
create() {
  if ! kubectl get --filename "$1" >/dev/null 2>&1; then
    kubectl apply --server-side --filename "$1" >/dev/null
    created+=("$1")
  fi
}

install_api() {
  namespaces_before=$(kubectl get namespaces --output name)
  create config/crd/applications.yaml
  create config/crd/appprojects.yaml
  kubectl wait --for=condition=Established --timeout=60s --filename config/crd/applications.yaml \
    --filename config/crd/appprojects.yaml >/dev/null
  create config/install/namespace.yaml
  create config/install/argocd-cm.yaml
}

# Makes a repository of an example, in which the URLs of the examples lead to the repositories made here.
make_repository() {
  local example=$1 repository=$work/git/$2
  mkdir -p "$repository"
  cp -R "$example/." "$repository"
  find "$repository" -name '*.yaml' -exec sed -i "s|$git_url/\([a-z-]*\)\.git|file://$work/git/\1|" {} +
  (
    export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
    cd "$repository"
    git init --quiet --initial-branch=main
    git config user.name 'Driftless demo'
    git config user.email demo@example.com
    git add --all
    git commit --quiet --message 'Add the example'
  )
}

start_daemon() {
  say "Starting the daemon"
  setsid "$driftless" controller --kubeconfig "$KUBECONFIG" --data-dir "$work/data" --address-file "$work/addresses.json" \
    --http-listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 >"$log" 2>&1 </dev/null &
  daemon_pid=$!
  until [ -s "$work/addresses.json" ]; do
    kill -0 "$daemon_pid" 2>/dev/null || fail "the daemon did not start"
    sleep 0.1
  done
  DRIFTLESS_SERVER=http://$(sed 's/.*"http":"\([^"]*\)".*/\1/' "$work/addresses.json")
  export DRIFTLESS_SERVER
}

# Applies what people apply by hand. The finalizer's name is Argo CD's, and the API server would prefer another.
create_applications() {
  kubectl apply --server-side --filename "$work/git/platform/root.yaml" --filename "$work/git/guestbook/application.yaml" \
    >/dev/null 2> >(grep -v '^Warning: metadata.finalizers' >&2)
}

# Waits until the root, its children and the guestbook are as Git says.
wait_for_applications() {
  local names=(root guestbook) file
  for file in "$work"/git/platform/argocd/applications/*.yaml; do
    names+=("$(basename "$file" .yaml)")
  done
  say "Waiting for ${#names[@]} applications, at most $limit s"
  # In the background, because a signal is only handled between commands.
  "$driftless" app wait "${names[@]}" --timeout "${limit}s" &
  waiter_pid=$!
  local status=0
  wait "$waiter_pid" || status=$?
  waiter_pid=''
  if [ "$status" -ne 0 ]; then
    "$driftless" app list >&2 || true
    fail "not all applications were Synced and Healthy within $limit s"
  fi
}

# Deletes from a cluster that stays what came with the demo. Applications first: the daemon deletes their objects.
delete_created() {
  local file i namespace
  for file in "$work"/git/guestbook/application.yaml "$work"/git/platform/root.yaml; do
    [ ! -e "$file" ] || [ -z "$daemon_pid" ] ||
      kubectl delete --ignore-not-found --timeout=90s --filename "$file" >/dev/null || return 1
  done
  for ((i = ${#created[@]} - 1; i >= 0; i--)); do
    kubectl delete --ignore-not-found --timeout=90s --filename "${created[i]}" >/dev/null || return 1
  done
  [ -n "$namespaces_before" ] || return 0
  for namespace in $(sed -n 's/^    namespace: //p' examples/*/application.yaml examples/*/argocd/applications/*.yaml | sort -u); do
    grep -qx "namespace/$namespace" <<<"$namespaces_before" ||
      kubectl delete --ignore-not-found --timeout=90s namespace "$namespace" >/dev/null || return 1
  done
}

show() {
  "$driftless" app list
  cat <<TEXT

Everything is Synced and Healthy, $SECONDS s after the start. Try, in another terminal, from this directory:

  export KUBECONFIG=$KUBECONFIG DRIFTLESS_SERVER=$DRIFTLESS_SERVER

  $driftless why storefront-web
      tells why an application is as it is.
  $devcluster kubectl -n storefront delete deployment web
      is undone at once.
  sed -i 's/replicas: .*/replicas: 4/' $work/git/platform/teams/storefront/web/deployment.yaml
  git -C $work/git/platform commit --all --message 'Scale the shop'
      arrives within a second.

The page is at $DRIFTLESS_SERVER/. Ctrl-C ends everything.
TEXT
}

for program in "$driftless" "$devcluster"; do
  [ -x "$program" ] || fail "$program does not exist; run make demo, which builds it"
done
if [ -n "${KUBECONFIG:-}" ]; then check_given_cluster; else start_control_plane; fi
install_api
make_repository examples/app-of-apps platform
make_repository examples/guestbook guestbook
start_daemon
create_applications
wait_for_applications
is_reached=yes
show
if [ "${DEMO_ONCE:-}" = 1 ]; then exit 0; fi
wait "$daemon_pid" || true
fail "the daemon has ended"
