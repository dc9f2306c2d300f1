#!/usr/bin/env bash
# Writes .env beside this script: the names of .env.example, with random secrets. An existing file is left alone.
set -euo pipefail
cd "$(dirname "$0")"

if [[ -e .env ]]; then
    echo "expected no .env here, but it exists: edit it, or move it away for new secrets (and remove the volumes)" >&2
    exit 2
fi
command -v openssl >/dev/null || { echo "expected openssl: install it, or fill in a copy of .env.example" >&2; exit 2; }

umask 077
secret() { openssl rand -hex 24; }
sed -e "s/^POSTGRES_PASSWORD=.*/POSTGRES_PASSWORD=$(secret)/" \
    -e "s/^PREFECT_AUTH_STRING=.*/PREFECT_AUTH_STRING=admin:$(secret)/" \
    -e "s/^RAY_AUTH_TOKEN=.*/RAY_AUTH_TOKEN=$(secret)/" \
    -e "s/^S3_ADMIN_ACCESS_KEY=.*/S3_ADMIN_ACCESS_KEY=ADMIN$(openssl rand -hex 8)/" \
    -e "s/^S3_ADMIN_SECRET_KEY=.*/S3_ADMIN_SECRET_KEY=$(secret)/" \
    -e "s/^S3_PIPELINE_ACCESS_KEY=.*/S3_PIPELINE_ACCESS_KEY=PIPELINE$(openssl rand -hex 8)/" \
    -e "s/^S3_PIPELINE_SECRET_KEY=.*/S3_PIPELINE_SECRET_KEY=$(secret)/" \
    -e '1,2d' .env.example > .env.part
mv .env.part .env
echo "wrote $(pwd)/.env"
