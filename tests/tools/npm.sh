# For sourcing: fetches what a .pin file names from npm, and nothing else.

pin_of() { sed -n "s/^$2=//p" "$1"; } # of the file $1, the key $2

# Unpacks the members $3… of the package that $1 pins into the folder $2.
fetch_npm() {
  local pin=$1 into=$2 scratch tarball integrity
  shift 2
  mkdir -p "$into"
  scratch=$(mktemp -d "$into/.XXXXXX")
  tarball=$(npm pack --silent --pack-destination "$scratch" "$(pin_of "$pin" package)@$(pin_of "$pin" version)") \
    || fail "npm could not fetch $(pin_of "$pin" package)@$(pin_of "$pin" version) (see above)"
  integrity=sha512-$(python3 -c 'import base64, hashlib, sys
print(base64.b64encode(hashlib.sha512(open(sys.argv[1], "rb").read()).digest()).decode())' "$scratch/$tarball")
  [ "$integrity" = "$(pin_of "$pin" integrity)" ] \
    || fail "$tarball is not what $(basename "$pin") expects: $integrity instead of $(pin_of "$pin" integrity)"
  tar -xzf "$scratch/$tarball" -C "$into" --strip-components=1 "$@"
  rm -rf "$scratch"
}
