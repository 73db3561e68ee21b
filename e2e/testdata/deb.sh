# The life of the Debian package on a machine: bash deb.sh OLD.deb NEW.deb. It runs in a copy of this machine whose
# changes are lost at the end, with a network of its own. e2e/deb_test.go starts it.
set -euo pipefail
old=$1 new=$2

fail() { echo "FAILED: $*"; exit 1; }
is() { [ "$1" = "$2" ] || fail "$3: got '$1', want '$2'"; }
owner() { stat -c '%U %a' "$1"; }

# start UNIT LOG: runs the command of a unit as its user, with the variables of its EnvironmentFile.
start() {
  local unit=/usr/lib/systemd/system/$1.service user file command
  user=$(sed -n 's/^User=//p' "$unit")
  file=$(sed -n 's/^EnvironmentFile=-//p' "$unit")
  command=$(sed -n 's/^ExecStart=//p' "$unit")
  (set -a; . "$file"; set +a; umask 077; cd /; exec setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs bash -c "exec $command") > "$2" 2>&1 &
  pid=$!
  for _ in $(seq 300); do
    grep -q '^ready ' "$2" && return
    kill -0 "$pid" 2> /dev/null || break
    sleep 0.1
  done
  cat "$2"
  fail "$1 does not start"
}
finish() { kill "$1"; wait "$1" || fail "the end of $2: $?"; }
ask() { # METHOD URL [DATA]: prints the status
  curl -sS --cacert /var/lib/midas/ca.pem -o /tmp/answer -w '%{http_code}' -X "$1" "$2" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' ${3:+-d "$3"}
}
midas() { runuser -u midas -- /usr/bin/midas "$@"; }

echo "== install"
dpkg -i "$old"
is "$(owner /var/lib/midas)" "midas 755" "data folder"
is "$(owner /var/lib/midas-agent)" "midas-agent 700" "folder of the agent"
is "$(owner /etc/midas/midas.env)" "root 600" "file of secrets"
is "$(owner /usr/bin/midas)" "root 755" "binary"
is "$(dpkg-query -W -f '${Conffiles}' midas | grep -c /etc/midas/)" 3 "configuration files"
is "$(find /etc/systemd/system -name 'midas*')" "" "enabled units"
out=$(systemd-analyze verify /usr/lib/systemd/system/midas.service /usr/lib/systemd/system/midas-agent.service 2>&1) || fail "verify: $out"
is "$(echo "$out" | grep -i midas || true)" "" "warnings about the units"
for unit in midas midas-agent; do # the exposure of systemd's own scale; 10 is none of the protections
  systemd-analyze security --offline=yes --threshold=20 --no-pager "/usr/lib/systemd/system/$unit.service" > /tmp/exposure 2>&1 || { cat /tmp/exposure; fail "exposure of $unit"; }
  tail -1 /tmp/exposure
done

echo "== use"
start midas /tmp/server.log; server=$pid
eval "$(midas env --data /var/lib/midas)"
TOKEN=$(midas token --data /var/lib/midas)
group="$MIDAS_ENDPOINT/subscriptions/$MIDAS_SUBSCRIPTION_ID/resourceGroups/rg1"
identity="$group/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
machine="$group/providers/Microsoft.Compute/virtualMachines/web1"
is "$(ask PUT "$group?api-version=2021-04-01" '{"location":"eastus"}')" 201 "group"
is "$(ask PUT "$identity?api-version=2023-01-31" '{"location":"eastus"}')" 201 "identity"
is "$(ask PUT "$machine?api-version=2024-07-01" '{"location":"eastus","identity":{"type":"SystemAssigned"}}')" 201 "machine"
enrollment=$(midas agent enrollment-token --data /var/lib/midas --resource "${machine#"$MIDAS_ENDPOINT"}")
echo "$enrollment" | runuser -u midas-agent -- /usr/bin/midas agent enroll --server "$MIDAS_ENDPOINT" --ca /var/lib/midas/ca.pem --token -
test -s /var/lib/midas-agent/host.json # the condition of the unit
sed -i 's/^MIDAS_AGENT_OPTIONS=$/MIDAS_AGENT_OPTIONS="--flavour app-service=127.0.0.1:8171"/' /etc/midas/agent.env
start midas-agent /tmp/agent.log; agent=$pid
eval "$(grep '^export ' /tmp/agent.log)"
curl -sS --fail -H "X-IDENTITY-HEADER: $IDENTITY_HEADER" "$IDENTITY_ENDPOINT?api-version=2019-08-01&resource=https://vault.azure.net" | grep -q '"access_token":"ey' || fail "token from the agent"

echo "== upgrade"
echo '# a comment of the operator' >> /etc/midas/midas.yaml
dpkg -i "$new"
is "$(dpkg-query -W -f '${Version}' midas)" "2.0.0" "version"
grep -q 'comment of the operator' /etc/midas/midas.yaml || fail "the configuration is lost"
is "$(owner /etc/midas/midas.env)" "root 600" "file of secrets after the upgrade"
is "$(ask GET "$identity?api-version=2023-01-31")" 200 "the server that runs during the upgrade"
finish "$agent" agent
finish "$server" server
start midas /tmp/server.log; server=$pid
is "$(ask GET "$identity?api-version=2023-01-31")" 200 "identity after the upgrade"
finish "$server" server

echo "== remove"
dpkg -r midas
test ! -e /usr/bin/midas || fail "the binary is still there"
test ! -e /usr/lib/systemd/system/midas.service || fail "the unit is still there"
test -s /var/lib/midas/ca.pem && test -s /var/lib/midas-agent/host.json && test -s /etc/midas/midas.yaml || fail "data is lost"
dpkg -i "$new"
start midas /tmp/server.log; server=$pid
is "$(ask GET "$identity?api-version=2023-01-31")" 200 "identity after the package came back"
finish "$server" server

echo "== beside systemd"
# systemctl fails as it does for a unit that the operator has masked.
cp /usr/bin/systemctl /tmp/systemctl
mkdir -p /run/systemd/system
printf '%s\n' '#!/bin/sh' 'echo "$*" >> /tmp/calls' 'case "$1" in *restart | stop) echo "Unit midas-agent.service is masked." >&2; exit 1;; esac' > /usr/bin/systemctl
dpkg -i "$new" || fail "a masked unit stops the upgrade"
grep -q '^try-restart midas.service' /tmp/calls || fail "the server is not restarted: $(cat /tmp/calls)"
grep -q '^try-restart midas-agent.service' /tmp/calls || fail "the agent is not restarted: $(cat /tmp/calls)"
is "$(dpkg-query -W -f '${Status}' midas)" "install ok installed" "status after an upgrade with a masked unit"
dpkg -r midas || fail "a masked unit stops the removal"
rm -r /run/systemd/system; cat /tmp/systemctl > /usr/bin/systemctl
dpkg -i "$new"

echo "== purge"
# The data folder is a file system of its own, and there is a file of the operator.
mount -t tmpfs none /var/lib/midas-agent
touch /var/lib/midas-agent/host.json /var/lib/midas-agent/.hidden /etc/midas/tls.key
dpkg -P midas || fail "a mounted data folder stops the purge"
is "$(ls -A /var/lib/midas-agent)" "" "data in a mounted folder"
umount /var/lib/midas-agent && rm -r /var/lib/midas-agent
is "$(ls -A /etc/midas)" "tls.key" "files in /etc/midas"
rm -r /etc/midas
dpkg -i "$new" && is "$(owner /var/lib/midas)" "midas 755" "data folder after a purge" && dpkg -P midas
for gone in /var/lib/midas /var/lib/midas-agent /etc/midas /usr/bin/midas; do
  test ! -e "$gone" || fail "$gone is still there: $(find "$gone")"
done
is "$(dpkg-query -W -f '${Status}' midas 2> /dev/null || true)" "" "status"
echo "the package is gone"
