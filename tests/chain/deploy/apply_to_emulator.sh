#!/usr/bin/env bash
# The real provider against the emulator, for those who can download it: apply, an empty plan, drift, destroy.
#   penstock deploy --config FILE --out deploy/
#   penstock-jobs-emulator serve --images images.toml --port 8123 --no-auth &
#   tests/chain/deploy/apply_to_emulator.sh deploy/ 127.0.0.1:8123
# Only the jobs are taken: the emulator is Cloud Run's API for jobs and no other.
set -euo pipefail
deployment=${1:?the folder that penstock deploy wrote}
address=${2:-127.0.0.1:8123}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 - "$deployment/penstock.tf.json" "$work/jobs.tf.json" "$address" <<'PYTHON'
import json, sys
source, target, address = sys.argv[1:]
document = json.load(open(source, encoding="utf-8"))
jobs = document["resource"]["google_cloud_run_v2_job"]
for job in jobs.values():
    del job["depends_on"]
    job["deletion_protection"] = False
document["resource"] = {"google_cloud_run_v2_job": jobs}
document["provider"]["google"] |= {
    "access_token": "none",
    "cloud_run_v2_custom_endpoint": f"http://{address}/v2/",
}
json.dump(document, open(target, "w", encoding="utf-8"))
PYTHON
cd "$work"
terraform init -input=false
terraform apply -input=false -auto-approve
terraform plan -input=false -detailed-exitcode   # 0: nothing to do
job=$(python3 -c 'import json; print(json.load(open("jobs.tf.json"))["resource"]["google_cloud_run_v2_job"]["chain"]["name"])')
parent=$(python3 - <<'PYTHON'
import json
document = json.load(open("jobs.tf.json"))
chain = document["resource"]["google_cloud_run_v2_job"]["chain"]
print(f"projects/{document['provider']['google']['project']}/locations/{chain['location']}")
PYTHON
)
curl -sSf -X DELETE "http://$address/v2/$parent/jobs/$job" >/dev/null
set +e
terraform plan -input=false -detailed-exitcode   # 2: the job that is gone is seen
drift=$?
set -e
[ "$drift" = 2 ] || { echo "the drift was not seen ($drift)" >&2; exit 1; }
terraform apply -input=false -auto-approve
terraform destroy -input=false -auto-approve
echo "applied, planned empty, drift seen, destroyed"
