# The lines of standard input that begin with $1, as words.
_ecr_login_offer() {
  local line
  sort -u | while IFS= read -r line; do
    [[ $line == "$1"* ]] && printf '%q\n' "$line"
  done
}

_ecr_login_registries() {
  local file
  for file in "${AWS_ECR_CACHE_DIR:-$HOME/.ecr}"/tokens/*/hosts/*; do
    [ -e "$file" ] && file=${file##*/} && printf '%s\n' "${file//+/:}"
  done | _ecr_login_offer "$1"
}

# These files can contain anything; nothing may evaluate their words.
_ecr_login_profiles() {
  {
    sed -n -e 's/^\[profile[[:blank:]]\{1,\}"*\([^]"]*[^]"[:blank:]]\).*/\1/p' \
      -e 's/^\[\(default\)\].*/\1/p' "${AWS_CONFIG_FILE:-$HOME/.aws/config}"
    sed -n 's/^\[\([^]]*\)\].*/\1/p' "${AWS_SHARED_CREDENTIALS_FILE:-$HOME/.aws/credentials}"
  } 2>/dev/null | _ecr_login_offer "$1"
}

# readline splits --output=json into three words.
_ecr_login() {
  local index words=() current=0
  for index in "${!COMP_WORDS[@]}"; do
    [[ ${COMP_WORDS[index]} != = || $index = "$COMP_CWORD" ]] &&
      words+=("${COMP_WORDS[index]#=}")
    [ "$index" = "$COMP_CWORD" ] && current=$((${#words[@]} - 1))
  done
  local COMP_WORDS=("${words[@]}") COMP_CWORD=$current
  _shtab_ecr_login
}
