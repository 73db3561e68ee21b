#!/usr/bin/env bash
# Makes a data folder with objects of all kinds, for the test that later versions open it:
#
#	testdata/golden/make.sh PROGRAM NAME
#
# PROGRAM is the midas of the release. It writes NAME.tar.gz, and NAME.json with what the test expects, beside itself.
# It needs curl and jq. All credentials in the folder are made for the test and protect nothing.
set -euo pipefail
midas=$(realpath "$1"); out=$(dirname "$(realpath "$0")"); name=$2
work=$(mktemp -d); trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"; export MIDAS_DATA=$work/data
"$midas" serve --listen 127.0.0.1:0 > log 2>&1 & server=$!
for _ in $(seq 100); do grep -q '^ready ' log && break; sleep 0.1; done
eval "$("$midas" env)"
TOKEN=$("$midas" token)
arm() {
	local answer
	answer=$(curl -sS --fail-with-body --cacert "$MIDAS_CA" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -X "$1" "$MIDAS_ENDPOINT$2" ${3:+-d "$3"}) || { echo "$1 $2: $answer" >&2; return 1; }
	echo "$answer"
}
S=/subscriptions/$MIDAS_SUBSCRIPTION_ID; G=$S/resourceGroups/golden
ID=$G/providers/Microsoft.ManagedIdentity/userAssignedIdentities; C=$G/providers/Microsoft.Compute
arm PUT "$G?api-version=2021-04-01" '{"location":"eastus","tags":{"a":"b"}}' > /dev/null
app=$(arm PUT "$ID/app?api-version=2023-01-31" '{"location":"eastus"}')
arm PUT "$ID/gone?api-version=2023-01-31" '{"location":"eastus"}' > /dev/null
arm PUT "$ID/app/federatedIdentityCredentials/build?api-version=2023-01-31" '{"properties":{"issuer":"https://issuer.example","subject":"repo:a","audiences":["api://AzureADTokenExchange"]}}' > /dev/null
arm PUT "$C/virtualMachines/vm1?api-version=2023-03-01" '{"location":"eastus","identity":{"type":"SystemAssigned, UserAssigned","userAssignedIdentities":{"'"$ID/app"'":{}}},"properties":{}}' > vm.json
arm PUT "$C/virtualMachineScaleSets/set1?api-version=2023-03-01" '{"location":"eastus","sku":{"name":"Standard_B1s","capacity":2},"identity":{"type":"UserAssigned","userAssignedIdentities":{"'"$ID/app"'":{}}},"properties":{"orchestrationMode":"Uniform"}}' > /dev/null
arm DELETE "$ID/gone?api-version=2023-01-31" > /dev/null
arm PUT "$G/providers/Microsoft.Authorization/locks/keep?api-version=2020-05-01" '{"properties":{"level":"CanNotDelete"}}' > /dev/null
role=$(arm PUT "$S/providers/Microsoft.Authorization/roleDefinitions/11111111-2222-3333-4444-555555555555?api-version=2022-04-01" '{"properties":{"roleName":"Golden","type":"CustomRole","assignableScopes":["'"$S"'"],"permissions":[{"actions":["Microsoft.Compute/*/read"],"notActions":[],"dataActions":[],"notDataActions":[]}]}}' | jq -r .name)
arm PUT "/providers/Microsoft.Management/managementGroups/platform?api-version=2021-04-01" '{"properties":{"displayName":"Platform"}}' > /dev/null
"$midas" subscription create Second --alias second > /dev/null
"$midas" user add anna --password 'Golden-pass-1' > /dev/null; "$midas" group add developers > /dev/null
domain=$(jq -r .userName "$MIDAS_DATA/admin.json" | sed 's/.*@//')
"$midas" group member add developers "anna@$domain" > /dev/null
"$midas" app create deployer > app.json; secret=$("$midas" app secret deployer | tail -1)
"$midas" role assign --assignee deployer --role Reader > /dev/null
"$midas" role assign --assignee developers --role Contributor --scope "$G" > /dev/null
"$midas" role assign --assignee "anna@$domain" --role "$role" > /dev/null
enroll=$("$midas" agent enrollment-token --resource "$C/virtualMachines/vm1" | tail -1)
"$midas" agent enroll --state "$work/agent" --server "$MIDAS_ENDPOINT" --ca "$MIDAS_CA" --token "$enroll" > /dev/null
"$midas" agent enrollment-token --resource "$C/virtualMachines/vm1" > /dev/null
"$midas" dump > dump.jsonl
jq -n --arg token "$TOKEN" --arg group "$G" --argjson app "$app" --argjson vm "$(cat vm.json)" --arg client "$(jq -r '.appId // .clientId' app.json)" --arg secret "$secret" --arg ca "$(sha256sum "$MIDAS_CA" | cut -d' ' -f1)" \
	'{token:$token, group:$group, identity:$app, machine:$vm, client:$client, secret:$secret, caSum:$ca}' > "$out/$name.json"
kill "$server"; wait "$server" || true
rm -f data/control.sock data/lock
tar --sort=name --owner=0 --group=0 --mtime=@0 -czf "$out/$name.tar.gz" data
