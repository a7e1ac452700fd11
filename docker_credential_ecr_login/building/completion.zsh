_ecr_login_registries() {
  local -aU found=("${AWS_ECR_CACHE_DIR:-$HOME/.ecr}"/tokens/*/hosts/*(N:t))
  found=("${found[@]//+/:}")
  compadd "$@" -a -- found
}

# These files can contain anything; nothing may evaluate their words.
_ecr_login_profiles() {
  local -aU found=("${(@f)$(
    sed -n -e 's/^\[profile[[:blank:]]\{1,\}"*\([^]"]*[^]"[:blank:]]\).*/\1/p' \
      -e 's/^\[\(default\)\].*/\1/p' "${AWS_CONFIG_FILE:-$HOME/.aws/config}" 2>/dev/null
    sed -n 's/^\[\([^]]*\)\].*/\1/p' \
      "${AWS_SHARED_CREDENTIALS_FILE:-$HOME/.aws/credentials}" 2>/dev/null
  )}")
  compadd "$@" -a -- found
}
