#!/bin/sh
# Makes the secrets that docker-compose.yml needs, once: passwords of Redis' users, the addresses that hold them,
# and a key that seals customers' data. What exists is left alone, so that it may be run again.
#
#   sh deploy/make-secrets.sh [FOLDER]          default: deploy/secrets
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-$here/secrets}
mkdir -p "$dir"

random() { head -c 32 /dev/urandom | base64; }
# Letters and digits only: the password stands in an address.
password() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

[ -s "$dir/seal_keys" ] || random > "$dir/seal_keys"
rules=$(sed -e '/^#/d' -e '/^$/d' "$here/users.acl")
for user in worker producer gateway operator reader; do
  file=$dir/redis_url_$user
  [ -s "$file" ] || printf 'redis://%s:%s@redis:6379/0\n' "$user" "$(password)" > "$file"
  word=$(printf %s "$user" | tr a-z A-Z)
  hash=$(sed -e 's/.*:\([0-9a-f]*\)@.*/\1/' "$file" | tr -d '\n' | sha256sum | cut -d ' ' -f 1)
  rules=$(printf '%s\n' "$rules" | sed -e "s/#$word /#$hash /")
done
printf '%s\n' "$rules" > "$dir/redis_users.acl"
# It holds hashes of random passwords only, and Redis' container reads it as a user of its own.
chmod 644 "$dir/redis_users.acl"
echo "secrets are in $dir; the worker's container reads them as user 65532:" >&2
echo "  sudo chown -R 65532 $dir" >&2
