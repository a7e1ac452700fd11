function __ecr_login_registries
  set -l cache $AWS_ECR_CACHE_DIR
  test -n "$cache"; or set cache ~/.ecr
  set -l files $cache/tokens/*/hosts/*
  string replace -r '.*/' '' -- $files | string replace -a + : | sort -u
end

# These files can contain anything; nothing may evaluate their words.
function __ecr_login_profiles
  set -l config $AWS_CONFIG_FILE
  test -n "$config"; or set config ~/.aws/config
  set -l credentials $AWS_SHARED_CREDENTIALS_FILE
  test -n "$credentials"; or set credentials ~/.aws/credentials
  begin
    sed -n -e 's/^\[profile[[:blank:]]\{1,\}"*\([^]"]*[^]"[:blank:]]\).*/\1/p' \
      -e 's/^\[\(default\)\].*/\1/p' $config
    sed -n 's/^\[\([^]]*\)\].*/\1/p' $credentials
  end 2>/dev/null | sort -u
end
