# The scripted path, as the issue has it. Given: PORT_HTTP, PORT_SSH, PORT_TARGET, LOGIN, SECRET; run in a clone.
set -euo pipefail
tagout() { npx --no-install tagout "$@"; }
# What npx runs, without the second that npx takes; the ordinary user's run takes the long way.
[ "${SHORT:-}" = "" ] || tagout() { node deploy/tagout.mjs "$@"; }
# Looking again and again is not part of the path; npx takes a second each time.
look() { node deploy/tagout.mjs "$@" --json; }
field() { node -e 'const v = JSON.parse(require("fs").readFileSync(0, "utf8")); console.log(eval("v" + process.argv[1]))' "$1"; }
say() { echo "## $SECONDS s: $*" >&2; }

npm start --silent -- --data ./d --http-port "$PORT_HTTP" --ssh-port "$PORT_SSH" --unattended --yes >ready.json 2>start.log &
started=$!
finish() {
  status=$?
  kill "$started" 2>/dev/null || true
  wait "$started" || true
  # What went on is of use only when something went wrong.
  [ "$status" = 0 ] || cat start.log >&2
  exit "$status"
}
trap finish EXIT
say waiting until it is ready
for _ in $(seq 600); do grep -q '^{' ready.json && break; kill -0 "$started"; sleep 0.2; done
[ "$(grep -c '^{' ready.json)" = 1 ]
export TAGOUT_DATA=./d

say the auditor
printf %s 'phrase' | tagout auditor keygen --out auditor.key --passphrase-stdin
tagout auditor add ingrid auditor.key.pub --recovery-out recordings-recovery.key
say safe, target, account
tagout safe add line-3
tagout target add press-3 "ssh://127.0.0.1:$PORT_TARGET" --safe line-3 --pin-now
printf %s "$SECRET" | tagout account add "press-3/$LOGIN" --password-stdin
say bob and his grant
ssh-keygen -q -t ed25519 -N '' -C bob -f bob
tagout user add bob --role operator && tagout user key add bob bob.pub
tagout grant add bob "press-3/$LOGIN" --for 4h --allow shell,exec,sftp-read,sftp-write --json | tee grant.json

say the session
tagout ssh-config --user bob --known-hosts >known_hosts
bob() { ssh -i bob -o UserKnownHostsFile=known_hosts -o HostKeyAlias=tagout -o BatchMode=yes -o IdentitiesOnly=yes -F none -p "$PORT_SSH" "bob@$LOGIN@press-3@127.0.0.1" "$@"; }
bob 'uname -a' | tee uname.txt
status=0; bob 'exit 7' || status=$?; [ "$status" = 7 ]

say listed, exported, verified
for _ in $(seq 100); do [ "$(look recording list | field '.every((r) => r.state === "complete")')" = true ] && break; sleep 0.2; done
tagout session list --json >sessions.json; tagout recording list --json >recordings.json
REC=$(field '.at(-1).id' <recordings.json)
printf %s 'phrase' | tagout recording export "$REC" --as asciicast --identity auditor.key --passphrase-stdin --out s.cast
printf %s 'phrase' | tagout recording export "$REC" --as text --identity auditor.key --passphrase-stdin --out s.txt
tagout recording verify "$REC"; tagout audit verify
tagout audit export --out audit.json; tagout audit verify --file audit.json

say terminated, revoked, sealed, unsealed
bob 'sleep 300' 2>terminated.txt & sleeping=$!
for _ in $(seq 100); do [ "$(look session list --live | field '.length')" = 1 ] && break; sleep 0.2; done
SES=$(look session list --live | field '[0].id'); GRT=$(field '.id' <grant.json)
tagout session terminate "$SES"; tagout grant revoke "$GRT"; tagout seal
status=0; wait "$sleeping" || status=$?; [ "$status" != 0 ]
status=0; look status >/dev/null 2>&1 || status=$?; [ "$status" = 3 ]
tagout unseal; tagout status
status=0; bob 'uname -a' 2>revoked.txt || status=$?; [ "$status" != 0 ]
say done
